import { openSync, readSync } from "node:fs";
import { totalmem } from "node:os";
import { type EventLoopUtilization, performance } from "node:perf_hooks";
import { getHeapStatistics } from "node:v8";
import { clearInterval } from "../clock.js";
import { contain } from "../containment.js";
import { whileKept } from "../weak-interval.js";

/** What the process is under, over one interval. */
export interface Readings {
  /** Longest time by which the event loop was late, in milliseconds. */
  readonly delayMs: number;
  /** Part of the interval for which the event loop was busy, 0 to 1. */
  readonly utilization: number;
  /**
   * Part of its busy time for which the event loop had a processor, 0 to 1. Less than 1 where other processes, or a quota,
   * take it away: the loop is late then without having too much to do.
   */
  readonly processorPart?: number;
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
  #processor = readProcessor();

  start(): void {
    this.#lookedAt = performance.now();
    // Not monitorEventLoopDelay(): after a reset() it leaves out what comes first, which may be all there is.
    this.#timer = whileKept(this, (kept) => contain(undefined, () => kept.#look()), LOOK_MS);
    this.#utilization = performance.eventLoopUtilization();
    this.#turns = turnsSoFar();
    this.#processor = readProcessor();
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
    const heapRatio = Math.max(heapPart(), containerPart(this.#containerOctets));
    const processor = this.#processor;
    this.#processor = readProcessor();
    const processorPart = partOf(active, processor, this.#processor);
    return { delayMs, utilization, processorPart, turns, turnMs: turns > 0 ? active / turns : 0, heapRatio };
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

/** What this thread, or the process, has had of the processors so far, in milliseconds. */
interface Processor {
  /** Time for which the thread could have run and had to wait; undefined where the system does not say. */
  readonly waitedMs: number | undefined;
  /** Read where that is so. */
  readonly usedMs: number;
}

function readProcessor(): Processor {
  const waitedMs = waitedSoFar();
  if (waitedMs !== undefined) return { waitedMs, usedMs: 0 };
  const { user, system } = process.cpuUsage();
  return { waitedMs, usedMs: (user + system) / 1_000 };
}

/** Where Linux keeps the counts of this thread; null where there are none. */
let counts: number | null | undefined;
const countsText = Buffer.alloc(96);

/**
 * Kept open, since it is read when the processor has the least to spare, with cold caches: to look up the path takes
 * ten times as long as to read.
 */
function waitedSoFar(): number | undefined {
  if (counts === null) return undefined;
  try {
    counts ??= openSync("/proc/thread-self/schedstat", "r");
    // Time on a processor, time waiting for one, both in nanoseconds, and turns. proc(5)
    const length = readSync(counts, countsText, 0, countsText.length, 0);
    const [ran = 0, waited = 0] = countsText.toString("latin1", 0, length).split(" ").map(Number);
    if (ran + waited > 0) return waited / 1e6; // else the kernel keeps no count
  } catch {
    counts = null; // another system
  }
  return undefined;
}

/** Busy without running is waiting for a processor, where the system says so; elsewhere it may be waiting for a disk. */
function partOf(active: number, before: Processor, after: Processor): number {
  if (active <= 0) return 1;
  const { waitedMs: until } = after;
  const { waitedMs: since } = before;
  const lost = until === undefined || since === undefined ? active - (after.usedMs - before.usedMs) : until - since;
  return 1 - Math.min(1, Math.max(0, lost / active));
}

/** Turns of the event loop since the start of the process. */
export function turnsSoFar(): number {
  const { uvMetricsInfo } = performance.nodeTiming as { uvMetricsInfo?: { loopCount: number } };
  return uvMetricsInfo?.loopCount ?? 0;
}

function heapPart(): number {
  const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics();
  return used / limit;
}

/** Part of the container's memory; Node reads a file to tell how much the process has, which only a limit asks for. */
function containerPart(octets: number): number {
  return octets === Number.POSITIVE_INFINITY ? 0 : process.memoryUsage.rss() / octets;
}

/** Memory the control group of this process may use. Node says 0, or a number beyond the machine, where there is none. */
function containerOctets(): number {
  const octets = process.constrainedMemory?.() ?? 0;
  return octets > 0 && octets <= totalmem() ? octets : Number.POSITIVE_INFINITY;
}
