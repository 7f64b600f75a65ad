import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import http2 from "node:http2";
import { type AddressInfo, connect } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import express from "express";
import express4 from "express4";
import fastify from "fastify";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { rayguard } from "../adapters/express.js";
import fastifyGuard from "../adapters/fastify.js";
import { createGuard, type GuardOptions } from "../src/index.js";

// Tests of apps stop the clock (vitest, Jest and sinon all replace the global timers), and send requests meanwhile.

/** What these libraries replace by default. */
const FAKED = [
  ...(["setTimeout", "clearTimeout", "setInterval", "clearInterval", "setImmediate", "clearImmediate"] as const),
  ...(["performance", "hrtime", "Date"] as const),
];

const OPTIONS: GuardOptions = { logger: false, shutdown: false, crash: false, firstByteDeadlineMs: 400 };

const closing: (() => unknown)[] = [];
beforeEach(() => {
  vi.useFakeTimers({ toFake: FAKED });
});
afterEach(async () => {
  vi.useRealTimers();
  for (const close of closing.splice(0)) await close();
});

/** What a client receives until it has `expected`, and for a second and a half of real time at most. */
async function ask(server: Server, octets: string, expected: RegExp): Promise<string> {
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  closing.push(() => socket.destroy());
  let received = "";
  socket.on("data", (data) => {
    received += data;
  });
  socket.on("error", () => {});
  socket.write(octets);
  for (let left = 150; left > 0 && !expected.test(received) && !socket.destroyed; left--) await wait(10);
  return received;
}

type Handle = (request: IncomingMessage, response: ServerResponse) => unknown;

/** One server of each framework whose only route is `handle`. */
const SERVERS: Record<string, (handle: Handle) => Promise<Server>> = {
  node: async (handle) => {
    const guard = createGuard(OPTIONS);
    const server = createServer(handle as RequestListener);
    guard.attach(server);
    return listen(server, () => guard.close());
  },
  express5: (handle) => ofExpress(express, handle),
  express4: (handle) => ofExpress(express4 as unknown as typeof express, handle),
  fastify: async (handle) => {
    const app = fastify();
    await app.register(fastifyGuard, OPTIONS);
    // Before Fastify reads the content of the request.
    app.addHook("onRequest", (request, reply, _done) => {
      reply.hijack();
      handle(request.raw, reply.raw);
    });
    await app.ready();
    return listen(app.server, () => {});
  },
};

function ofExpress(make: typeof express, handle: Handle): Promise<Server> {
  const app = make();
  const guard = rayguard(OPTIONS);
  app.use(guard);
  app.use(handle as never);
  return listen(createServer(app as RequestListener), () => guard.close());
}

async function listen(server: Server, close: () => unknown): Promise<Server> {
  await once(server.listen(0, "127.0.0.1"), "listening");
  closing.push(() => {
    server.close().closeAllConnections();
    return close();
  });
  return server;
}

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

describe.each(Object.keys(SERVERS))("a clock that stands still, and a guarded server of %s", (name) => {
  const serve = (handle: Handle) => (SERVERS[name] as (handle: Handle) => Promise<Server>)(handle);

  it("begins an answer that is not ended", async () => {
    const server = await serve((_request, response) => response.write("begun"));
    expect(await ask(server, GET, /begun/)).toMatch(/^HTTP\/1\.1 200 OK[\s\S]*5\r\nbegun\r\n$/);
  });

  it("answers at its deadline", async () => {
    const server = await serve(() => {});
    expect(await ask(server, GET, /\r\n\r\n/)).toMatch(/^HTTP\/1\.1 503 /);
  });

  it("answers where the app destroys its response", async () => {
    const server = await serve((_request, response) => response.destroy());
    expect(await ask(server, GET, /\r\n\r\n/)).toMatch(/^HTTP\/1\.1 500 /);
  });

  it("answers what throws behind a header section", async () => {
    const server = await serve((_request, response) => {
      response.write("begun");
      response.destroy(new Error("of the app"));
    });
    expect(await ask(server, GET, /\r\n\r\n/)).toMatch(/^HTTP\/1\.1 500 /);
  });

  it("tells the app of a client that leaves in mid-upload", async () => {
    const told: string[] = [];
    const server = await serve((request, response) => {
      request.on("aborted", () => told.push("aborted")).on("error", () => told.push("error"));
      request.on("close", () => told.push("request close")).resume();
      response.on("close", () => told.push("response close"));
    });
    const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
    socket.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc");
    await wait(50);
    socket.end();
    for (let left = 100; left > 0 && told.length < 4; left--) await wait(10);
    expect(told.sort()).toEqual(["aborted", "error", "request close", "response close"]);
    socket.destroy();
  });

  it("closes with an idle connection", async () => {
    const server = await serve((_request, response) => response.end("whole"));
    expect(await ask(server, GET, /whole/)).toMatch(/whole$/);
    let isClosed = false;
    server.close(() => {
      isClosed = true;
    });
    for (let left = 100; left > 0 && !isClosed; left--) await wait(10);
    expect(isClosed).toBe(true);
  });
});

describe("a clock that stands still, and a guarded server of HTTP/2", () => {
  it.each([
    ["begins an answer that is not ended", (response: http2.Http2ServerResponse) => void response.write("begun"), 200],
    ["answers at its deadline", () => {}, 503],
    [
      "answers where the app destroys its stream",
      (response: http2.Http2ServerResponse) => response.stream.destroy(),
      500,
    ],
  ])("%s", async (_what, handle, status) => {
    const guard = createGuard(OPTIONS);
    const server = http2.createServer((_request, response) => handle(response));
    guard.attach(server);
    await once(server.listen(0, "127.0.0.1"), "listening");
    const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    closing.push(() => {
      client.destroy();
      server.close();
      return guard.close();
    });
    const stream = client.request({ ":path": "/" });
    stream.on("error", () => {});
    let got: unknown;
    stream.on("response", (fields) => {
      got = fields[":status"];
    });
    for (let left = 150; left > 0 && got === undefined; left--) await wait(10);
    expect(got).toBe(status);
  });
});
