import { contained } from "../containment.js";
import { keeperWitness } from "./keeper-log.js";
import type { KeeperOptions } from "./options.js";
import type { WorkerProcess } from "./worker-process.js";

/** Time between two looks, in milliseconds. */
const LOOK_MS = 100;

/** Time between two questions whether a worker's event loop turns, in milliseconds. */
const PING_MS = 250;

/** What is done about what only time tells. */
export interface Overseen {
  readonly workers: Iterable<WorkerProcess>;
  /** Its event loop does not turn, or it does not come to listen. */
  stuck(worker: WorkerProcess, why: string): void;
  /** It has more memory than it may. */
  tooLarge(worker: WorkerProcess): void;
  /** Time has passed for those who wait. */
  waited(): void;
}

/** Looks again and again at what nobody tells of. @returns ends it */
export function oversee({ blockedMs, readyMs, maxMemory }: KeeperOptions, overseen: Overseen): () => void {
  let lookedAt = performance.now();
  let askedAt = 0;
  function look(): void {
    const now = performance.now();
    // Where the keeper itself had no time, nobody else is late in it: that time does not count.
    const missedMs = now - lookedAt > 5 * LOOK_MS ? now - lookedAt - LOOK_MS : 0;
    lookedAt = now;
    const asks = now - askedAt >= PING_MS;
    if (asks) askedAt = now;
    overseen.waited();
    for (const worker of overseen.workers) {
      if (missedMs > 0) worker.seenAt = Math.min(worker.seenAt + missedMs, now);
      if (worker.readyAt === undefined) {
        if (now - worker.startedAt >= readyMs) overseen.stuck(worker, `it did not listen within ${readyMs} ms`);
        continue;
      }
      if (asks) worker.ping();
      if (blockedMs > 0 && now - worker.seenAt >= blockedMs)
        overseen.stuck(worker, `its event loop was blocked for ${blockedMs} ms`);
      else if (maxMemory > 0 && worker.rss > maxMemory) overseen.tooLarge(worker);
    }
  }
  const timer = setInterval(contained(keeperWitness, look), LOOK_MS);
  return () => clearInterval(timer);
}
