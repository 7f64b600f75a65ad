import { once } from "node:events";
import http from "node:http";
import type { Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { exchange } from "../../src/testing/index.js";
import { head } from "../parser/streams/stream-case.js";
import { answering, listen, tcp } from "./servers.js";

describe("large content", () => {
  const OCTETS = 16 * 1024 * 1024;

  it("is read whole, by length and in chunks", async () => {
    const server = await listen(
      http.createServer((request, response) => {
        if (request.url === "/length") {
          response.end(Buffer.alloc(OCTETS, 97));
          return;
        }
        for (let part = 0; part < 64; part += 1) response.write(Buffer.alloc(OCTETS / 64, 97));
        response.end();
      }),
    );
    const result = await exchange(server, [{ path: "/length" }, { path: "/chunks" }]);
    expect(result.responses.map(({ framing }) => framing)).toEqual(["length", "chunked"]);
    for (const { content } of result.responses) expect(content.equals(Buffer.alloc(OCTETS, 97))).toBe(true);
    expect(result.valid).toBe(true);
  });

  it("is read in time, however small the chunks", async () => {
    const chunks = 250_000;
    const server = await answering(`${head("Transfer-Encoding: chunked\r\n")}${"1\r\na\r\n".repeat(chunks)}0\r\n\r\n`);
    const result = await exchange(server, {});
    expect(result.valid).toBe(true);
    expect(result.responses[0]?.content.length).toBe(chunks);
  });

  it("waits at the server while we do not read", async () => {
    const stream: { socket?: Socket; flushed?: boolean } = {};
    const server = await tcp((socket) => {
      stream.socket = socket;
      socket.once("data", () => {
        socket.write(head(`Content-Length: ${OCTETS}\r\n`));
        stream.flushed = socket.write(Buffer.alloc(OCTETS));
      });
    });
    const running = exchange(server, {}, { pauseReadingMs: 150 });
    const [socket] = (await once(server, "connection")) as [Socket];
    await once(socket, "data");
    expect(stream.flushed).toBe(false);
    const result = await running;
    expect(result).toMatchObject({ valid: true });
    expect(result.firstOctetMs).toBeGreaterThanOrEqual(149);
  });
});
