import type { Server as Http1Server } from "node:http";
import type { ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import { setImmediate as nextTurn, setTimeout as wait } from "node:timers/promises";
import { RayguardError } from "../errors.js";
import type { Exchange } from "../exchange.js";
import { endOfProcess } from "../incidents.js";
import { connectionOf } from "../intercept/connection.js";
import { socketsOf } from "../intercept/node-internals.js";
import type { SocketExchange } from "../intercept/socket-exchange.js";
import { type ClosingServers, closeQuietly, QUIET_MS } from "./quiet-close.js";

/** What a drain needs of a guard. */
export interface DrainedGuard {
  /** Servers it is attached to. */
  readonly servers: Iterable<object>;
  /** Sockets that have been handed over to another protocol, with the request that asked for it. */
  readonly upgraded: ReadonlyMap<Socket, SocketExchange>;
  /** Sessions of HTTP/2. */
  readonly sessions: ReadonlySet<ServerHttp2Session>;
  readonly supervision: {
    readonly closing: ClosingServers;
    exchanges(): Iterable<Exchange>;
  };
}

/** Time between two looks at what is left, in milliseconds. */
const LOOK_MS = 20;

/** Longest time a listener waits for a turn of the event loop in which nobody connects, in milliseconds. */
const CLOSE_PATIENCE_MS = 1_000;

/** Longest such turn in which hardly anybody can have connected since the system was asked, in milliseconds. */
const SHORT_TURN_MS = 0.3;

/** Time for the last answers to leave the process, in milliseconds. */
const FLUSH_MS = 200;

/** How long a session that is never quiet is served, in milliseconds. */
const BUSY_MS = 1_000;

/** RFC 6455, section 5.5.1: a close frame from a server, 1001 (going away). */
const GOING_AWAY = Buffer.from([0x88, 0x02, 0x03, 0xe9]);

/**
 * What becomes of the listeners: `"in a quiet moment"`, `"at once"` where clients are being sent away already and come
 * back, or left to the app.
 */
export type Closing = "in a quiet moment" | "at once" | "by the app";

/**
 * Ends the work of a guard's servers without losing a request: responses announce the end of their connection, idle
 * connections are closed once they have been quiet, and what is left at `graceMs` gets a complete 503 or a visible cut.
 */
export async function drain(guard: DrainedGuard, graceMs: number, closing: Closing): Promise<void> {
  const until = performance.now() + graceMs;
  const servers = [...guard.servers] as Http1Server[];
  // First of all: once connections are sent away, their clients are all at the door again.
  if (closing === "in a quiet moment") await Promise.all(servers.map(closeListener));
  if (closing === "at once") for (const server of servers) if (server.listening) server.close();
  for (const server of servers) void closeQuietly(server, guard.supervision.closing);
  for (const [socket, exchange] of guard.upgraded) tellGoingAway(socket, exchange);
  const sessions = new SessionCloser(guard.sessions);
  while (performance.now() < until && isAtWork(guard, servers)) {
    sessions.look();
    await wait(LOOK_MS);
  }
  await endTheRest(guard, servers);
}

function isAtWork(guard: DrainedGuard, servers: readonly Http1Server[]): boolean {
  if (guard.upgraded.size + guard.sessions.size > 0) return true;
  for (const exchange of guard.supervision.exchanges()) if (exchange.hasConnection) return true;
  return servers.some((server) => socketsOf(server).some(({ destroyed }) => !destroyed));
}

async function endTheRest(guard: DrainedGuard, servers: readonly Http1Server[]): Promise<void> {
  let ended = 0;
  for (const exchange of guard.supervision.exchanges()) if (exchange.fail(endOfProcess("SHUTDOWN"))) ended++;
  if (ended > 0) await wait(FLUSH_MS);
  for (const session of guard.sessions) session.destroy();
  for (const socket of guard.upgraded.keys()) socket.destroy();
  for (const server of servers) for (const socket of socketsOf(server)) connectionOf(socket).abort(false);
}

/**
 * Closes a listener in a short turn of the event loop in which nobody has connected: connections that the system has
 * accepted and the process has not are reset.
 */
async function closeListener(server: Http1Server): Promise<void> {
  if (!server.listening) return;
  let connected = true;
  const onConnection = () => {
    connected = true;
  };
  server.on("connection", onConnection);
  const startedAt = performance.now();
  for (let now = startedAt; now < startedAt + CLOSE_PATIENCE_MS; ) {
    connected = false;
    await nextTurn();
    const turn = performance.now() - now;
    now += turn;
    if (!connected && (turn < SHORT_TURN_MS || now > startedAt + CLOSE_PATIENCE_MS / 4)) break;
  }
  server.removeListener("connection", onConnection);
  if (server.listening) server.close();
}

/**
 * Closes sessions of HTTP/2. GOAWAY refuses streams that are on their way, so a session gets it once it has been quiet;
 * a busy one all the same after a while, since its client may try refused streams elsewhere (RFC 9113, section 6.8).
 */
class SessionCloser {
  readonly #sessions: ReadonlySet<ServerHttp2Session>;
  readonly #seen = new Map<ServerHttp2Session, { octets: number; since: number }>();
  readonly #startedAt = performance.now();

  constructor(sessions: ReadonlySet<ServerHttp2Session>) {
    this.#sessions = sessions;
  }

  look(): void {
    const now = performance.now();
    for (const session of this.#sessions) {
      if (session.closed || session.destroyed) continue;
      const octets = session.socket.bytesRead;
      const seen = this.#seen.get(session);
      if (seen === undefined || seen.octets !== octets) this.#seen.set(session, { octets, since: now });
      if (now - (seen?.since ?? now) >= QUIET_MS || now - this.#startedAt >= BUSY_MS) session.close();
    }
  }
}

/** A WebSocket is told to go elsewhere; of any other protocol only the app knows the words. */
function tellGoingAway(socket: Socket, exchange: SocketExchange): void {
  exchange.abort(new RayguardError("ERR_RAYGUARD_DRAINING", "the process is about to end"));
  const isWebSocket = exchange.request?.headers.upgrade?.toLowerCase() === "websocket";
  if (isWebSocket && exchange.settled && socket.writable) socket.write(GOING_AWAY);
}
