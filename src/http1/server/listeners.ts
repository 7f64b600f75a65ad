import { EventEmitter } from "node:events";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { noteThrower } from "../../exchange/current-exchange.js";
import { inDomainOf } from "../../exchange/domain.js";
import type { Exchange } from "../../exchange/exchange.js";
import { hangOverHttp1 } from "../connection/http1-exchange-of.js";
import type { Http1Exchange } from "../exchange/http1-exchange.js";
import { covered, coverPrototypes } from "../methods/prototypes.js";
import { followContent } from "./content-context.js";
import { captureRejection, capturesRejections, watchPromise } from "./rejections.js";
import type { Http1Server, ServerGuard } from "./server-guard.js";

/** Says whether `node:domain` is in use. */
const EMITTER = EventEmitter as { readonly usingDomains?: boolean };

export type Listener = (...args: unknown[]) => unknown;

/**
 * Calls a request listener so that nothing it throws, now or later, escapes.
 * @param event - undefined where somebody else emits it
 * @returns a promise that is left to whoever emits the event, since it captures rejections
 */
export function callListener(
  guard: ServerGuard,
  exchange: Exchange,
  self: unknown,
  event: string | undefined,
  listener: Listener,
  args: unknown[],
): unknown {
  guard.enter(exchange);
  if (exchange.trace !== undefined && exchange.hasNodeResponse) {
    const { connection, request } = exchange as Http1Exchange;
    if (request.method !== "GET" && request.method !== "HEAD") followContent(connection.socket);
  }
  let left: unknown;
  if (exchange.isWatched) left = callWatched(guard, exchange, self, event, listener, args);
  else
    try {
      const result = EMITTER.usingDomains
        ? inDomainOf(self as object, () => listener.apply(self, args))
        : listener.apply(self, args);
      if (result !== undefined && result !== null) left = heed(guard, exchange, self, event, listener, args, result);
    } catch (error) {
      guard.failed(exchange, error, true);
    }
  if (exchange.hasNodeResponse) {
    const { request, response } = exchange as Http1Exchange;
    const prototype = Object.getPrototypeOf(response) as object;
    if (prototype !== covered) coverPrototypes(prototype);
    if (response.req !== request) hangOverHttp1(response, exchange as Http1Exchange);
  }
  return left;
}

/** The same where nothing is changed: what it throws goes on its way from there, and not from here, as Node then shows it. */
function callWatched(
  guard: ServerGuard,
  exchange: Exchange,
  self: unknown,
  event: string | undefined,
  listener: Listener,
  args: unknown[],
): unknown {
  let hasReturned = false;
  let result: unknown;
  try {
    result = EMITTER.usingDomains
      ? inDomainOf(self as object, () => listener.apply(self, args))
      : listener.apply(self, args);
    hasReturned = true;
  } finally {
    if (!hasReturned) noteThrower(exchange);
  }
  return result === undefined || result === null
    ? undefined
    : heed(guard, exchange, self, event, listener, args, result);
}

/** Sees to what a listener has returned. @returns what is left of it to whoever emits the event */
function heed(
  guard: ServerGuard,
  exchange: Exchange,
  self: unknown,
  event: string | undefined,
  listener: Listener,
  args: unknown[],
  result: unknown,
): unknown {
  if (!capturesRejections(self)) watchPromise(guard, exchange, listener, result);
  else if (event === undefined) return result;
  else captureRejection(guard, exchange, self, event, args, result);
  return undefined;
}

/**
 * Calls the listeners of an event so that nothing they throw, now or later, escapes: an async listener's promise is
 * watched, which `emit` does not do.
 */
export function callListeners(
  guard: ServerGuard,
  server: Http1Server,
  below: Http1Server["emit"],
  event: string,
  args: unknown[],
  exchange: Exchange,
): boolean {
  const listeners = server.rawListeners(event) as Listener[];
  if ((below as unknown) !== EventEmitter.prototype.emit) {
    // Somebody else overrides `emit` and must see the event: an instrumentation, another guard.
    for (const listener of [below, ...listeners]) guard.recognise(listener, exchange);
    let emitted = true;
    const emit = () => {
      emitted = Reflect.apply(below, server, [event, ...args]) as boolean;
    };
    callListener(guard, exchange, server, event, emit, []);
    return emitted;
  }
  for (const listener of listeners) {
    guard.recognise(listener, exchange);
    callListener(guard, exchange, server, event, listener, args);
  }
  return listeners.length > 0;
}

/** Wraps a request listener so that nothing it throws, now or later, escapes. */
export function guardedListener(
  guard: ServerGuard & { accept(request: IncomingMessage, response: ServerResponse): Exchange },
  listener: RequestListener,
): RequestListener {
  return function guardedListener(
    this: unknown,
    request: IncomingMessage,
    response: ServerResponse & { req: IncomingMessage },
  ): unknown {
    const exchange = guard.accept(request, response);
    if (guard.answers(exchange)) return undefined;
    const call = (event?: string) => {
      guard.recognise(listener, exchange);
      return callListener(guard, exchange, this, event, listener as Listener, [request, response]);
    };
    // Whoever has emitted the event is no longer there when a request has waited.
    if (guard.overload === undefined || guard.overload.admits(exchange, () => void call("request"))) return call();
    return undefined;
  };
}
