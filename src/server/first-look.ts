import type { ServerResponse } from "node:http";
import type { Exchange } from "../exchange/exchange.js";
import type { Health } from "../health/health.js";
import type { Recorder } from "../recorder/recorder.js";
import { DIRECT, type Failure } from "../report/incidents.js";
import { callerOf } from "../trust/caller.js";

/** What a guard says to a request before the app hears of it: the health check, and whom it refuses. */
export interface FirstLook {
  /** @returns whether the request has its answer */
  answers(exchange: Exchange): boolean;
  /** Refuses a request because the process is about to end, unless it may be a health check. @returns true where it has */
  refuses(exchange: Exchange): boolean;
  /** Refuses a request that nobody vouches for, where the option `direct` asks for that. @returns true where it has */
  refusesDirect(exchange: Exchange): boolean;
}

/** @param rejectsDirect - requests that did not come through the edge are refused */
export function firstLook(
  health: Health,
  lifecycle: { readonly refusal: Failure | undefined },
  recorder: Recorder | undefined,
  rejectsDirect: boolean,
): FirstLook {
  function answers(exchange: Exchange): boolean {
    // Asked again where it is mounted: only a guard inside another one has not had its look.
    if (exchange.examined) return rejectsDirect && refusesDirect(exchange);
    const { request } = exchange;
    if (request === null) return false;
    // The response is asked for last: over HTTP/2 it is made then.
    const response = health.matches(request) && !exchange.quiet ? responseOf(exchange) : undefined;
    if (response === undefined) {
      const { refusal } = lifecycle;
      if (exchange.quiet) return !exchange.phase.isSettled;
      if (refusal !== undefined) return exchange.fail(refusal);
      return rejectsDirect && refusesDirect(exchange);
    }
    exchange.quiet = true;
    if (exchange.kept === undefined) recorder?.end(exchange); // nobody misses a health check
    health.answer(request, response);
    return true;
  }

  function refuses(exchange: Exchange): boolean {
    const { refusal } = lifecycle;
    const { request } = exchange;
    if (refusal === undefined || request === null || health.matches(request)) return false;
    return exchange.fail(refusal);
  }

  function refusesDirect(exchange: Exchange): boolean {
    return rejectsDirect && !callerOf(exchange).verified && exchange.fail(DIRECT);
  }

  return { answers, refuses, refusesDirect };
}

/** None where there is only a socket to answer on. */
function responseOf(exchange: Exchange): ServerResponse | undefined {
  return (exchange as Exchange & { response?: ServerResponse }).response;
}
