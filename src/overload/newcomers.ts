import { turnsSoFar } from "./gauges.js";

/**
 * The part of the latest requests on connections that had been used before, from which on there is enough to do without
 * those on new ones; how much the latest counts; and after how long with nothing to do it does not hold any more, in
 * milliseconds.
 */
const REUSED = { least: 0.3, weight: 0.05, forMs: 5_000 };

/** What can be known of clients that have just connected: how long they waited in the kernel, and who else there is. */
export class Newcomers {
  /** Turn of the loop that took the latest new connection, and since when every turn has taken one. */
  #turn = 0;
  #crowdedSince = 0;
  #reused = 0;
  #letInAt = 0;

  /** A client has connected. */
  connected(now: number): void {
    const turn = turnsSoFar();
    if (turn > this.#turn + 1) this.#crowdedSince = now;
    this.#turn = turn;
  }

  /**
   * Longest time somebody who has just connected may have waited before, in milliseconds: as long as each turn of the loop
   * has found a new connection, since in a turn without one nobody was waiting.
   */
  unseenMs(now: number): number {
    return turnsSoFar() > this.#turn + 1 ? 0 : now - this.#crowdedSince;
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
