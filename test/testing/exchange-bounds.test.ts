import { createServer } from "node:http";
import { describe, expect, it } from "vitest";
import { exchange } from "../../src/testing/index.js";
import { listen, tcp } from "./servers.js";

describe("exchange with idleMs", () => {
  it("leaves the connection idle before the second request", async () => {
    const times: number[] = [];
    const server = await listen(
      createServer((_, response) => {
        times.push(performance.now());
        response.end("hello");
      }),
    );
    const { responses, valid } = await exchange(server, [{}, {}], { idleMs: 80 });
    expect({ count: responses.length, valid }).toEqual({ count: 2, valid: true });
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThan(70);
  });

  it("tells of a connection that is closed meanwhile", async () => {
    const server = await tcp((socket) => {
      socket.once("data", () => {
        socket.write(`HTTP/1.1 200 OK\r\nDate: ${new Date().toUTCString()}\r\nContent-Length: 0\r\n\r\n`);
        setTimeout(() => socket.end(), 30);
      });
    });
    const { responses, problems, end } = await exchange(server, [{}, {}], { idleMs: 5_000 });
    expect(responses).toHaveLength(1);
    expect(end).toBe("fin");
    expect(problems.map(({ code }) => code)).toEqual(["unanswered"]);
  });
});

describe("exchange with maxOctets", () => {
  it("gives up a response without end", async () => {
    const server = await tcp((socket) => {
      const more = () => {
        while (!socket.destroyed && socket.write("x".repeat(10_000)));
      };
      socket.once("data", () => {
        socket.write(`HTTP/1.1 200 OK\r\nDate: ${new Date().toUTCString()}\r\n\r\n`);
        more();
      });
      socket.on("drain", more);
    });
    const { tooMuch, timedOut, octets, firstOctetMs, lastOctetMs } = await exchange(server, {}, { maxOctets: 100_000 });
    expect({ tooMuch, timedOut }).toEqual({ tooMuch: true, timedOut: false });
    expect(octets.length).toBeGreaterThan(100_000);
    expect(lastOctetMs).toBeGreaterThanOrEqual(firstOctetMs ?? Number.POSITIVE_INFINITY);
  });

  it("takes no limit of nothing", async () => {
    await expect(exchange("http://127.0.0.1:1/", {}, { maxOctets: 0 })).rejects.toThrow("maxOctets must be");
  });
});
