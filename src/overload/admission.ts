import { clearTimeout, performance, setImmediate, setTimeout } from "../clock.js";
import { contained, type Witness } from "../containment.js";
import { DeadlineQueue, type Waiting } from "../exchange/deadline-queue.js";
import type { Admitter, Exchange } from "../exchange/exchange.js";
import { HAND_OVER_MS, Newcomers } from "./newcomers.js";
import type { OverloadSettings } from "./overload-options.js";
import { Ticket } from "./ticket.js";

/**
 * How long listeners may run in one turn of the event loop before the rest has to wait for the next, in milliseconds.
 * Node takes one new connection per turn: computing for every request that is ready would leave clients unheard for
 * seconds, and nobody could tell how long they have waited.
 */
const SLICE_MS = 2;

/**
 * The same where other processes have a good part of the processors, as a part of `maxQueuedMs`. A turn takes in a new
 * connection, whose client is one more to be refused, and runs whatever timer is due, with cold caches: fewer turns leave
 * more for answers, as a server without a guard has it.
 */
const LONG_SLICE = 0.4;

/** How much the latest turn counts for the pace. */
const PACE_WEIGHT = 0.2;

/** New connections that may be taken in, one for each turn, before more is computed: many where that takes long. */
const MOST_DEFERRED = { short: 512, else: 32 };

/** Lets a bounded number of exchanges in; the others wait, first come, first served, bounded in number and in time. */
export class Admission implements Admitter {
  readonly #endTurnSoon: () => void;
  readonly #letInNext: () => void;
  readonly #maxInFlight: number;
  readonly #maxQueued: number;
  readonly #maxQueuedMs: number;
  readonly #queue: DeadlineQueue;
  /** Those whose turn has not come in time, and who are to be told so. */
  readonly #overdue: DeadlineQueue;
  #letsInSoon = false;
  /** When the number under way was last at its limit: waiting for that is not waiting for the event loop. */
  #fullAt = 0;
  #turnStartedAt = -1;
  /** When the turns before this one began: what arrives in it may have been there ever since the latter of them. */
  #lastTurnAt = 0;
  #heardAt = 0;
  #settledInTurn = 0;
  /** Milliseconds from one request that leaves the queue to the next, and when the last one left; 0 where none waits. */
  #pace = 0;
  #tookAt = 0;
  #hasConnected = false;
  #deferred = 0;
  /** Runs while the keeper hands over the next connection: there is nothing else to be done. */
  #handOver: NodeJS.Timeout | undefined;
  readonly newcomers: Newcomers;
  /** Other processes have a good part of the processors: what is spent on refusals is missing for answers. */
  isShort = false;
  /** Requests that may be under way while that is so. */
  #window = Number.POSITIVE_INFINITY;
  inFlight = 0;

  /**
   * @param onOverdue - told of an exchange that has waited for `maxQueuedMs`
   * @param witness - told of what fails in the guard itself
   */
  constructor(settings: OverloadSettings, onOverdue: (exchange: Exchange, unseen: boolean) => void, witness: Witness) {
    this.#endTurnSoon = contained(witness, this.#endTurn);
    this.#letInNext = contained(witness, this.#letIn);
    this.newcomers = new Newcomers(settings);
    this.#maxInFlight = settings.maxInFlight === false ? Number.POSITIVE_INFINITY : settings.maxInFlight;
    this.#maxQueued = settings.maxQueued;
    this.#maxQueuedMs = settings.maxQueuedMs;
    const refuse = contained(witness, (ticket) => {
      const { exchange, unseen } = ticket as Ticket;
      onOverdue(exchange, unseen);
    });
    this.#overdue = new DeadlineQueue(settings.maxQueuedMs, refuse);
    // Whoever is refused comes again, on a connection that is free: where refusals are dear they are told late.
    const due = (ticket: Waiting) => (this.isShort ? this.#overdue.add(ticket, performance.now()) : refuse(ticket));
    this.#queue = new DeadlineQueue(settings.maxQueuedMs, contained(witness, due));
  }

  get queued(): number {
    return this.#queue.size;
  }

  /** Requests under way, waiting, or answered since this turn of the event loop began. */
  get busy(): number {
    return this.inFlight + this.#queue.size + this.#settledInTurn;
  }

  get #isBound(): boolean {
    return this.inFlight >= this.#maxInFlight || this.inFlight >= this.#window;
  }

