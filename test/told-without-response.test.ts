import { createServer, type RequestListener, type Server, type ServerOptions } from "node:http";
import type { Socket } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { createGuard } from "../src/index.js";
import { exchange } from "../src/testing/index.js";
import { listen } from "./testing/servers.js";

type Listens = (server: Server) => unknown;

const hears =
  (event: "clientError" | "upgrade" | "connect", act: (socket: Socket) => unknown): Listens =>
  (server) =>
    server.on(event, (_, socket) => act(socket as Socket));

const destroys = (socket: Socket) => socket.destroy();
const garbage = (socket: Socket) => socket.end("400\r\n");
const nothing = () => {};
/** As Node's documentation has it. */
const answers = (socket: Socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");

const UPGRADE = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";
const CONNECT = "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n";
const MALFORMED = "GET / HTTP/9.9\r\n\r\n";
const LARGE = `GET / HTTP/1.1\r\nHost: a\r\nCookie: ${"a".repeat(20_000)}\r\n\r\n`;
const BAD_CHUNK = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n";
const SLOW = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc";

const IMPATIENT: ServerOptions = { requestTimeout: 100, headersTimeout: 100, connectionsCheckingInterval: 30 };

const readsAll: RequestListener = (request, response) => {
  request.on("error", () => {}).on("end", () => response.end("ok"));
  request.resume();
};

/** What of a request for which Node has no response, or has told its app that it cannot be read, is told as an incident. */
const CASES: [string, string, Listens, string[]][] = [
  ["a CONNECT nobody listens for", CONNECT, nothing, ["MC-2 520"]],
  ["a CONNECT whose socket is destroyed", CONNECT, hears("connect", destroys), ["MC-2 520"]],
  ["an upgrade whose socket is destroyed", UPGRADE, hears("upgrade", destroys), ["MC-2 520"]],
  ["an upgrade that is answered with garbage", UPGRADE, hears("upgrade", garbage), ["RAW_WRITE 520"]],
  ["an upgrade that is answered", UPGRADE, hears("upgrade", answers), []],
  ["a malformed request whose socket is destroyed", MALFORMED, hears("clientError", destroys), ["CLIENT_ERROR 520"]],
  ["a malformed request, answered with garbage", MALFORMED, hears("clientError", garbage), ["CLIENT_ERROR 520"]],
  ["a malformed request, left alone", MALFORMED, hears("clientError", nothing), ["CLIENT_ERROR 520"]],
  ["a malformed request that is answered", MALFORMED, hears("clientError", answers), []],
  ["too large a request whose socket is destroyed", LARGE, hears("clientError", destroys), ["CLIENT_ERROR 520"]],
  [
    "content that cannot be read, and the socket destroyed",
    BAD_CHUNK,
    hears("clientError", destroys),
    ["CLIENT_ERROR 520"],
  ],
  ["content that cannot be read, left alone", BAD_CHUNK, hears("clientError", nothing), ["CLIENT_ERROR 520"]],
  ["content that cannot be read, and is answered", BAD_CHUNK, hears("clientError", answers), []],
  [
    "content that does not arrive, and the socket destroyed",
    SLOW,
    hears("clientError", destroys),
    ["CLIENT_ERROR 520"],
  ],
  ["content that does not arrive, and is answered", SLOW, hears("clientError", answers), []],
];

describe.each(["enforce", "report"] as const)("mode: %s tells what bare Node would have cost:", (mode) => {
  it.each(CASES)("%s", async (_what, request, listens, expected) => {
    const told: string[] = [];
    const take = (record: object, message: string) => {
      const { code, prevented } = record as { code: string; prevented: number | null };
      if (message === "incident") told.push(`${code} ${prevented}`);
    };
    const guard = createGuard({ mode, logger: { info: take, warn: take, error: take } });
    const server = createServer(IMPATIENT, readsAll);
    listens(server);
    await exchange(await listen(guard.attach(server)), request, { timeoutMs: 1_500 });
    await wait(20);
    expect(told).toEqual(expected);
    guard.close();
  });
});
