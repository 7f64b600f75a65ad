import type { FastifyReply, FastifyRequest, RouteHandlerMethod } from "fastify";
import { type AdapterGuard, exchangeOf } from "../../src/internals.js";
import { isPromiseLike } from "./error-handling.js";

/** Fastify keeps the route of a request here; where it is not found, hijacked handlers are left to the deadline. */
const CONTEXT = "fastify.context";

const watched = new WeakSet<object>();
let symbol: symbol | undefined;

/**
 * Watches the handler of a route from its first request on: Fastify forgets what a handler throws once it has hijacked
 * the reply. `route.handler` itself is left alone, since it belongs to the app's own `onRoute` hooks.
 */
export function watchHandler(request: FastifyRequest, guard: AdapterGuard): void {
  symbol ??= Object.getOwnPropertySymbols(request).find(({ description }) => description === CONTEXT);
  if (symbol === undefined) return;
  const context = (request as unknown as Record<symbol, { handler?: RouteHandlerMethod } | undefined>)[symbol];
  if (context === undefined || watched.has(context)) return;
  watched.add(context);
  if (typeof context.handler === "function") context.handler = watchHijacked(context.handler, guard);
}

function watchHijacked(handler: RouteHandlerMethod, guard: AdapterGuard): RouteHandlerMethod {
  const failed = (reply: FastifyReply, error: unknown) => {
    const exchange = exchangeOf(reply.raw);
    // Fastify would leave the request without an answer.
    if (exchange !== undefined) guard.failed(exchange, error, false, 524);
  };
  const watched: RouteHandlerMethod = function (request, reply) {
    let result: unknown;
    try {
      result = handler.call(this, request, reply);
    } catch (error) {
      if (reply.sent) failed(reply, error);
      throw error;
    }
    // A reply that is returned is one as well.
    if (result !== undefined && result !== reply && reply.sent && isPromiseLike(result)) {
      // Fastify gets the promise in the place of what it was made of: asked a second time, a query would run again.
      result = Promise.resolve(result);
      (result as Promise<unknown>).catch((error) => failed(reply, error));
    }
    return result as undefined;
  };
  return Object.defineProperty(watched, "name", { value: handler.name });
}
