import { EventEmitter } from "node:events";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Exchange } from "../exchange.js";
import { EVENTS, type Failure, handlerError } from "../incidents.js";
import { connectionOf } from "./connection.js";
import type { Http1Exchange } from "./http1-exchange.js";
import { classSlot, type NodeResponse } from "./node-internals.js";
import { guardRequestPrototype } from "./request.js";
import { guardedClass } from "./response.js";
import type { SocketExchange } from "./socket-exchange.js";

/** A `node:http` or `node:https` server, as far as the guard needs it. */
export interface Http1Server {
  emit(event: string | symbol, ...args: unknown[]): boolean;
  on(event: string, listener: (...args: never[]) => void): unknown;
  removeListener(event: string, listener: (...args: never[]) => void): unknown;
  rawListeners(event: string): unknown[];
  listenerCount(event: string): number;
  keepAliveTimeout: number;
  headersTimeout: number;
  requestTimeout: number;
  httpAllowHalfOpen?: boolean;
}

/** What the interception of a server asks of its guard. */
export interface ServerGuard {
  /** False in report mode: everything is looked at, nothing is changed. */
  readonly enforces: boolean;
  /** Opens the exchange of a request, or finds the one it has. */
  open(request: IncomingMessage, response: NodeResponse): Http1Exchange;
  openSocket(request: IncomingMessage | null, socket: Socket, otherwise: Failure): SocketExchange;
  /** Answers what the guard itself answers, such as the health check. @returns true where it has */
  answers(exchange: Exchange): boolean;
  /** Something threw on behalf of an exchange. @param rethrows - nobody else has seen the error */
  failed(exchange: Exchange, error: unknown, rethrows?: boolean): void;
}

/** How long a listener for `clientError` may take until the guard answers in its place, in milliseconds. */
const CLIENT_ERROR_PATIENCE_MS = 1_000;

const CLIENT_ERROR_STATUS: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
};

/** Stands in front of a server: its `emit`, and the classes of which it makes requests and responses. */
export function interceptServer(server: Http1Server, guard: ServerGuard): () => void {
  const below = server.emit;
  const classes = interceptClasses(server, guard);
  const halfOpen = server.httpAllowHalfOpen;
  // A client that half-closes still gets its answer; connection.ts tells it from one that is gone.
  if (guard.enforces) server.httpAllowHalfOpen = true;
  const onConnect = (_request: IncomingMessage, socket: Socket) => {
    if (server.listenerCount("connect") === 1) connectionOf(socket).bare?.unanswered();
  };
  // Node destroys the socket of a CONNECT nobody listens for.
  if (guard.enforces) server.on("connect", onConnect);

  function emit(this: Http1Server, event: string | symbol, a?: unknown, b?: unknown): boolean {
    switch (event) {
      case "request":
      case "checkContinue":
      case "checkExpectation":
        return emitExchange(server, below, guard, event, a as IncomingMessage, b as NodeResponse);
      case "clientError":
        if (!guard.enforces) break;
        return emitClientError(server, below, guard, a as NodeJS.ErrnoException, b as Socket);
      case "upgrade":
      case "connect":
        if (!guard.enforces) break;
        // biome-ignore lint/complexity/noArguments: the hot path above must not pay for a rest parameter
        return emitHandover(server, below, guard, event, [...arguments].slice(1));
      case "connection":
        // Before any listener of the app can reach the socket. Over TLS it is `secureConnection` that hands it over.
        if (!("setSecureContext" in server)) connectionOf(a as Socket);
        break;
      case "secureConnection":
        connectionOf(a as Socket);
        break;
    }
    // biome-ignore lint/complexity/noArguments: forwarded as it came
    return Reflect.apply(below, server, arguments) as boolean;
  }
  server.emit = emit;

  return () => {
    if (server.emit === emit) server.emit = below;
    classes();
    if (halfOpen !== undefined) server.httpAllowHalfOpen = halfOpen;
    server.removeListener("connect", onConnect);
  };
}

