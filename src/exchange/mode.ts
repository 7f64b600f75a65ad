import { RayguardError } from "../errors.js";
import type { Action, Failure } from "../report/incidents.js";
import { type Failing, failExchange } from "./failing.js";
import { remedyFor } from "./state.js";

/** What a guard does where a response is not what it should be: it sees to that, or only tells of it. */
export interface Mode {
  /** The response cannot go on as the app has it in mind. @returns false where nothing was done */
  fail<E extends Failing<E>>(exchange: E, failure: Failure): boolean;
  /** It can, with the smallest fix that makes it valid. @returns whether that is to be made */
  repair<E extends Failing<E>>(exchange: E, failure: Failure): boolean;
  /** Its recipient takes nothing of what the app has written. */
  giveUp<E extends Failing<E>>(exchange: E, failure: Failure): void;
  /** The guard itself has failed over it. */
  abandon(exchange: { abandon(): void }): void;
  /** What becomes of something that the app does to a response that is over. */
  readonly late: Action;
}

export const ENFORCE: Mode = {
  fail: failExchange,

  repair(exchange, failure) {
    if (exchange.outcome === "intact") exchange.outcome = "repaired";
    exchange.supervisor.report(exchange, failure, "repaired");
    return true;
  },

  giveUp(exchange, failure) {
    if (exchange.outcome !== "torn down") {
      exchange.outcome = "torn down";
      exchange.supervisor.report(exchange, failure, "torn down");
      exchange.abort(new RayguardError("ERR_RAYGUARD_DEADLINE", failure.message));
    }
    exchange.abandon();
  },

  abandon: (exchange) => exchange.abandon(),

  late: "ignored",
};

/** Everything is looked at, and nothing is changed. */
export const REPORT: Mode = {
  fail(exchange, failure) {
    const remedy = remedyFor(exchange.phase, exchange);
    if (remedy === "pass") exchange.failsBehindClient();
    else if (remedy !== "ignore" && failure.clientGone !== true) tell(exchange, failure);
    return false;
  },

  repair(exchange, failure) {
    exchange.supervisor.report(exchange, failure, "reported");
    return false;
  },

  giveUp: tell,

  abandon() {},

  late: "reported",
};

/** A response fails once, whatever follows from that: an error handler goes on to `res.destroy()`. */
function tell<E extends Failing<E>>(exchange: E, failure: Failure): void {
  if (exchange.hasFailed || exchange.incident === failure.code) return;
  exchange.hasFailed = true;
  exchange.supervisor.report(exchange, failure, "reported");
}
