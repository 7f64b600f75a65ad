import diagnostics from "node:diagnostics_channel";
import { getEventListeners } from "node:events";
import https from "node:https";
import type { Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type ExchangeOptions, exchange } from "../../src/testing/index.js";
import { HELLO, head } from "../parser/streams/stream-case.js";
import { selfSigned } from "./certificate.js";
import { answering, listen } from "./servers.js";

vi.mock("../../src/clock.js", () => import("../helpers/global-clock.js"));

const CLOSING = head("Connection: close\r\nContent-Length: 0\r\n");

/** Sockets that are open, how many have been, and timers that were neither cleared nor have fired. */
const sockets = new Set<Socket>();
const timers = new Set<NodeJS.Timeout>();
let connections = 0;

function opened(message: unknown): void {
  const { socket } = message as { socket: Socket };
  connections += 1;
  sockets.add(socket);
  socket.once("close", () => sockets.delete(socket));
}

beforeEach(() => {
  const { setTimeout: set, clearTimeout: clear } = globalThis;
  vi.spyOn(globalThis, "setTimeout").mockImplementation(((then: () => void, ms: number) => {
    const timer = set(() => {
      timers.delete(timer);
      then();
    }, ms);
    timers.add(timer);
    return timer;
  }) as typeof setTimeout);
  vi.spyOn(globalThis, "clearTimeout").mockImplementation(((timer: NodeJS.Timeout) => {
    timers.delete(timer);
    clear(timer);
  }) as typeof clearTimeout);
  diagnostics.subscribe("net.client.socket", opened);
});

afterEach(() => {
  diagnostics.unsubscribe("net.client.socket", opened);
  vi.restoreAllMocks();
  sockets.clear();
  timers.clear();
  connections = 0;
});

describe("what an exchange leaves behind", () => {
  it.each<[string, string, ExchangeOptions]>([
    ["a response", HELLO, {}],
    ["a response that closes", CLOSING, { keepOpenMs: 0, timeoutMs: 200 }],
    ["octets of another protocol", "220 mail\r\n", {}],
    ["a timeout", "", { timeoutMs: 30 }],
    ["a reset of ours", "", { abortAfterMs: 10 }],
    ["a signal that came first", "", { signal: AbortSignal.abort() }],
    ["a request half written", HELLO, { writes: { chunkOctets: 1, delayMs: 60 }, timeoutMs: 100 }],
    ["reading that was paused", HELLO, { pauseReadingMs: 5000, timeoutMs: 50 }],
  ])("is nothing after %s", async (_name, octets, options) => {
    const { signal = new AbortController().signal } = options;
    await exchange(await answering(octets), {}, { ...options, signal });
    expect({ connections, sockets: sockets.size, timers: timers.size }).toEqual({
      connections: 1,
      sockets: 0,
      timers: 0,
    });
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });

  it("is nothing after TLS, whole or cut in the handshake", async () => {
    const server = await listen(https.createServer(selfSigned(), (_request, response) => response.end()));
    await exchange(server, {});
    await exchange({ ...(server.address() as { port: number }), tls: true }, {}, { abortAfterMs: 0 });
    const plain = await answering("220 mail\r\n");
    await exchange({ ...(plain.address() as { port: number }), tls: true }, {}, { timeoutMs: 50 });
    // TLS sockets may be told of as well as those below them.
    expect(connections).toBeGreaterThanOrEqual(3);
    expect({ sockets: sockets.size, timers: timers.size }).toEqual({ sockets: 0, timers: 0 });
  });
});