  /** Whether a request that arrives now can be let in at once. */
  hasRoom(now: number): boolean {
    if (this.inFlight >= this.#maxInFlight || this.#queue.size > 0) return false;
    if (this.#maxQueued === 0) return true;
    return now - this.#turnStartedAt <= SLICE_MS && !this.newcomers.areUnheard(now, this.isShort);
  }

  /** Whether there is neither room nor a place in the queue. */
  get isFull(): boolean {
    return this.inFlight + this.#queue.size + this.#overdue.size >= this.#maxInFlight + this.#maxQueued;
  }

  /** A request has arrived. @returns how long it would have to wait for the event loop, in milliseconds */
  arrives(now: number): number {
    if (this.#turnStartedAt < 0) {
      this.#turnStartedAt = now;
      this.newcomers.comes(now, this.#queue.size);
      this.#heardAt = Math.max(this.#lastTurnAt, now - this.#maxQueuedMs * LONG_SLICE);
      this.#lastTurnAt = now;
      // Runs when everything that was ready in this turn has been handled. Unref'd, it makes no turn of its own.
      setImmediate(this.#endTurnSoon).unref();
    }
    if (this.inFlight >= this.#maxInFlight) this.#fullAt = now;
    if (this.newcomers.areBurst(now)) return 0; // the queue has a limit of its own
    const first = this.#queue.first as Ticket | null;
    // With an empty queue it waits for the next turn at most; where nobody waits, this turn is all there is to go by.
    const since = first !== null ? first.exchange.startedAt : this.#maxQueued === 0 ? this.#turnStartedAt : now;
    // The first in line shows how slow the loop was, the pace how slow it will be.
    return Math.max(now - Math.max(since, this.#fullAt), this.#queue.size * this.#pace);
  }

  letIn(exchange: Exchange, now: number): void {
    this.newcomers.letIn(exchange.isFirst, now);
    exchange.admittedBy = this;
    this.inFlight++;
  }

  /**
   * Has an exchange wait for its turn.
   * @param enter - hands it to the app
   * @param unseen - nothing of the app has got hold of the response before
   */
  enqueue(exchange: Exchange, enter: () => void, unseen: boolean): void {
    const ticket = new Ticket(exchange, enter, unseen);
    exchange.admittedBy = ticket;
    this.#queue.add(ticket, this.isShort ? this.#heardAt : performance.now());
    this.#letInSoon();
  }

  left(): void {
    if (this.inFlight >= this.#maxInFlight) this.#fullAt = performance.now();
    this.inFlight--;
    if (this.#turnStartedAt >= 0) this.#settledInTurn++;
    this.#letInSoon();
  }

  /** A client has connected: others may be waiting to, one for each turn of the loop. */
  connected(now: number): void {
    this.#hasConnected = true;
    this.newcomers.comes(now, this.#queue.size);
    if (this.#letsInSoon) this.#deferred++;
    this.newcomers.connected(now);
    if (this.#handOver === undefined || this.#awaitsNext) return;
    clearTimeout(this.#handOver);
    this.#handOver = undefined;
    setImmediate(this.#letInNext);
  }

  /** @param window - requests that may be under way while other processes have a good part of the processors */
  narrow(isShort: boolean, window: number): void {
    this.isShort = isShort;
    this.#window = isShort ? window : Number.POSITIVE_INFINITY;
    this.#letInSoon();
  }

  /** Stops making anybody wait. */
  open(): void {
    for (const queue of [this.#queue, this.#overdue]) {
      for (let ticket = queue.first; ticket !== null; ticket = queue.first) this.#take(ticket as Ticket);
      queue.clear();
    }
  }

  /** Whose turn it is. Where that is nobody, an answer that comes late is better than a refusal. */
  get #next(): Waiting | null {
    return this.#queue.first ?? this.#overdue.last;
  }

  readonly #endTurn = (): void => {
    this.#turnStartedAt = -1;
    this.#settledInTurn = 0;
  };

  /** Not here and now: the one that leaves is still being cleaned up, and a listener may do anything. */
  #letInSoon(): void {
    if (this.#letsInSoon || this.#next === null || this.#isBound) return;
    this.#letsInSoon = true;
    if (!this.#awaitsNext) setImmediate(this.#letInNext);
    else this.#handOver = setTimeout(this.#letInNext, HAND_OVER_MS);
  }

  readonly #letIn = (): void => {
    this.#letsInSoon = false;
    this.#handOver = undefined;
    if (!this.#awaitsNext && !(this.#hasConnected && this.#mayDefer)) {
      this.#deferred = 0;
      this.#takeSome();
    }
    this.#hasConnected = false;
    this.#letInSoon();
  };

  /** Whether the keeper is about to hand over a connection that comes first. */
  get #awaitsNext(): boolean {
    return this.newcomers.isNextDue && this.#mayDefer;
  }

  get #mayDefer(): boolean {
    if (!this.isShort) return this.#deferred < MOST_DEFERRED.else;
    return this.#deferred < MOST_DEFERRED.short && this.newcomers.areUnheard(performance.now(), true);
  }

  #takeSome(): void {
    const startedAt = performance.now();
    const sliceMs = this.isShort ? this.#maxQueuedMs * LONG_SLICE : SLICE_MS;
    let taken = 0;
    for (let next = this.#next; next !== null && !this.#isBound; next = this.#next) {
      this.#take(next as Ticket);
      taken++;
      if (performance.now() - startedAt > sliceMs) break;
    }
    if (this.#queue.size === 0 || this.#isBound) this.#pace = this.#tookAt = 0;
    else {
      if (this.#tookAt > 0) {
        const pace = (startedAt - this.#tookAt) / taken;
        this.#pace = this.#pace === 0 ? pace : this.#pace + (pace - this.#pace) * PACE_WEIGHT;
      }
      this.#tookAt = startedAt;
    }
  }

  #take(ticket: Ticket): void {
    ticket.queue?.remove(ticket);
    const { exchange, enter } = ticket;
    if (exchange.phase.isOver) return;
    this.letIn(exchange, performance.now());
    ticket.runInAsyncScope(enter);
  }
}
