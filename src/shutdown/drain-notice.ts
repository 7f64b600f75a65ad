import { RayguardError } from "../errors.js";
import type { Exchange } from "../exchange/exchange.js";

/** How long ordinary requests are left alone, most of which are over by then, in milliseconds. */
const UNTOLD_MS = 1_000;

/** The most that may be of the grace, which has to leave them time to end themselves. */
const UNTOLD_PART = 1 / 5;

/** From when on every request is told, counted from the start of a drain, in milliseconds. */
export function untoldMs(graceMs: number): number {
  return Math.min(UNTOLD_MS, graceMs * UNTOLD_PART);
}

/** Why the signal of a request aborts when the process is about to end. */
export function draining(): RayguardError {
  return new RayguardError("ERR_RAYGUARD_DRAINING", "the process is about to end");
}

/**
 * Aborts the signals of requests that would outlast a drain, so that they can end themselves: of a stream of events at
 * once, since it has no end of its own; of any other request when it has gone on for a while, since many pass their
 * signal on to what they wait for, and would fail where they only had to finish.
 */
export function tellDraining(exchanges: Iterable<Exchange>, tellsAll: boolean): void {
  // Whoever is told may be over at once, and leave the list.
  for (const exchange of [...exchanges])
    if (!exchange.phase.isSettled && (tellsAll || exchange.streamsEvents)) exchange.abort(draining());
}
