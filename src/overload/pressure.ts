import type { Readings } from "./gauges.js";
import type { OverloadSettings } from "./overload-options.js";

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

/**
 * How the window closes and opens, per sample, and the size from which on it might as well not be there. A loop that is
 * late by a multiple of its limit has about that multiple under way of what it can do in time.
 */
const CLOSE = { least: 0.7, most: 0.25 };
const OPEN = 1.25;
const WIDE = 10_000;

/** The smallest window: with nobody else in line, a loop that is done would have to wait for the next client. */
const NARROW = 3;

/**
 * Node takes one new connection in each turn of the loop. Where nearly every turn takes one, and turns last for this
 * part of the limit, others are waiting in the kernel, for a time that nobody in the process can see.
 */
const CROWDED = { turns: 0.9, connections: 3, limit: 0.1 };

/**
 * Where other processes have the processor, the loop is late by their doing: its own part of a delay counts. But nobody
 * waits longer than this many times the limit, and one sample says little about the next: how much the latest one counts.
 */
const MOST_STRETCH = 5;
const PART_WEIGHT = 0.3;

/** A limit with two thresholds: crossed above it, left well below it. */
export class Threshold {
  over = false;
  #run = 0;

  constructor(readonly limit: number | false) {}

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
 * the requests under way closes, and opens again step by step, so that the app always has something to do. And how long
 * a request would have to wait behind those before it, which no sample can tell in time.
 * Neither refuses a request when nothing else is under way: one slow request must not close an idle server.
 */
export class Pressure {
  readonly #heap: Threshold;
  readonly #delay: Threshold;
  readonly #utilization: Threshold;
  readonly #waitMs: number;
  /** Part of its busy time for which the loop has had a processor lately, from 1 down to 0.2. */
  processorPart = 1;
  #readings: Readings = { delayMs: 0, utilization: 0, turns: 0, turnMs: 0, heapRatio: 0 };
  #isCrowded = false;
  /** How many requests may be under way: as many as want to, while nothing is late. */
  window = Number.POSITIVE_INFINITY;
  #peak = 0;

  constructor(settings: OverloadSettings) {
    this.#heap = new Threshold(settings.maxHeapRatio);
    this.#delay = new Threshold(settings.maxEventLoopDelayMs);
    this.#utilization = new Threshold(settings.maxEventLoopUtilization);
    const { maxEventLoopDelayMs } = settings;
    this.#waitMs = maxEventLoopDelayMs === false ? Number.POSITIVE_INFINITY : maxEventLoopDelayMs;
  }

  /** Memory is short: everything is refused, whether or not anything is under way. */
  get isOutOfMemory(): boolean {
    return this.#heap.over;
  }

  /**
   * Why a request that has just arrived cannot be taken.
   * @param beside - requests under way, waiting, or answered in this turn of the loop
   * @param waitMs - how long it would have to wait for the loop
   */
  refusal(beside: number, waitMs: number): Refusal | undefined {
    if (this.#heap.over) {
      const { limit } = this.#heap;
      const used = percent(this.#readings.heapRatio);
      return { reason: "heap", message: `${used} of the memory there is were in use (limit ${percent(limit)}).` };
    }
    if (beside > this.#peak) this.#peak = beside;
    if (beside === 0) return undefined;
    if (waitMs > this.#waitMs / this.processorPart) {
      const message = `It would have waited ${Math.round(waitMs)} ms for the event loop.`;
      return { reason: "event-loop-delay", message };
    }
    if (beside < this.window) return undefined;
    if (this.#utilization.over && !this.#delay.over) {
      const busy = percent(this.#readings.utilization);
      const message = `The event loop was busy for ${busy} of the time (limit ${percent(this.#utilization.limit)}).`;
      return { reason: "event-loop-utilization", message };
    }
    if (this.#isCrowded) return { reason: "event-loop-delay", message: "New clients had to wait for the event loop." };
    const late = Math.round(this.#readings.delayMs);
    return {
      reason: "event-loop-delay",
      message: `The event loop was ${late} ms late (limit ${this.#delay.limit} ms).`,
    };
  }

  /** @param connections - new ones since the last sample */
  sample(readings: Readings, connections: number): void {
    this.#readings = readings;
    const { processorPart = 1, turns, turnMs } = readings;
    const part = this.processorPart + (processorPart - this.processorPart) * PART_WEIGHT;
    this.processorPart = Math.max(1 / MOST_STRETCH, part);
    const delayMs = readings.delayMs * Math.max(1 / MOST_STRETCH, processorPart);
    this.#isCrowded =
      connections >= Math.max(CROWDED.connections, turns * CROWDED.turns) &&
      turnMs > Number(this.#delay.limit) * CROWDED.limit;
    this.#heap.feed(readings.heapRatio);
    const isLate = this.#delay.feed(this.#isCrowded ? Number.POSITIVE_INFINITY : delayMs);
    const isBusy = this.#utilization.feed(readings.utilization);
    const peak = this.#peak;
    this.#peak = 0;
    if ((isLate && this.#delay.over) || (isBusy && this.#utilization.over)) {
      const share = isLate ? Number(this.#delay.limit) / delayMs : 1;
      const part = Math.max(CLOSE.most, Math.min(CLOSE.least, share));
      this.window = Math.max(NARROW, Math.ceil(Math.min(this.window, peak) * part));
    } else if (!this.#delay.over && !this.#utilization.over) {
      this.window = this.window * OPEN + 1;
      if (this.window > WIDE) this.window = Number.POSITIVE_INFINITY;
    }
  }
}

function percent(part: number | false): string {
  return `${Math.round(Number(part) * 100)} %`;
}
