import { types } from "node:util";
import type { FastifyReply, FastifyRequest } from "fastify";
import { exchangeOf, handlerError, isLostWithContent, isRefusedOfError, NOT_IN_VALUE } from "../../src/internals.js";

type ErrorHandler = (this: unknown, error: unknown, request: FastifyRequest, reply: FastifyReply) => unknown;

interface HandlerLink {
  func: ErrorHandler;
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
  if (exchange !== undefined) {
    exchange.cause = error;
    const status = statusOf(error, reply);
    for (const [name, value] of Object.entries(reply.getHeaders())) {
      if (isLostWithContent(name, value, status)) reply.removeHeader(name);
    }
    // Fastify's last resort hands both to writeHead, where nobody catches what that throws.
    const { raw } = reply;
    if (!Number.isInteger(raw.statusCode)) raw.statusCode = 500;
    if (NOT_IN_VALUE.test(raw.statusMessage ?? "")) raw.statusMessage = "";
    watchErrorHandlers(request);
    // The last resort takes the status nobody has set, which is 200.
    if ("veto" in exchange) {
      exchange.veto = (thrown?: unknown) => {
        const isWrong = thrown !== undefined || reply.raw.statusCode < 400;
        return isWrong && isLastResort(reply) ? lastResort(error) : null;
      };
    }
  }
  done();
}

/** The status that Fastify's default handler answers with. */
function statusOf(error: unknown, reply: FastifyReply): number {
  const isOfError = (value: unknown): value is number => Number(value) >= 400 && Number(value) <= 599;
  try {
    const { statusCode, status } = Object(error) as Record<string, unknown>;
    return [statusCode, status, reply.raw.statusCode].find(isOfError) ?? 500;
  } catch {
    return 500; // a getter that throws
  }
}

/** Fastify would send it with a status of success: the edge passes that on. */
function lastResort(error: unknown): ReturnType<typeof handlerError> {
  return { ...handlerError(error), prevented: null };
}

/** Fastify notes here which error handler comes next; `false` where none is left. */
function isLastResort(reply: FastifyReply): boolean {
  const next = symbolOf(reply, NEXT_ERROR_HANDLER);
  return next !== undefined && (reply as unknown as Record<symbol, unknown>)[next] === false;
}

/** Puts a watch in front of the error handlers of a route, once, in the same order. */
function watchErrorHandlers(request: FastifyRequest): void {
  const symbol = symbolOf(request, CONTEXT);
  const context = symbol && (request as unknown as Record<symbol, { errorHandler?: HandlerLink }>)[symbol];
  const link = context?.errorHandler;
  if (context && isLink(link)) context.errorHandler = watchedLink(link);
}

const watchedLinks = new WeakMap<object, HandlerLink>();

/** A copy of a link, and of those behind it, that watches; Fastify's own default handler is the last. */
function watchedLink(link: HandlerLink): HandlerLink {
  const known = watchedLinks.get(link);
  if (known !== undefined) return known;
  const next = Object.getPrototypeOf(link) as unknown;
  const hasNext = isLink(next);
  const watched = Object.create(
    hasNext ? watchedLink(next) : (next as object | null),
    Object.getOwnPropertyDescriptors(link),
  ) as HandlerLink;
  watched.func = (hasNext ? watchedHandler : watchedDefaultHandler)(link.func);
  watchedLinks.set(link, watched);
  watchedLinks.set(watched, watched);
  return watched;
}

function isLink(value: unknown): value is HandlerLink {
  return typeof (value as HandlerLink | null | undefined)?.func === "function";
}

/** An error handler that throws what is no error, or answers with what is no payload, would be sent as an empty or odd 200. */
function watchedHandler(func: ErrorHandler): ErrorHandler {
  return function (this: unknown, error, request, reply) {
    let result: unknown;
    try {
      result = func.call(this, error, request, reply);
    } catch (thrown) {
      throw asError(thrown);
    }
    // A reply that is returned is one as well, and comes to no payload.
    if (result === reply || !isPromiseLike(result)) return checkPayload(result);
    return Promise.resolve(result).then(
      (payload) => (payload === undefined && reply.sent ? undefined : checkPayload(payload, true)),
      (thrown) => {
        throw asError(thrown);
      },
    );
  };
}

/** The default handler hands the error's `headers` to the reply first, and then sends content of its own. */
function watchedDefaultHandler(func: ErrorHandler): ErrorHandler {
  return function (this: unknown, error, request, reply) {
    if ((error as { headers?: unknown } | null)?.headers === undefined) return func.call(this, error, request, reply);
    const status = statusOf(error, reply);
    const own = reply as { headers?: FastifyReply["headers"] };
    own.headers = (fields) => {
      delete own.headers;
      return reply.headers(withoutLostFields(fields, status));
    };
    try {
      return func.call(this, error, request, reply);
    } finally {
      delete own.headers;
    }
  };
}

function withoutLostFields<T extends object>(fields: T, status: number): T {
  if (typeof fields !== "object" || fields === null) return fields;
  const kept: Record<string, unknown> = {};
  for (const name of Object.keys(fields)) {
    const value = (fields as Record<string, unknown>)[name];
    if (!isRefusedOfError(name, value, status)) kept[name] = value;
  }
  return kept as T;
}

/** As Fastify tells one: of any realm, or of a library. */
export function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return value !== null && value !== undefined && typeof (value as PromiseLike<unknown>).then === "function";
}

function checkPayload(payload: unknown, isAwaited = false): unknown {
  const isNone = isAwaited && payload === undefined;
  if (isNone || typeof payload === "symbol" || typeof payload === "function") {
    throw new Error(`the error handler answered with ${isNone ? "nothing" : `a ${typeof payload}`}`);
  }
  return payload;
}

function asError(thrown: unknown): unknown {
  return thrown instanceof Error || types.isNativeError(thrown)
    ? thrown
    : new Error("the error handler threw what is no error", { cause: thrown });
}

function symbolOf(holder: object, description: string): symbol | undefined {
  for (let at: object | null = holder; at !== null; at = Object.getPrototypeOf(at)) {
    const found = Object.getOwnPropertySymbols(at).find((symbol) => symbol.description === description);
    if (found !== undefined) return found;
  }
  return undefined;
}
