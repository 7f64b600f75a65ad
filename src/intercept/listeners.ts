import { EventEmitter } from "node:events";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { Exchange } from "../exchange.js";
import { Http1Exchange } from "./http1-exchange.js";
import { followPrototype } from "./layers.js";
import type { Http1Server, ServerGuard } from "./server.js";

type Listener = (...args: unknown[]) => unknown;

/** The listener of an event, where there is just one and nobody else stands in front of `emit`: the usual server. */
export function onlyListener(server: Http1Server, below: Http1Server["emit"], event: string): Listener | undefined {
  if ((below as unknown) !== EventEmitter.prototype.emit) return undefined;
  // A copy of the list for each request would cost more than everything else here.
  const listener = (server as { _events?: Record<string, unknown> })._events?.[event];
  return typeof listener === "function" && !("listener" in listener) ? (listener as Listener) : undefined;
}

/** Watches what an async listener returned. */
function watchPromise(guard: ServerGuard, exchange: Exchange, result: unknown): void {
  if (typeof (result as PromiseLike<unknown>).then !== "function") return;
  (result as PromiseLike<unknown>).then(undefined, (error) => guard.failed(exchange, error, true));
}

/** Calls a request listener so that nothing it throws, now or later, escapes. */
export function callListener(
  guard: ServerGuard,
  exchange: Exchange,
  self: unknown,
  listener: Listener,
  args: unknown[],
): void {
  guard.meet(listener, exchange);
  call(guard, exchange, self, listener, args);
}

function call(guard: ServerGuard, exchange: Exchange, self: unknown, listener: Listener, args: unknown[]): void {
  guard.enter(exchange);
  try {
    const result = listener.apply(self, args);
    if (result !== undefined && result !== null) watchPromise(guard, exchange, result);
  } catch (error) {
    guard.failed(exchange, error, true);
  }
  if (exchange instanceof Http1Exchange) followPrototype(exchange.response);
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
    // Somebody else stands in front of `emit` and must see the event: an instrumentation, another guard.
    for (const listener of [below, ...listeners]) guard.meet(listener, exchange);
    let emitted = true;
    const emit = () => {
      emitted = Reflect.apply(below, server, [event, ...args]) as boolean;
    };
    call(guard, exchange, server, emit, []);
    return emitted;
  }
  for (const listener of listeners) callListener(guard, exchange, server, listener, args);
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
  ): void {
    const exchange = guard.accept(request, response);
    if (guard.answers(exchange)) return;
    const enter = () => callListener(guard, exchange, this, listener as Listener, [request, response]);
    if (guard.overload === undefined || guard.overload.admits(exchange, enter)) enter();
  };
}
