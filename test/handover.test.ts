import { once } from "node:events";
import { createServer } from "node:http";
import net, { type AddressInfo, type Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { createGuard } from "../src/index.js";
import { parseResponses } from "../src/testing/parse-response.js";
import { listen } from "./testing/servers.js";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const UPGRADE = "GET /up HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
const CONNECT = "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n";

/** Sends both requests at once, and returns what came back for each of them when the connection has closed. */
async function pipelined(second: string, event: string, listener?: (request: unknown, socket: Socket) => void) {
  const server = createServer((_request, response) => void setTimeout(() => response.end("mine"), 20));
  if (listener !== undefined) server.on(event, listener);
  createGuard({ logger: false }).attach(server);
  const { port } = (await listen(server)).address() as AddressInfo;
  const socket = net.connect(port, "127.0.0.1").on("error", () => undefined);
  let text = "";
  socket.on("data", (octets) => {
    text += octets.toString("latin1");
  });
  socket.write(GET + second);
  await once(socket, "close");
  const method = second.split(" ", 1)[0] as string;
  const requests = [{ method: "GET" }, { method }];
  const { responses, problems } = parseResponses(Buffer.from(text, "latin1"), { requests });
  expect(problems).toEqual([]);
  return responses.map((response) => [response.status, response.status === 200 ? response.text() : ""]);
}

const refuse = (status: number) => (_request: unknown, socket: Socket) =>
  void socket.end(`HTTP/1.1 ${status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);

describe("pipelined behind a request that is not answered yet", () => {
  it("a CONNECT nobody listens for is answered, after that request", async () => {
    expect(await pipelined(CONNECT, "connect")).toEqual([
      [200, "mine"],
      [501, ""],
    ]);
  });

  it.each([
    ["a CONNECT", CONNECT, "connect", 403],
    ["an upgrade", UPGRADE, "upgrade", 426],
  ] as const)("%s gets the answer of its listener, and that request its own", async (_what, octets, event, status) => {
    expect(await pipelined(octets, event, refuse(status))).toEqual([
      [200, "mine"],
      [status, ""],
    ]);
  });

  it("an upgrade whose listener throws is answered with 500, after that request", async () => {
    const statuses = await pipelined(UPGRADE, "upgrade", () => {
      throw new Error("no");
    });
    expect(statuses).toEqual([
      [200, "mine"],
      [500, ""],
    ]);
  });
});

it("adds no listener to the socket of an upgrade or a CONNECT, and forgets it once that is gone", async () => {
  const counts: number[][] = [];
  for (const isGuarded of [false, true]) {
    const server = createServer();
    const guard = createGuard({ logger: false, shutdown: false });
    if (isGuarded) guard.attach(server);
    for (const event of ["upgrade", "connect"])
      server.on(event, (_request, socket) => {
        const before = ["close", "error", "end", "data", "finish"].map((name) => socket.listenerCount(name));
        socket.end("HTTP/1.1 200 OK\r\n\r\n");
        counts.push(before);
      });
    await listen(server);
    const { port } = server.address() as AddressInfo;
    for (const octets of [
      "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
      "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
    ]) {
      const socket = net.connect(port, "127.0.0.1");
      socket.resume().write(octets);
      await new Promise((resolve) => socket.once("close", resolve));
    }
    await guard.drain();
    expect(guard.stats().inFlight).toBe(0);
  }
  expect(counts.slice(2)).toEqual(counts.slice(0, 2));
});
