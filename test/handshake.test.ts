import { once } from "node:events";
import { createSecureServer } from "node:http2";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, connect } from "node:net";
import type { Server } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { createGuard } from "../src/index.js";
import { selfSigned } from "./testing/certificate.js";

const tls = { ...selfSigned(), handshakeTimeout: 100 };
const open: Server[] = [];
afterEach(() => {
  for (const server of open.splice(0)) server.close();
});

const SERVERS: [name: string, create: () => Server][] = [
  ["https", () => createHttpsServer(tls, (_request, response) => response.end("ok"))],
  ["http2", () => createSecureServer(tls)],
  ["http2 with allowHTTP1", () => createSecureServer({ ...tls, allowHTTP1: true })],
];

/** What an app may do about a client error. */
const LISTENERS: [what: string, listener: ((error: Error, socket: never) => void) | undefined][] = [
  ["nobody listens", undefined],
  ["a listener does nothing", () => {}],
  [
    "a listener answers as the documentation shows",
    (_error, socket: { end(text: string): void }) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"),
  ],
];

/** The first octets of a ClientHello, and no more. */
const HALF_HELLO = Buffer.from("16030100f1010000ed0303", "hex");

describe.each(SERVERS)("a TLS handshake with %s that never completes", (_name, create) => {
  it.each(LISTENERS)("is closed after handshakeTimeout where %s", async (_what, listener) => {
    const server = create();
    open.push(server);
    if (listener !== undefined) server.on("clientError", listener as never);
    const told: unknown[] = [];
    server.on("tlsClientError", ({ code }: NodeJS.ErrnoException) => told.push(code));
    const guard = createGuard({ logger: false });
    guard.attach(server);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    for (const octets of [Buffer.alloc(0), HALF_HELLO]) {
      const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
      socket.on("error", () => {});
      socket.resume();
      if (octets.length > 0) socket.write(octets);
      await once(socket, "close");
    }
    const connections = () => new Promise((resolve) => server.getConnections((_error, count) => resolve(count)));
    await expect.poll(connections).toBe(0);
    expect(told).toEqual(["ERR_TLS_HANDSHAKE_TIMEOUT", "ERR_TLS_HANDSHAKE_TIMEOUT"]);
    expect(guard.stats()).toMatchObject({ requests: 0, inFlight: 0, incidents: {} });
  });
});
