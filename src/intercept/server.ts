import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { contained, tellFailure, type Witness } from "../containment.js";
import type { Exchange } from "../exchange.js";
import type { Failure } from "../incidents.js";
import type { Overload } from "../lifecycle/overload.js";
import { emitClientError, reportClientError } from "./client-error.js";
import { connectionOf } from "./connection.js";
import { withList } from "./connection-lists.js";
import { emitDropped } from "./dropped.js";
import { emitHandover } from "./handover.js";
import { handshakeFailed } from "./handshake.js";
import type { Http1Exchange } from "./http1-exchange.js";
import { guardPrototypes, observedClass } from "./layers.js";
import { callListener, callListeners, onlyListener } from "./listeners.js";
import { classSlot, type NodeResponse } from "./node-internals.js";
import type { ClientError } from "./parse-error.js";
import { putInFrontOfEmit } from "./put-in-front.js";
import type { SocketExchange } from "./socket-exchange.js";

/** A `node:http` or `node:https` server, as far as the guard needs it. */
export interface Http1Server {
  emit(event: string | symbol, ...args: unknown[]): boolean;
  on(event: string, listener: (...args: never[]) => void): unknown;
  removeListener(event: string, listener: (...args: never[]) => void): unknown;
  rawListeners(event: string): unknown[];
  listenerCount(event: string): number;
  keepAliveTimeout: number;
  keepAliveTimeoutBuffer?: number;
  headersTimeout: number;
  requestTimeout: number;
  httpAllowHalfOpen?: boolean;
}

/** What the interception of a server asks of its guard. */
export interface ServerGuard {
  /** False in report mode: everything is looked at, nothing is changed. */
  readonly enforces: boolean;
  /** Says which requests can be taken; undefined where nobody limits them. */
  readonly overload: Overload | undefined;
  /** Told of what fails in the guard itself. */
  readonly witness: Witness;
  /** Opens the exchange of a request, or finds the one it has. */
  open(request: IncomingMessage, response: NodeResponse): Http1Exchange;
  openSocket(request: IncomingMessage | null, socket: Socket, otherwise: Failure, method?: string): SocketExchange;
  /** Answers what the guard itself answers, such as the health check. @returns true where it has */
  answers(exchange: Exchange): boolean;
  /** Refuses a request that did not come through the edge, where that is asked for. @returns true where it has */
  refusesDirect(exchange: Exchange): boolean;
  /** The app is about to get a request: what it throws later can be told to belong to it. */
  enter(exchange: Exchange): void;
  /** A listener is about to be called. */
  meet(listener: object, exchange: Exchange): void;
  /** A request header section was larger than the server takes. */
  requestHeadersTooLarge(server: object): void;
  /** Something threw on behalf of an exchange. @param rethrows - nobody else has seen the error */
  failed(exchange: Exchange, error: unknown, rethrows?: boolean): void;
}

/**
 * Stands in front of a server: its `emit`, and the classes of which it makes requests and responses.
 * @param listening - told when it has something to listen with
 */
