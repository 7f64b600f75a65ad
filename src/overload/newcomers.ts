import { performance } from "../clock.js";
import { shared } from "../shared.js";
import { turnsSoFar } from "./gauges.js";

/**
 * The part of the latest requests on connections that had been used before, from which on there is enough to do without
 * those on new ones; how much the latest counts; and after how long with nothing to do it does not hold any more, in
 * milliseconds.
 */
const REUSED = { least: 0.3, weight: 0.05, forMs: 5_000 };

/** Longest time to wait for the keeper to hand over the next connection, in milliseconds: others may have the processors. */
export const HAND_OVER_MS = 20;

/**
 * Of connections that the keeper has accepted: when it has had the latest of them, and how many more it has. Known, where
 * those that wait in the kernel are not; `since` is undefined where nobody keeps them.
 */
export const handedOver = shared("handed over", () => ({ since: undefined as number | undefined, behind: 0 }));

/** What can be known of clients that have just connected: how long they waited in the kernel, and who else there is. */
export class Newcomers {
  /** Turn of the loop that took the latest new connection, and since when every turn has taken one. */
  #turn = 0;
  #connectedAt = 0;
  #crowdedSince = 0;
  #reused = 0;
  #letInAt = 0;

  /** A client has connected. */
  connected(now: number): void {
    this.#connectedAt = now;
    const turn = turnsSoFar();
    if (turn > this.#turn + 1) this.#crowdedSince = now;
    this.#turn = turn;
  }

  /**
   * Longest time somebody who has just connected may have waited before, in milliseconds: as long as each turn of the loop
   * has found a new connection, since in a turn without one nobody was waiting.
   */
  unseenMs(now: number): number {
    if (handedOver.since !== undefined) return handedOver.behind > 0 ? now - handedOver.since : 0;
    return turnsSoFar() > this.#turn + 1 ? 0 : now - this.#crowdedSince;
  }

  /** Whether the keeper is about to hand over another one. */
  get isNextDue(): boolean {
    return handedOver.behind > 0 && performance.now() - this.#connectedAt < HAND_OVER_MS;
  }

  /** A request is handed to the app. @param isFirst - on a new connection */
  letIn(isFirst: boolean, now: number): void {
    this.#letInAt = now;
    this.#reused += ((isFirst ? 0 : 1) - this.#reused) * REUSED.weight;
  }

  /** Whether there is enough to do on connections that clients have kept: then no newcomer has to be served too late. */
  areSpare(now: number): boolean {
    if (now - this.#letInAt > REUSED.forMs) this.#reused = 0;
    return this.#reused > REUSED.least;
  }
}
