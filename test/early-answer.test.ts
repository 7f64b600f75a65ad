import { once } from "node:events";
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createGuard } from "../src/index.js";

vi.setConfig({ testTimeout: 30_000 });

const servers: http.Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close().closeAllConnections();
});

/** What a client that only sends reads once the connection has ended. */
async function answerTo(listener: (req: IncomingMessage, res: ServerResponse) => unknown): Promise<string> {
  const server = http.createServer(listener as http.RequestListener);
  servers.push(server);
  createGuard({ logger: false, shutdown: false, crash: false }).attach(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  socket.on("error", () => {});
  let octets = "";
  socket.on("data", (data) => {
    octets += data;
  });
  socket.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n${"x".repeat(1_000_000)}`);
  await once(socket, "close");
  return octets;
}

describe("a request that its app destroys in mid-content", () => {
  it("is answered by the app all the same, where the app still does", async () => {
    const octets = await answerTo((req, res) => {
      req.once("data", () => {
        req.destroy();
        setImmediate(() => res.writeHead(413).end("too large"));
      });
    });
    expect(octets).toMatch(/^HTTP\/1\.1 413 [\s\S]*\r\nConnection: close\r\n[\s\S]*too large/);
  });

  it("is answered by the guard where the app does not", async () => {
    const octets = await answerTo((req) => req.once("data", () => req.destroy()));
    expect(octets).toMatch(/^HTTP\/1\.1 500 [\s\S]*\r\nConnection: close\r\n/);
  });
});

describe("an early answer to an upload that nobody will read", () => {
  it("announces the close where the app has let go of the request", async () => {
    const octets = await answerTo(async (req, res) => {
      for await (const _chunk of req) break;
      res.writeHead(413).end("too large");
    });
    expect(octets).toMatch(/^HTTP\/1\.1 413 [\s\S]*\r\nConnection: close\r\n[\s\S]*too large/);
  });

  it("is followed by the end of the connection where it has promised to persist", async () => {
    const octets = await answerTo(async (req, res) => {
      res.writeHead(413).flushHeaders();
      for await (const _chunk of req) break;
      res.end("too large");
    });
    expect(octets).toMatch(/^HTTP\/1\.1 413 [\s\S]*\r\nConnection: keep-alive\r\n[\s\S]*too large/);
  });

  it.each(["bare", "guarded"])(
    "keeps the connection that it has promised to keep, once the rest has arrived: %s",
    async (how) => {
      const server = http.createServer(async (req, res) => {
        if (req.method === "GET") return void res.end("next");
        res.writeHead(413, { "Content-Length": 9 }).flushHeaders();
        for await (const _chunk of req) break;
        res.end("too large");
      });
      servers.push(server);
      if (how === "guarded") createGuard({ logger: false, shutdown: false, crash: false }).attach(server);
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
      let octets = "";
      socket.on("data", (data) => {
        octets += data;
      });
      socket.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n0123456789`);
      await vi.waitFor(() => expect(octets).toMatch(/too large$/));
      // It sends on while the server could be closing.
      await new Promise((resolve) => setTimeout(resolve, 50));
      socket.write(`0123456789GET / HTTP/1.1\r\nHost: a\r\n\r\n`);
      await vi.waitFor(() => expect(octets).toMatch(/next$/));
      socket.destroy();
    },
  );

  it("ends the connection within the time of Node where the app has only stopped reading", async () => {
    const octets = await answerTo((req, res) => {
      req.once("data", () => {
        req.pause();
        res.writeHead(413).end("too large");
      });
    });
    expect(octets).toContain("too large");
  });
});

it("leaves nothing behind on a connection whose next requests are answered early, too", async () => {
  const sockets: Socket[] = [];
  const server = http.createServer((req, res) => {
    sockets.push(req.socket);
    res.writeHead(401).end("no");
    req.resume();
  });
  servers.push(server);
  createGuard({ logger: false, shutdown: false, crash: false }).attach(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
  for (let n = 0; n < 12; n++) {
    client.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    await once(client, "data");
    await delay(5);
    client.write("hello");
    await delay(5);
  }
  const [socket] = sockets as [Socket];
  expect(new Set(sockets).size).toBe(1);
  // Node's own, and the one for the request that came last.
  expect(socket.listenerCount("close")).toBeLessThanOrEqual(2);
  client.destroy();
});
