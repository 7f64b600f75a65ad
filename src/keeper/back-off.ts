/** Longest pause in front of the next start, in milliseconds: behind one that came to listen, and one that did not. */
const MOST_MS = { served: 250, failed: 10_000 } as const;

/** A worker that has served for so long has not failed to start, in milliseconds. */
const PROVEN_MS = 1_000;

/** How long to wait before a worker is started again: not at all once, then ever longer while they do not stay. */
export class BackOff {
  #failures = 0;

  /** @param servedMs - how long the one that has ended had listened; undefined if it never did */
  next(servedMs: number | undefined): number {
    if (servedMs !== undefined && servedMs >= PROVEN_MS) this.#failures = 0;
    const pause = this.#failures === 0 ? 0 : 50 * 2 ** Math.min(this.#failures, 10);
    this.#failures++;
    return Math.min(pause, servedMs === undefined ? MOST_MS.failed : MOST_MS.served);
  }
}
