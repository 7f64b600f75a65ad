import { totalmem } from "node:os";
import { type EventLoopUtilization, performance } from "node:perf_hooks";
import { getHeapStatistics } from "node:v8";

/** What the process is under, over one interval. */
export interface Readings {
  /** Longest time by which the event loop was late, in milliseconds. */
  readonly delayMs: number;
  /** Part of the interval for which the event loop was busy, 0 to 1. */
  readonly utilization: number;
  /** Turns of the event loop. */
  readonly turns: number;
  /** How long one of them was busy on average, in milliseconds. */
  readonly turnMs: number;
  /** The fuller of heap and container, 0 to 1. */
  readonly heapRatio: number;
}

/** Where the readings come from. */
export interface Gauges {
  start(): void;
  /** What there was since the last reading. */
  read(): Readings;
  stop(): void;
}

/** How often the event loop is looked at, in milliseconds. */
const LOOK_MS = 20;

/** Reads this process. */
export class ProcessGauges implements Gauges {
  #timer: NodeJS.Timeout | undefined;
  #lookedAt = 0;
  #delayMs = 0;
  #utilization: EventLoopUtilization | undefined;
  #turns = 0;
  #containerOctets = Number.POSITIVE_INFINITY;

  start(): void {
    this.#lookedAt = performance.now();
    // Not monitorEventLoopDelay(): after a reset() it leaves out what comes first, which may be all there is.
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref();
    this.#utilization = performance.eventLoopUtilization();
    this.#turns = turnsSoFar();
    this.#containerOctets = containerOctets();
  }

  read(): Readings {
    this.#look();
    const delayMs = this.#delayMs;
    this.#delayMs = 0;
    const before = this.#utilization;
    this.#utilization = performance.eventLoopUtilization();
    const { utilization, active } = performance.eventLoopUtilization(this.#utilization, before);
    const turnsBefore = this.#turns;
    this.#turns = turnsSoFar();
    const turns = this.#turns - turnsBefore;
    const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics();
    const heapRatio = Math.max(used / limit, process.memoryUsage.rss() / this.#containerOctets);
    return { delayMs, utilization, turns, turnMs: turns > 0 ? active / turns : 0, heapRatio };
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const now = performance.now();
    this.#delayMs = Math.max(this.#delayMs, now - this.#lookedAt - LOOK_MS);
    this.#lookedAt = now;
  }
}

function turnsSoFar(): number {
  const { uvMetricsInfo } = performance.nodeTiming as { uvMetricsInfo?: { loopCount: number } };
  return uvMetricsInfo?.loopCount ?? 0;
}

/** Memory the control group of this process may use. Node says 0, or a number beyond the machine, where there is none. */
function containerOctets(): number {
  const octets = process.constrainedMemory?.() ?? 0;
  return octets > 0 && octets <= totalmem() ? octets : Number.POSITIVE_INFINITY;
}