function interceptClasses(server: Http1Server, guard: ServerGuard): () => void {
  const responses = classSlot(server, "ServerResponse");
  const requests = classSlot(server, "IncomingMessage");
  const slots = server as unknown as Record<symbol, new (...args: never[]) => object>;
  const undo: (() => void)[] = [];
  if (responses !== undefined) {
    const base = slots[responses] as new (...args: never[]) => object;
    slots[responses] = guardedClass(base, (response, request) => {
      guard.open(request as IncomingMessage, response as NodeResponse);
    });
    undo.push(() => {
      slots[responses] = base;
    });
  }
  if (requests !== undefined) {
    const base = slots[requests] as new (...args: never[]) => object;
    const Guarded = class IncomingMessage extends base {};
    guardRequestPrototype(Guarded.prototype);
    slots[requests] = Guarded;
    undo.push(() => {
      slots[requests] = base;
    });
  }
  return () => {
    for (const step of undo) step();
  };
}

function emitExchange(
  server: Http1Server,
  below: Http1Server["emit"],
  guard: ServerGuard,
  event: string,
  request: IncomingMessage,
  response: NodeResponse,
): boolean {
  const exchange = guard.open(request, response);
  const { lingering, detached } = exchange.connection;
  if (lingering || detached !== null) return true; // the connection has announced its end, or the app has taken it over
  if (guard.answers(exchange)) return true;
  exchange.greeted = true;
  const listener = onlyListener(server, below, event);
  if (listener === undefined) return callListeners(guard, server, below, event, [request, response], exchange);
  try {
    const result = listener.call(server, request, response);
    if (result !== undefined && result !== null) watchPromise(guard, exchange, result);
  } catch (error) {
    guard.failed(exchange, error, true);
  }
  return true;
}

type Listener = (...args: unknown[]) => unknown;

/** The listener of an event, where there is just one and nobody else stands in front of `emit`: the usual server. */
function onlyListener(server: Http1Server, below: Http1Server["emit"], event: string): Listener | undefined {
  if ((below as unknown) !== EventEmitter.prototype.emit) return undefined;
  // A copy of the list for each request would cost more than everything else here.
  const listener = (server as { _events?: Record<string, unknown> })._events?.[event];
  return typeof listener === "function" && !("listener" in listener) ? (listener as Listener) : undefined;
}

function watchPromise(guard: ServerGuard, exchange: Exchange, result: unknown): void {
  if (typeof (result as PromiseLike<unknown>).then !== "function") return;
  (result as PromiseLike<unknown>).then(undefined, (error) => guard.failed(exchange, error, true));
}

/**
 * Calls the listeners of an event so that nothing they throw, now or later, escapes: an async listener's promise is
 * watched, which `emit` does not do.
 */
function callListeners(
  guard: ServerGuard,
  server: Http1Server,
  below: Http1Server["emit"],
  event: string,
  args: unknown[],
  exchange: Exchange,
): boolean {
  if ((below as unknown) !== EventEmitter.prototype.emit) {
    // Somebody else stands in front of `emit` and must see the event: an instrumentation, another guard.
    try {
      return Reflect.apply(below, server, [event, ...args]) as boolean;
    } catch (error) {
      guard.failed(exchange, error, true);
      return true;
    }
  }
  const listeners = server.rawListeners(event) as ((...args: unknown[]) => unknown)[];
  for (const listener of listeners) {
    try {
      const result = listener.apply(server, args);
      if (result !== undefined && result !== null) watchPromise(guard, exchange, result);
    } catch (error) {
      guard.failed(exchange, error, true);
    }
  }
  return listeners.length > 0;
}

