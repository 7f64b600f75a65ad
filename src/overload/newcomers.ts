import { performance } from "../clock.js";
import { shared } from "../shared.js";
import { turnsSoFar } from "./gauges.js";
import type { OverloadSettings } from "./overload-options.js";

/**
 * The part of the latest requests on connections that had been used before, from which on there is enough to do without
 * those on new ones; how much the latest counts; and after how long with nothing to do it does not hold any more, in
 * milliseconds.
 */
const REUSED = { least: 0.3, weight: 0.05, forMs: 5_000 };

/**
 * How long every turn may find a new connection, in milliseconds, until all that wait in the kernel are taken in before
 * more is computed: only in the queue is it known how long they wait.
 */
const UNHEARD_MS = 50;

/**
 * Many who come at once are a burst, over as soon as they are answered; only where the wait lasts is there more to do than
 * can be done. Another burst may follow when nobody has had to wait for some time. In milliseconds.
 */
const BURST = { longest: 1_000, apart: 200 };

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
  /** When somebody was waiting last, and when nobody had been for some time. */
  #waitedAt = Number.NEGATIVE_INFINITY;
  #caughtUpAt = Number.NEGATIVE_INFINITY;
  #reused = 0;
  #letInAt = 0;
  readonly #maxQueuedMs: number;
  readonly #bursts: boolean;

  constructor({ maxQueued, maxQueuedMs }: OverloadSettings) {
    this.#maxQueuedMs = maxQueuedMs;
    this.#bursts = maxQueued > 0;
  }

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

  /** Somebody comes. @param queued - how many wait for a turn */
  comes(now: number, queued: number): void {
    if (queued > 0 || this.unseenMs(now) > 0) this.#waitedAt = now;
    else if (now - this.#waitedAt > BURST.apart) this.#caughtUpAt = now;
  }

  /** Whether those who wait have only just come. Where nobody may wait for a turn there is no time for that. */
  areBurst(now: number): boolean {
    return this.#bursts && now - this.#caughtUpAt < BURST.longest;
  }

  /**
   * Whether some may be waiting in the kernel for too long, and are to be taken in first.
   * @param isShort - other processes have a good part of the processors
   */
  areUnheard(now: number, isShort: boolean): boolean {
    const unseenMs = this.unseenMs(now);
    if (!isShort) return unseenMs > (this.areBurst(now) ? this.#maxQueuedMs : UNHEARD_MS);
    // To take them in, and refuse them, is dear then: those on connections that are kept wait for less.
    return unseenMs > this.#maxQueuedMs && !this.areSpare(now);
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