export function interceptServer(server: Http1Server, guard: ServerGuard, listening?: () => void): () => void {
  const below = server.emit;
  const responses = interceptResponses(server, guard);
  const halfOpen = server.httpAllowHalfOpen;
  // A client that half-closes still gets its answer; connection.ts tells it from one that is gone.
  if (guard.enforces) server.httpAllowHalfOpen = true;
  const onConnect = contained(guard.witness, (_request: IncomingMessage, socket: Socket) => {
    if (server.listenerCount("connect") > 1) return;
    const { waiting, bare } = connectionOf(socket);
    (waiting ?? bare)?.unanswered();
  });
  const meet = contained(guard.witness, (socket: Socket) => void connectionOf(socket));
  // Node destroys the socket of a CONNECT nobody listens for.
  if (guard.enforces) server.on("connect", onConnect);

  function emit(this: Http1Server, event: string | symbol, a?: unknown, b?: unknown): boolean {
    switch (event) {
      case "request":
      case "checkContinue":
      case "checkExpectation":
        return emitExchange(server, below, guard, event, a as IncomingMessage, b as NodeResponse);
      case "clientError":
        if (guard.enforces) return emitClientError(server, below, guard, a as ClientError, b as Socket);
        reportClientError(server, a as ClientError, b as Socket);
        break;
      case "dropRequest":
        if (!guard.enforces) break;
        return emitDropped(server, below, guard, a as IncomingMessage, b as Socket);
      case "upgrade":
      case "connect":
        if (!guard.enforces) break;
        // biome-ignore lint/complexity/noArguments: the hot path above must not pay for a rest parameter
        return emitHandover(server, below, guard, event, [...arguments].slice(1));
      case "connection":
        // Before any listener of the app can reach the socket. Over TLS it is `secureConnection` that hands it over.
        if (!("setSecureContext" in server)) meet(a as Socket);
        guard.overload?.connected();
        // biome-ignore lint/complexity/noArguments: forwarded as it came
        return withList(server, a, () => Reflect.apply(below, server, arguments) as boolean);
      case "tlsClientError":
        if (guard.enforces) handshakeFailed(b as Socket, guard.witness);
        break;
      case "secureConnection":
        meet(a as Socket);
        // biome-ignore lint/complexity/noArguments: forwarded as it came
        return withList(server, a, () => Reflect.apply(below, server, arguments) as boolean);
      case "listening":
        listening?.();
        break;
    }
    // biome-ignore lint/complexity/noArguments: forwarded as it came
    return Reflect.apply(below, server, arguments) as boolean;
  }
  const undo = putInFrontOfEmit(server, emit);

  return () => {
    undo();
    responses();
    if (halfOpen !== undefined) server.httpAllowHalfOpen = halfOpen;
    server.removeListener("connect", onConnect);
  };
}

/** Has every response of a server known from its creation on: Node answers some requests that it tells nobody about. */
function interceptResponses(server: Http1Server, guard: ServerGuard): () => void {
  guardPrototypes();
  const slot = classSlot(server, "ServerResponse");
  if (slot === undefined) return () => {};
  const slots = server as unknown as Record<symbol, new (...args: never[]) => object>;
  const base = slots[slot] as new (...args: never[]) => object;
  slots[slot] = observedClass(base, (response, request) => {
    try {
      guard.open(request as IncomingMessage, response as NodeResponse);
    } catch (error) {
      tellFailure(guard.witness, error); // the response is a bare one then
    }
  });
  return () => {
    slots[slot] = base;
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
  let exchange: Http1Exchange;
  try {
    exchange = guard.open(request, response);
    exchange.persists = response.shouldKeepAlive;
    if (!isForApp(server, below, guard, event, exchange)) return true;
  } catch (error) {
    // Whatever the guard cannot do, the app gets its request.
    tellFailure(guard.witness, error);
    return Reflect.apply(below, server, [event, request, response]) as boolean;
  }
  return callUp(server, below, guard, event, exchange);
}

/** Whether the app is to get a request here and now: the guard has not answered it, and it need not wait. */
function isForApp(
  server: Http1Server,
  below: Http1Server["emit"],
  guard: ServerGuard,
  event: string,
  exchange: Http1Exchange,
): boolean {
  if (isCutOff(exchange) || guard.answers(exchange)) return false;
  exchange.greeted = true;
  if (guard.overload === undefined) return true;
  const enter = () => {
    if (!isCutOff(exchange)) callUp(server, below, guard, event, exchange);
  };
  return guard.overload.admits(exchange, enter, true);
}

/** The connection has announced its end, or the app has taken it over: nothing may be answered on it any more. */
function isCutOff(exchange: Http1Exchange): boolean {
  const { lingering, detached } = exchange.connection;
  if (!lingering && detached === null) return false;
  exchange.passOver();
  return true;
}

/** Hands a request to whoever listens for it. */
function callUp(
  server: Http1Server,
  below: Http1Server["emit"],
  guard: ServerGuard,
  event: string,
  exchange: Http1Exchange,
): boolean {
  const { request, response } = exchange;
  const listener = onlyListener(server, below, event);
  if (listener === undefined) return callListeners(guard, server, below, event, [request, response], exchange);
  callListener(guard, exchange, server, event, listener, [request, response]);
  return true;
}