/** Failure for something a listener threw: the status it asks for, where it is a sane 4xx or 5xx. */
export function thrown(error: unknown): Failure {
  let status = 500;
  let headers: Record<string, unknown> | undefined;
  try {
    if (error !== null && typeof error === "object") {
      const { status: a, statusCode: b, headers: c } = error as Record<string, unknown>;
      const asked = [a, b].find(
        (value) => typeof value === "number" && Number.isInteger(value) && value >= 400 && value <= 599,
      );
      if (asked !== undefined) {
        status = asked as number;
        if (c !== null && typeof c === "object") headers = c as Record<string, unknown>;
      }
    }
  } catch {
    // a getter that throws: a plain 500 then
  }
  return handlerError(error, status, headers);
}

/** Node hangs the octets it could not parse on the error; they may hold cookies and credentials. */
function withoutPacket(error: NodeJS.ErrnoException & { reason?: string; bytesParsed?: number }): Error {
  const { code, reason, bytesParsed, stack } = error;
  return Object.assign(new Error(error.message), { code, reason, bytesParsed, stack });
}

function emitHandover(
  server: Http1Server,
  below: Http1Server["emit"],
  guard: ServerGuard,
  event: string,
  args: unknown[],
): boolean {
  const request = args[0] as IncomingMessage;
  const connection = connectionOf(request.socket);
  const otherwise: Failure =
    event === "connect"
      ? {
          code: "MC-2",
          message: "Nobody answers CONNECT here; Node would have closed the connection.",
          prevented: 520,
          status: 501,
          closes: true,
        }
      : { code: "MC-2", message: "The upgrade listener did not answer.", prevented: 520, status: 500, closes: true };
  if (!connection.isIdle) {
    // Pipelined behind a request that is not answered yet: an upgrade cannot overtake it.
    return Reflect.apply(below, server, [event, ...args]) as boolean;
  }
  const exchange = guard.openSocket(request, request.socket, otherwise);
  return callListeners(guard, server, below, event, args, exchange);
}

function emitClientError(
  server: Http1Server,
  below: Http1Server["emit"],
  guard: ServerGuard,
  error: NodeJS.ErrnoException,
  socket: Socket,
): boolean {
  const connection = connectionOf(socket);
  if (connection.broken) return true;
  if (connection.isGone(error) || error.code === "ECONNRESET" || error.code === "EPIPE") {
    return Reflect.apply(below, server, ["clientError", error, socket]) as boolean;
  }
  connection.broken = true;
  const otherwise: Failure = {
    code: "CLIENT_ERROR",
    message: EVENTS.CLIENT_ERROR,
    prevented: 520,
    status: CLIENT_ERROR_STATUS[error.code ?? ""] ?? 400,
    err: withoutPacket(error),
    closes: true,
    // The octets end in the middle of a message: whoever sent them has closed.
    clientGone: error.code === "HPE_INVALID_EOF_STATE",
  };
  const answer = () => {
    if (socket.destroyed || !socket.writable) return;
    const exchange = guard.openSocket(null, socket, otherwise);
    if (server.listenerCount("clientError") > 0) {
      callListeners(guard, server, below, "clientError", [error, socket], exchange);
      if (exchange.isAnswered) return;
      // A listener may answer later; one that does nothing at all must not leave the client waiting.
      const timer = setTimeout(() => exchange.unanswered(), CLIENT_ERROR_PATIENCE_MS).unref();
      socket.once("close", () => clearTimeout(timer));
    } else exchange.unanswered();
  };
  const waiting = [...connection];
  const last = waiting.at(-1);
  if (last === undefined) {
    // What is malformed is the rest of a request that has been answered: another answer would be one too many.
    if (connection.owesContent) connection.abort(false);
    else answer();
    return true;
  }
  if (otherwise.clientGone && last.isOut()) {
    connection.abort(false);
    return true;
  }
  // Responses are under way. The malformed octets belong to the content of the last request, or come after it: in its
  // place nothing else may be answered, and after it the connection cannot go on.
  if (!last.request.complete && !last.isOver()) last.fail(otherwise);
  else last.whenSettled = () => setImmediate(answer);
  return true;
}
