import { lateError, type Prevented, thrown } from "../report/incidents.js";
import { isInDomain, throwIntoDomain } from "./domain.js";
import type { Exchange } from "./exchange.js";

/** How code fails, or is made to fail by the app, because the client it worked for has left. */
const OF_LEAVING = new Set([
  "ECONNRESET",
  "ECONNABORTED",
  "EPIPE",
  "ABORT_ERR",
  "ERR_STREAM_PREMATURE_CLOSE",
  "ERR_STREAM_DESTROYED",
  "ERR_RAYGUARD_CLIENT_GONE",
]);

/** Whether an error is what a client that has left makes of work for it. */
export function isOfLeaving(error: unknown): boolean {
  try {
    const { code } = Object(error) as { code?: unknown };
    return typeof code === "string" && OF_LEAVING.has(code);
  } catch {
    return false; // a getter that throws
  }
}

/** Mistakes of the code itself; half a text may well be no JSON, so that a SyntaxError is none. */
const MISTAKES = [TypeError, ReferenceError, RangeError];

/**
 * Whether what the app throws, or passes on, once its client has left is on account of that: the error of a stream
 * that broke, an answer in other words (a body parser throws a 400), or whatever the reader of a request makes of half
 * of it.
 */
function isOnAccountOfLeaving({ request }: Exchange, error: unknown): boolean {
  if (isOfLeaving(error) || thrown(error).status < 500) return true;
  return request?.complete === false && !MISTAKES.some((mistake) => error instanceof mistake);
}

/**
 * Something of the app's threw on behalf of an exchange.
 * @param rethrows - nobody else has seen the error: where the guard only reports, it must go on its way
 * @param bare - what the edge would show of what the framework does with it; without one the process would end
 */
export function appFailed(
  exchange: Exchange,
  error: unknown,
  enforces: boolean,
  rethrows: boolean,
  bare: Prevented | undefined,
): void {
  // What a domain takes is no failure: it answers, or the deadline does.
  if (rethrows && (enforces ? throwIntoDomain(error) : isInDomain())) {
    exchange.cause ??= error;
    if (enforces) return;
    throw error;
  }
  const failure = thrown(error);
  if (exchange.fail(bare === undefined ? failure : { ...failure, prevented: bare })) return;
  if (!enforces) {
    if (rethrows) throw error;
    return;
  }
  const left = exchange.isLeft || exchange.outcome === "client gone";
  if (!left || !isOnAccountOfLeaving(exchange, error)) exchange.late(lateError(exchange.status, error, left));
}
