import http from "node:http";
import { type AddressInfo, connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { createGuard } from "../src/index.js";
import { exchange } from "../src/testing/index.js";

const servers: http.Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close().closeAllConnections();
});

/** Events of request and response, in order, until both are closed. */
async function eventsOf(isGuarded: boolean, handler: http.RequestListener, request: object): Promise<string[]> {
  const events: string[] = [];
  let closed: () => void;
  const bothClosed = new Promise<void>((resolve) => {
    let open = 2;
    closed = () => --open === 0 && resolve();
  });
  const server = http.createServer((req, res) => {
    for (const event of ["end", "aborted", "error", "close"]) req.on(event, () => events.push(`request ${event}`));
    for (const event of ["prefinish", "finish", "error", "close"])
      res.on(event, () => events.push(`response ${event}`));
    req.once("close", closed);
    res.once("close", closed);
    handler(req, res);
  });
  servers.push(server);
  if (isGuarded) createGuard({ logger: false }).attach(server);
  await new Promise<void>((resolve) => server.listen(0, resolve));
  await exchange({ port: (server.address() as AddressInfo).port }, request, { keepOpenMs: 1 });
  await bothClosed;
  return events;
}

const HANDLERS: Record<string, http.RequestListener> = {
  "answers at once": (_req, res) => res.end("hello"),
  "reads the request and answers": (req, res) => req.resume().on("end", () => res.end("hello")),
  "streams its answer": (_req, res) => {
    res.write("a");
    setImmediate(() => res.end("b"));
  },
  "answers by hand and ends the connection": (req) => {
    const octets = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    req.resume().on("end", () => req.socket.end(octets));
  },
};

/** Events of three pipelined requests, each answered 30 ms after the client has gone; until the last of them is. */
async function eventsOfQueued(isGuarded: boolean): Promise<string[]> {
  const events: string[] = [];
  let allEnded = () => {};
  const isOver = new Promise<void>((resolve) => {
    allEnded = resolve;
  });
  let open = 3;
  const server = http.createServer((req, res) => {
    req.on("close", () => events.push(`request ${req.url} close`));
    for (const event of ["prefinish", "finish"]) res.on(event, () => events.push(`response ${req.url} ${event}`));
    req.socket.once("end", () =>
      setTimeout(() => {
        res.end("hello");
        if (--open === 0) setTimeout(allEnded, 30);
      }, 30),
    );
  });
  servers.push(server);
  if (isGuarded) createGuard({ logger: false }).attach(server);
  await new Promise<void>((resolve) => server.listen(0, resolve));
  const client = connect((server.address() as AddressInfo).port);
  client.end(["/1", "/2", "/3"].map((path) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`).join(""));
  await isOver;
  client.destroy();
  return events;
}

/** Events of a socket, and of the request on it, until 50 ms behind its `close`. */
async function eventsOfSocket(isGuarded: boolean, handler: http.RequestListener, octets: string): Promise<string[]> {
  const events: string[] = [];
  let done = () => {};
  const isOver = new Promise<void>((resolve) => {
    done = resolve;
  });
  const server = http.createServer((req, res) => {
    for (const event of ["aborted", "close"]) req.on(event, () => events.push(`request ${event}`));
    for (const event of ["end", "prefinish", "finish", "close"])
      req.socket.on(event, () => events.push(`socket ${event}`));
    req.socket.on("close", () => setTimeout(done, 50));
    handler(req, res);
  });
  servers.push(server);
  if (isGuarded) createGuard({ logger: false }).attach(server);
  await new Promise<void>((resolve) => server.listen(0, resolve));
  const client = connect({ port: (server.address() as AddressInfo).port, allowHalfOpen: true }).resume();
  client.on("error", () => {});
  if (octets.includes("GET /left")) client.end(octets);
  else client.write(octets);
  client.on("end", () => client.end());
  await isOver;
  client.destroy();
  return events;
}

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

it.each<[string, string, http.RequestListener]>([
  [
    "whose client ends its side, and is answered later",
    GET.replace("/", "/left"),
    (req, res) => void req.socket.once("end", () => setTimeout(() => res.end("hello"), 20)),
  ],
  ["that the app destroys", GET, (req) => void setImmediate(() => req.socket.destroy())],
  ["whose response the app destroys", GET, (_req, res) => void setImmediate(() => res.destroy())],
  [
    "whose request the app destroys in mid-upload",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc",
    (req) => void setImmediate(() => req.destroy()),
  ],
])("a socket %s hears of nothing behind its close, and of the same in front of it", async (_what, octets, handler) => {
  const bare = await eventsOfSocket(false, handler, octets);
  expect(bare).toContain("socket close");
  expect(await eventsOfSocket(true, handler, octets)).toEqual(bare);
});

it("responses that wait for their turn never finish, where the client has ended its side", async () => {
  const bare = await eventsOfQueued(false);
  expect(bare).toContain("response /1 prefinish");
  expect(bare).not.toContain("response /2 prefinish");
  expect(await eventsOfQueued(true)).toEqual(bare);
});

describe.each(Object.entries(HANDLERS))("a handler that %s", (_what, handler) => {
  it.each([
    ["GET", { path: "/" }],
    ["HEAD", { path: "/", method: "HEAD" }],
    ["POST", { path: "/", method: "POST", body: "content" }],
  ])("sees the same events in the same order for %s, guarded or not", async (_method, request) => {
    const bare = await eventsOf(false, handler, request);
    expect(bare).toContain("request close");
    expect(await eventsOf(true, handler, request)).toEqual(bare);
  });
});
