import { AsyncLocalStorage } from "node:async_hooks";
import { nextTick } from "../clock.js";
import { contained } from "../containment.js";
import type { Exchange, Trace } from "./exchange.js";
import type { RequestContext } from "./request-context.js";

const traces = new AsyncLocalStorage<Trace>();

/**
 * Everything that runs from here on belongs to this request. Entered once for each, not run around its listener: it then
 * also holds in what the parser calls in the same turn.
 */
export function enterExchange(exchange: Exchange): void {
  if (exchange.trace !== undefined) return;
  const trace: Trace = { exchange };
  exchange.trace = trace;
  traces.enterWith(trace);
}

/** The same of what its connection calls later, in a context of its own. */
export function enterAgain({ trace }: Exchange): void {
  if (trace !== undefined && trace.exchange !== null) traces.enterWith(trace);
}

/** The request that the running code belongs to, while that is under way. */
export function currentExchange(): Exchange | undefined {
  return traces.getStore()?.exchange ?? undefined;
}

let thrower: Exchange | undefined;

/** A listener of the app has thrown, and that goes on its way: it is told where nobody catches it. */
export function noteThrower(exchange: Exchange): void {
  thrower = exchange;
  nextTick(forgetThrower);
}

const forgetThrower = contained(undefined, () => {
  thrower = undefined;
});

/** The request whose listener has thrown what has just come to the end of its way. */
export function currentThrower(): Exchange | undefined {
  return thrower;
}

/** Whether the running code belongs to a request, be it one that is over. */
export function isOfRequest(): boolean {
  return traces.getStore() !== undefined;
}

/**
 * What the guard knows of the request that the running code belongs to, however deep in the app; undefined outside of
 * one, behind the end of its response, and with `crash: false`, which does without AsyncLocalStorage.
 */
export function currentRequest(): RequestContext | undefined {
  return currentExchange()?.context;
}
