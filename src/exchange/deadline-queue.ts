import { clearTimeout, performance, setImmediate, setTimeout } from "../clock.js";
import { contained, tellFailure } from "../containment.js";

/** An entry of a `DeadlineQueue`; the queue threads its list through these fields, so waiting allocates nothing. */
export interface Waiting {
  queue: DeadlineQueue | null;
  previous: Waiting | null;
  next: Waiting | null;
  /** Time at which to look at it again, on the clock of `performance.now()`. */
  dueAt: number;
}

/**
 * Everything that waits for the same length of time, in the order in which it started to wait.
 * Equal waits end in the order they began, so the first entry is always the next one due: one timer serves all.
 */
export class DeadlineQueue {
  /** The entry that has waited longest. */
  first: Waiting | null = null;
  /** The entry that has waited for the shortest time. */
  last: Waiting | null = null;
  #timer: NodeJS.Timeout | null = null;
  readonly #timerFires = contained(undefined, () => this.#onTimer());
  #firesAt = 0;
  /** Stands for the sweep that a late timer has put off. */
  #lateSweep: object | null = null;
  #sweeping = false;
  size = 0;

  /**
   * @param ms - `Infinity` keeps entries without an end to their wait, so that they can be found
   * @param lateMs - a timer that fires later than this, in milliseconds, was kept from running. Others are behind it, and
   *   timers run before what has arrived meanwhile is read: `onDue` waits until all of that has had its turn
   * @param onEmpty - told when the timer finds nothing that waits any more
   * @param keepsAlive - the process does not end before they are due
   */
  constructor(
    private readonly ms: number,
    private readonly onDue: (entry: Waiting) => void,
    private readonly lateMs = Number.POSITIVE_INFINITY,
    private readonly onEmpty: (() => void) | undefined = undefined,
    private readonly keepsAlive = false,
  ) {}

  /** @param since - when it began to wait, on the clock of `performance.now()` */
  add(entry: Waiting, since: number): void {
    if (entry.queue !== null) entry.queue.remove(entry);
    entry.queue = this;
    this.size++;
    entry.dueAt = since + this.ms;
    entry.previous = this.last;
    entry.next = null;
    if (this.last === null) this.first = entry;
    else this.last.next = entry;
    this.last = entry;
    // An entry that goes back while the queue is swept may have others before it: the sweep arms for the first of all.
    if (this.#timer === null && this.#lateSweep === null && !this.#sweeping) {
      this.#arm(entry.dueAt - performance.now());
    }
  }

  remove(entry: Waiting): void {
    if (entry.queue !== this) return;
    entry.queue = null;
    this.size--;
    if (entry.previous === null) this.first = entry.next;
    else entry.previous.next = entry.next;
    if (entry.next === null) this.last = entry.previous;
    else entry.next.previous = entry.previous;
    entry.previous = entry.next = null;
    // The timer stays: taking it down and up again for every request would cost more than one idle wake-up.
  }

  /** Everything that waits; an entry that leaves meanwhile is not told again. */
  *[Symbol.iterator](): Generator<Waiting> {
    for (let entry = this.first; entry !== null; ) {
      const { next } = entry;
      yield entry;
      entry = next;
    }
  }

  /** Forgets every entry and stops the timer. */
  clear(): void {
    while (this.first !== null) this.remove(this.first);
    if (this.#timer !== null) clearTimeout(this.#timer);
    // An immediate is not cleared: where that follows one that has thrown, Node never gets past it again.
    this.#timer = this.#lateSweep = null;
  }

  #arm(ms: number): void {
    if (ms === Number.POSITIVE_INFINITY) return;
    const wait = Math.max(1, Math.ceil(ms));
    this.#firesAt = performance.now() + wait;
    const timer = setTimeout(this.#timerFires, wait);
    this.#timer = this.keepsAlive ? timer : timer.unref();
  }

  #onTimer(): void {
    this.#timer = null;
    const now = performance.now();
    if (now - this.#firesAt <= this.lateMs) return this.#sweep(now);
    const mine = {};
    this.#lateSweep = mine;
    const sweep = contained(undefined, () => {
      if (this.#lateSweep !== mine) return;
      this.#lateSweep = null;
      this.#sweep(now); // what has come due since then has not had its turn yet
    });
    // In the first turn it is read, in the second who deferred to the app has looked at what that made of it.
    const inNextTurn = contained(undefined, () => void setImmediate(sweep));
    setImmediate(inNextTurn);
  }

  /** @param until - what is due by this time is told */
  #sweep(until: number): void {
    this.#sweeping = true;
    for (let entry = this.first; entry !== null && entry.dueAt <= until; entry = this.first) {
      this.remove(entry);
      // What fails is one entry: those behind it have their turn all the same.
      try {
        this.onDue(entry);
      } catch (error) {
        tellFailure(undefined, error);
      }
    }
    this.#sweeping = false;
    if (this.first !== null) this.#arm(this.first.dueAt - performance.now());
    else this.onEmpty?.();
  }
}
