import type { OverloadSettings } from "../overload-options.js";
import type { Readings } from "./gauges.js";

/** Why a request is refused. `/health` gives it to whoever asks. */
export type Reason = "in-flight" | "queued" | "event-loop-delay" | "event-loop-utilization" | "heap";

export interface Refusal {
  readonly reason: Reason;
  readonly message: string;
}

/** Samples in a row above a limit until it counts as crossed: one slow request is no overload. */
const ENTER_AFTER = 2;

/** Samples in a row below `LEAVE_BELOW` of the limit until all is well again. */
const LEAVE_AFTER = 3;
const LEAVE_BELOW = 0.8;

/** How the window closes and opens, per sample, and the size from which on it might as well not be there. */
const CLOSE = 0.7;
const OPEN = 1.25;
const WIDE = 10_000;

/** A limit with two thresholds: crossed above it, left well below it. */
export class Threshold {
  readonly limit: number | false;
  over = false;
  #run = 0;

  constructor(limit: number | false) {
    this.limit = limit;
  }

  /** Takes a sample. @returns whether it is above the limit */
  feed(value: number): boolean {
    const { limit, over } = this;
    if (limit === false) return false;
    const isAbove = value > limit;
    const isAgainst = over ? value < limit * LEAVE_BELOW : isAbove;
    this.#run = isAgainst ? this.#run + 1 : 0;
    if (this.#run >= (over ? LEAVE_AFTER : ENTER_AFTER)) {
      this.over = !over;
      this.#run = 0;
    }
    return isAbove;
  }
}

/**
 * Says which request the event loop and the memory can take no more.
 *
 * Two measures of the loop. A sampled one, for work that goes on behind the listeners: while it is over, a window on
 * the requests under way closes, and opens again step by step, so that the app always has something to do. And the turn
 * of the loop that a request arrives in: it has waited at least since that turn began, which no sample can tell in time.
 * Neither refuses a request when nothing else is under way: one slow request must not close an idle server.
 */
export class Pressure {
  readonly #heap: Threshold;
  readonly #delay: Threshold;
  readonly #utilization: Threshold;
  readonly #turnMs: number;
  #readings: Readings = { delayMs: 0, utilization: 0, heapRatio: 0 };
  #window = Number.POSITIVE_INFINITY;
  #peak = 0;
  #turnStartedAt = -1;
  #settledInTurn = 0;
  readonly #endTurn = () => {
    this.#turnStartedAt = -1;
    this.#settledInTurn = 0;
  };

  constructor(settings: OverloadSettings) {
    this.#heap = new Threshold(settings.maxHeapRatio);
    this.#delay = new Threshold(settings.maxEventLoopDelayMs);
    this.#utilization = new Threshold(settings.maxEventLoopUtilization);
    const { maxEventLoopDelayMs } = settings;
    // Whoever arrives during a turn waits for its end, and for what stands before it in the next one: half for each.
    this.#turnMs = maxEventLoopDelayMs === false ? Number.POSITIVE_INFINITY : maxEventLoopDelayMs / 2;
  }

  /** Memory is short: everything is refused, whether or not anything is under way. */
  get isOutOfMemory(): boolean {
    return this.#heap.over;
  }

  /** Why a request that has just arrived cannot be taken. @param inFlight - requests under way */
  refusal(arrivedAt: number, inFlight: number): Refusal | undefined {
    if (this.#heap.over) {
      const { limit } = this.#heap;
      const used = percent(this.#readings.heapRatio);
      return { reason: "heap", message: `${used} of the memory there is were in use (limit ${percent(limit)}).` };
    }
    if (this.#turnStartedAt < 0) {
      this.#turnStartedAt = arrivedAt;
      // Runs when everything that was ready in this turn has been handled. Unref'd, it makes no turn of its own.
      setImmediate(this.#endTurn).unref();
    }
    // What has begun and ended since the turn began was under way beside this request, as its client sees it.
    const beside = inFlight + this.#settledInTurn;
    if (beside > this.#peak) this.#peak = beside;
    if (beside === 0) return undefined;
    if (arrivedAt - this.#turnStartedAt > this.#turnMs) {
      const waited = Math.round(arrivedAt - this.#turnStartedAt);
      return { reason: "event-loop-delay", message: `It had waited ${waited} ms for the event loop.` };
    }
    if (beside < this.#window) return undefined;
    if (this.#utilization.over && !this.#delay.over) {
      const busy = percent(this.#readings.utilization);
      const message = `The event loop was busy for ${busy} of the time (limit ${percent(this.#utilization.limit)}).`;
      return { reason: "event-loop-utilization", message };
    }
    const late = Math.round(this.#readings.delayMs);
    return {
      reason: "event-loop-delay",
      message: `The event loop was ${late} ms late (limit ${this.#delay.limit} ms).`,
    };
  }

  /** A request that was let in is over. */
  settled(): void {
    if (this.#turnStartedAt >= 0) this.#settledInTurn++;
  }

  sample(readings: Readings): void {
    this.#readings = readings;
    this.#heap.feed(readings.heapRatio);
    const isLate = this.#delay.feed(readings.delayMs);
    const isBusy = this.#utilization.feed(readings.utilization);
    const peak = this.#peak;
    this.#peak = 0;
    if ((isLate && this.#delay.over) || (isBusy && this.#utilization.over))
      this.#window = Math.max(1, Math.ceil(Math.min(this.#window, peak) * CLOSE));
    else if (!this.#delay.over && !this.#utilization.over) {
      this.#window = this.#window * OPEN + 1;
      if (this.#window > WIDE) this.#window = Number.POSITIVE_INFINITY;
    }
  }
}

function percent(part: number | false): string {
  return `${Math.round(Number(part) * 100)} %`;
}
