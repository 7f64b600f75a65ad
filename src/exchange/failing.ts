import { RayguardError } from "../errors.js";
import type { Page } from "../fallback/page.js";
import type { Action, Failure } from "../report/incidents.js";
import type { RequestRecord } from "../report/log.js";
import { type Circumstances, type Phase, remedyFor } from "./state.js";

/** What an exchange is asked for, and what it does, where its response fails. */
export interface Failing<Self> extends Circumstances {
  phase: Phase;
  outcome: RequestRecord["outcome"];
  /** Why the response cannot be saved, until no method of the app is on the stack. */
  pending: Failure | null;
  readonly incident: string | undefined;
  /** It has been told that it fails, where nothing is changed. */
  hasFailed: boolean;
  readonly cause: unknown;
  readonly isInCall: boolean;
  readonly supervisor: {
    report(exchange: Self, failure: Failure, action: Action): void;
    compose(exchange: Self, failure: Failure): Page;
  };
  isBegun(): boolean;
  repaired(failure: Failure): boolean;
  finish(): void;
  replace(page: Page, failure: Failure): void;
  tearDown(): void;
  abandon(): void;
  failsBehindClient(): void;
  clientLeft(): void;
  abort(reason: RayguardError): void;
}

/**
 * The one place that ends an exchange in another way than the app has in mind: asks for the remedy, tells of it, and has
 * the protocol carry it out.
 * @returns false where nothing was done, because the response is over already
 */
export function failExchange<Self extends Failing<Self>>(exchange: Self, failure: Failure): boolean {
  const remedy = remedyFor(exchange.phase, exchange);
  if (remedy === "ignore") return false;
  // What fails because the client has left, or after it, costs nobody a response.
  if (remedy === "pass") {
    exchange.failsBehindClient();
    return false;
  }
  if (exchange.isInCall) {
    failLater(exchange, failure);
    return true;
  }
  const known = knownOf(exchange, failure);
  if (remedy === "finish") finish(exchange, known);
  else if (remedy === "cut") cut(exchange, known);
  else replace(exchange, known);
  return true;
}

/** Keeps a failure until no method of the app is on the stack; the first one is the cause. */
export function failLater<Self extends Failing<Self>>(exchange: Self, failure: Failure): void {
  exchange.pending ??= failure;
  exchange.phase = exchange.phase.after.fail;
}

function finish<Self extends Failing<Self>>(exchange: Self, failure: Failure): void {
  exchange.repaired(failure);
  exchange.phase = exchange.phase.after.end;
  exchange.finish();
}

function cut<Self extends Failing<Self>>(exchange: Self, failure: Failure): void {
  exchange.phase = exchange.phase.after.cut;
  if (failure.clientGone) lose(exchange);
  else {
    exchange.outcome = "torn down";
    exchange.supervisor.report(exchange, failure, "torn down");
    exchange.abort(new RayguardError("ERR_RAYGUARD_INCOMPLETE", failure.message));
  }
  exchange.tearDown();
}

function replace<Self extends Failing<Self>>(exchange: Self, failure: Failure): void {
  exchange.phase = exchange.phase.after.replace;
  if (failure.clientGone) lose(exchange);
  const page = exchange.supervisor.compose(exchange, failure);
  // A 404 that the app has thrown is its answer, in other words; only faults are incidents.
  const isAnswer = failure.code === "HANDLER_ERROR" && page.status < 500;
  if (!isAnswer && !failure.clientGone) {
    exchange.outcome = "replaced";
    exchange.supervisor.report(exchange, { ...failure, status: page.status }, "replaced");
  }
  exchange.replace(page, failure);
}

/** The client has probably left: it is answered all the same, in case it has not. */
function lose<Self extends Failing<Self>>(exchange: Self): void {
  exchange.outcome = "client gone";
  exchange.clientLeft();
}

/** What came first is the cause; what fails now is most often its consequence. */
function knownOf<Self extends Failing<Self>>(exchange: Self, failure: Failure): Failure {
  const { pending, cause } = exchange;
  exchange.pending = null;
  let known = failure;
  if (pending !== null && pending !== failure) {
    const { code, message, prevented } = pending;
    known = { ...failure, code, message, prevented };
  }
  if (known.err === undefined && cause !== undefined) known = { ...known, err: cause };
  return known.prevented !== null && exchange.isBegun() ? { ...known, prevented: null } : known;
}
