import type { FastifyReply, FastifyRequest } from "fastify";
import { exchangeOf, handlerError, isLostWithContent } from "../../src/internals.js";

type ErrorHandler = (this: unknown, error: unknown, request: FastifyRequest, reply: FastifyReply) => unknown;

interface HandlerLink {
  func: ErrorHandler | null;
}

/** Fastify keeps these to itself; where one is not found, its part is left out. */
const NEXT_ERROR_HANDLER = "fastify.reply.nextErrorHandler";
const CONTEXT = "fastify.context";

/**
 * `onError` hook: an error is about to be answered. What described the lost content goes, before any error handler
 * adds fields of its own, and an error handler that fails in an odd way is made to fail in one that Fastify notices.
 */
export function onError(request: FastifyRequest, reply: FastifyReply, error: unknown, done: () => void): void {
  const exchange = exchangeOf(reply.raw);
  if (exchange?.supervisor.enforces) {
    exchange.cause = error;
    for (const [name, value] of Object.entries(reply.getHeaders())) {
      if (isLostWithContent(name, value)) reply.removeHeader(name);
    }
    // Fastify's last resort hands both to writeHead, where nobody catches what that throws.
    const { raw } = reply;
    if (!Number.isInteger(raw.statusCode)) raw.statusCode = 500;
    if (/[^\t\x20-\x7e\x80-\xff]/.test(raw.statusMessage ?? "")) raw.statusMessage = "";
    watchErrorHandler(request);
    // The last resort takes the status nobody has set, which is 200.
    if ("veto" in exchange) {
      exchange.veto = () => (isLastResort(reply) && reply.raw.statusCode < 400 ? handlerError(error) : null);
    }
  }
  done();
}

const watchedLinks = new WeakSet<object>();

/** Fastify notes here which error handler comes next; `false` where none is left. */
function isLastResort(reply: FastifyReply): boolean {
  const next = symbolOf(reply, NEXT_ERROR_HANDLER);
  return next !== undefined && (reply as unknown as Record<symbol, unknown>)[next] === false;
}

/**
 * Puts a watch in front of the error handler of a route, once, in the same chain. One that throws what is no error, or
 * answers with what is no payload, would be sent as an empty or odd 200.
 */
function watchErrorHandler(request: FastifyRequest): void {
  const symbol = symbolOf(request, CONTEXT);
  const context = symbol && (request as unknown as Record<symbol, { errorHandler?: HandlerLink }>)[symbol];
  const link = context?.errorHandler;
  if (!context || !link || typeof link.func !== "function" || watchedLinks.has(link)) return;
  const { func } = link;
  const watchedLink = Object.create(Object.getPrototypeOf(link)) as HandlerLink;
  watchedLink.func = function (this: unknown, error, req, reply) {
    let result: unknown;
    try {
      result = func.call(this, error, req, reply);
    } catch (thrown) {
      throw asError(thrown);
    }
    if (!(result instanceof Promise)) return checkPayload(result);
    return result.then(
      (payload) => (payload === undefined && reply.sent ? undefined : checkPayload(payload, true)),
      (thrown) => {
        throw asError(thrown);
      },
    );
  };
  watchedLinks.add(watchedLink);
  context.errorHandler = watchedLink;
}

function checkPayload(payload: unknown, isAwaited = false): unknown {
  const isNone = isAwaited && payload === undefined;
  if (isNone || typeof payload === "symbol" || typeof payload === "function") {
    throw new Error(`the error handler answered with ${isNone ? "nothing" : `a ${typeof payload}`}`);
  }
  return payload;
}

function asError(thrown: unknown): unknown {
  return thrown instanceof Error ? thrown : new Error("the error handler threw what is no error", { cause: thrown });
}

function symbolOf(holder: object, description: string): symbol | undefined {
  for (let at: object | null = holder; at !== null; at = Object.getPrototypeOf(at)) {
    const found = Object.getOwnPropertySymbols(at).find((symbol) => symbol.description === description);
    if (found !== undefined) return found;
  }
  return undefined;
}
