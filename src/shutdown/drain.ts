import type { Server as Http1Server } from "node:http";
import type { ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { performance } from "../clock.js";
import { contain, containPromise } from "../containment.js";
import type { Exchange } from "../exchange/exchange.js";
import { socketsOf } from "../http1/connection/connection-lists.js";
import { isDestroyed, isWritable } from "../http1/connection/gone-socket.js";
import type { SocketExchange } from "../http1/exchange/socket-exchange.js";
import { connectionOf } from "../http1/methods/connection-of.js";
import { endOfProcess, type Failure } from "../report/incidents.js";
import { arrivingAt } from "./arriving.js";
import { type Closing, closeListeners } from "./close-listeners.js";
import { hasOwnClose } from "./close-method.js";
import { draining, tellDraining, untoldMs } from "./drain-notice.js";
import { type ClosingServers, closeQuietly, mayShakeHands, QUIET_MS } from "./quiet-close.js";

/** What a drain needs of a guard. */
export interface DrainedGuard {
  /** Servers it is attached to. */
  readonly servers: Iterable<object>;
  /** Sockets that have been handed over to another protocol, with the request that asked for it. */
  readonly upgraded: ReadonlyMap<Socket, SocketExchange>;
  /** Sessions of HTTP/2. */
  readonly sessions: ReadonlySet<ServerHttp2Session>;
  /** Opens the exchange of a request that has not arrived as a whole. */
  openSocket(request: null, socket: Socket, otherwise: Failure): SocketExchange;
  readonly supervisor: {
    readonly closing: ClosingServers;
    exchanges(): Iterable<Exchange>;
  };
}

/** Time between two looks at what is left, in milliseconds. */
const LOOK_MS = 20;

/** Time for the last answers to leave the process, in milliseconds. */
const FLUSH_MS = 200;

/** How long a session that is never quiet is served, in milliseconds. */
const BUSY_MS = 1_000;

/** Longest silence of a client to whom another protocol has nothing more to say, in milliseconds. */
const SPENT_MS = 1_000;

/** RFC 6455, section 5.5.1: a close frame from a server, 1001 (going away). */
const GOING_AWAY = Buffer.from([0x88, 0x02, 0x03, 0xe9]);

/**
 * Ends the work of a guard's servers without losing a request: responses announce the end of their connection, idle
 * connections are closed once they have been quiet, and what is left at `graceMs` gets a complete 503 or a visible cut.
 */
export async function drain(guard: DrainedGuard, graceMs: number, closing: Closing): Promise<void> {
  const startedAt = performance.now();
  const until = startedAt + graceMs;
  const servers = [...guard.servers] as Http1Server[];
  // Fastify refuses what still comes, and closes its server behind this: a `close` of the app's own is called once.
  const isLeft = (server: object) => closing === "at once" && hasOwnClose(server);
  const left = servers.some(isLeft) ? startedAt : undefined;
  const tell = () => tellDraining(guard.supervisor.exchanges(), performance.now() - startedAt >= untoldMs(graceMs));
  tell();
  if (closing === "untouched") {
    for (; performance.now() < until && isAtWork(guard, servers, startedAt); tell()) await wait(LOOK_MS);
    return;
  }
  // Before connections are sent away: once they are, their clients are all at the door again.
  await closeListeners(
    servers.filter((server) => !isLeft(server)),
    closing,
    until,
  );
  for (const server of servers) containPromise(undefined, closeQuietly(server, guard.supervisor.closing));
  const upgraded = new UpgradedCloser(guard.upgraded);
  upgraded.look();
  const sessions = new SessionCloser(guard.sessions);
  const shakesHandsUntil = performance.now() + QUIET_MS;
  const isArriving = () => performance.now() < shakesHandsUntil && servers.some(mayShakeHands);
  while (performance.now() < until && (isArriving() || isAtWork(guard, servers, left))) {
    tell();
    upgraded.look();
    sessions.look();
    await wait(LOOK_MS);
  }
  // Connections to a server that listens are still answered, and end once it is closed.
  if (left === undefined || performance.now() >= until) await endTheRest(guard, servers);
}

/** @param since - where servers go on listening, only what began by this time counts */
function isAtWork(guard: DrainedGuard, servers: readonly Http1Server[], since = Number.POSITIVE_INFINITY): boolean {
  if (guard.upgraded.size + guard.sessions.size > 0) return true;
  for (const { hasConnection, startedAt } of guard.supervisor.exchanges())
    if (hasConnection && startedAt <= since) return true;
  if (since < Number.POSITIVE_INFINITY) return false;
  return servers.some((server) => socketsOf(server).some((socket) => !isDestroyed(socket)));
}

async function endTheRest(guard: DrainedGuard, servers: readonly Http1Server[]): Promise<void> {
  if (answerTheRest(guard, "SHUTDOWN") > 0) await wait(FLUSH_MS);
  for (const session of guard.sessions) session.destroy();
  for (const socket of guard.upgraded.keys()) socket.destroy();
  for (const server of servers) for (const socket of socketsOf(server)) connectionOf(socket).abort(false);
}

/**
 * Ends every exchange that is under way, and answers requests that have arrived in part: the process ends.
 * @returns how many
 */
export function answerTheRest(guard: DrainedGuard, code: "SHUTDOWN" | "EXIT"): number {
  const failure = endOfProcess(code);
  let ended = 0;
  const end = (exchange: Exchange) => {
    const isEnded = exchange.fail(failure);
    if (isEnded) ended++;
    if (code !== "EXIT") return;
    // Nobody will tell later.
    if (isEnded) exchange.settle(true);
    else exchange.tellBeforeExit();
  };
  for (const exchange of [...guard.supervisor.exchanges()]) contain(undefined, () => end(exchange));
  for (const socket of [...guard.servers].flatMap((server) => [...arrivingAt(server)])) {
    contain(undefined, () => end(openArriving(guard, socket, failure)));
  }
  return ended;
}

/** Opens the exchange of a request that has not arrived as a whole, and behind which nothing is read any more. */
export function openArriving(guard: DrainedGuard, socket: Socket, otherwise: Failure): Exchange {
  connectionOf(socket).broken = true;
  return guard.openSocket(null, socket, otherwise);
}

/**
 * Closes sessions of HTTP/2. GOAWAY refuses streams that are on their way, so a session gets it once it has been quiet;
 * a busy one all the same after a while, since its client may try refused streams elsewhere (RFC 9113, section 6.8).
 */
class SessionCloser {
  readonly #seen = new Map<ServerHttp2Session, { octets: number; since: number }>();
  readonly #startedAt = performance.now();

  constructor(private readonly sessions: ReadonlySet<ServerHttp2Session>) {}

  look(): void {
    const now = performance.now();
    for (const session of this.sessions) {
      if (session.closed || session.destroyed) continue;
      const octets = session.socket.bytesRead;
      const seen = this.#seen.get(session);
      if (seen === undefined || seen.octets !== octets) this.#seen.set(session, { octets, since: now });
      if (now - (seen?.since ?? now) >= QUIET_MS || now - this.#startedAt >= BUSY_MS) session.close();
    }
  }
}

/**
 * Ends connections that were handed over to another protocol. A WebSocket is told to go elsewhere, once; of any other
 * protocol only the app knows the words. One on which the app has ended its side ends where nothing arrives any more:
 * nobody may read on it, and hear of the end of the other side.
 */
class UpgradedCloser {
  readonly #told = new WeakSet<SocketExchange>();
  readonly #spent = new WeakMap<Socket, { octets: number; since: number }>();

  constructor(private readonly upgraded: DrainedGuard["upgraded"]) {}

  look(): void {
    for (const [socket, exchange] of this.upgraded) {
      if (!this.#told.has(exchange)) this.#tell(socket, exchange);
      if (socket.writableFinished) this.#close(socket, performance.now());
    }
  }

  #tell(socket: Socket, exchange: SocketExchange): void {
    exchange.abort(draining());
    if (!exchange.phase.isSettled) return;
    this.#told.add(exchange);
    const isWebSocket = exchange.request?.headers.upgrade?.toLowerCase() === "websocket";
    if (isWebSocket && isWritable(socket)) socket.write(GOING_AWAY);
  }

  #close(socket: Socket, now: number): void {
    const { bytesRead: octets } = socket;
    const seen = this.#spent.get(socket);
    if (seen?.octets !== octets) this.#spent.set(socket, { octets, since: now });
    else if (now - seen.since >= SPENT_MS) socket.destroy();
  }
}
