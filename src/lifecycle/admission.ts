import { AsyncResource } from "node:async_hooks";
import type { Exchange } from "../exchange.js";
import { DeadlineQueue, type Waiting } from "./deadline-queue.js";
import type { OverloadSettings } from "./overload-options.js";

/** Who let an exchange in, or has it wait: told when the fate of the exchange is known. */
export interface Doorkeeper {
  left(exchange: Exchange): void;
}

/** A place in the queue. What runs when its turn comes belongs to its own request, not to the one that made room. */
class Ticket extends AsyncResource implements Waiting, Doorkeeper {
  queue: DeadlineQueue | null = null;
  previous: Waiting | null = null;
  next: Waiting | null = null;
  dueAt = 0;
  readonly exchange: Exchange;
  readonly enter: () => void;

  constructor(exchange: Exchange, enter: () => void) {
    super("RAYGUARD_QUEUED");
    this.exchange = exchange;
    this.enter = enter;
  }

  /** The client has gone, or a deadline has passed, before its turn came. */
  left(): void {
    this.queue?.remove(this);
  }
}

/**
 * How long listeners may run in one turn of the event loop before the rest has to wait for the next, in milliseconds.
 * Node takes one new connection per turn: computing for every request that is ready would leave clients unheard for
 * seconds, and nobody could tell how long they have waited.
 */
const SLICE_MS = 2;

/** How much the latest turn counts for the pace. */
const PACE_WEIGHT = 0.2;

/** Turns in a row that may be spent on nothing but new connections. */
const MOST_GREETINGS = 32;

/** Lets a bounded number of exchanges in; the others wait, first come, first served, bounded in number and in time. */
export class Admission implements Doorkeeper {
  readonly #maxInFlight: number;
  readonly #maxQueued: number;
  readonly #queue: DeadlineQueue;
  #letsInSoon = false;
  /** When the number under way was last at its limit: waiting for that is not waiting for the event loop. */
  #fullAt = 0;
  #turnStartedAt = -1;
  #settledInTurn = 0;
  /** Milliseconds from one request that leaves the queue to the next, and when the last one left; 0 where none waits. */
  #pace = 0;
  #tookAt = 0;
  #greets = false;
  #greetings = 0;
  inFlight = 0;

  /** @param onOverdue - told of an exchange that has waited for `maxQueuedMs` */
  constructor(settings: OverloadSettings, onOverdue: (exchange: Exchange) => void) {
    this.#maxInFlight = settings.maxInFlight === false ? Number.POSITIVE_INFINITY : settings.maxInFlight;
    this.#maxQueued = settings.maxQueued;
    this.#queue = new DeadlineQueue(settings.maxQueuedMs, (ticket) => onOverdue((ticket as Ticket).exchange));
  }

  get queued(): number {
    return this.#queue.size;
  }

  /** Requests under way, waiting, or answered since this turn of the event loop began. */
  get busy(): number {
    return this.inFlight + this.#queue.size + this.#settledInTurn;
  }

  /** Whether a request that arrives now can be let in at once. */
  hasRoom(now: number): boolean {
    if (this.inFlight >= this.#maxInFlight || this.#queue.size > 0) return false;
    return this.#maxQueued === 0 || now - this.#turnStartedAt <= SLICE_MS;
  }

  /** Whether there is neither room nor a place in the queue. */
  get isFull(): boolean {
    return this.inFlight + this.#queue.size >= this.#maxInFlight + this.#maxQueued;
  }

  /** A request has arrived. @returns how long it would have to wait for the event loop, in milliseconds */
  arrives(now: number): number {
    if (this.#turnStartedAt < 0) {
      this.#turnStartedAt = now;
      // Runs when everything that was ready in this turn has been handled. Unref'd, it makes no turn of its own.
      setImmediate(this.#endTurn).unref();
    }
    if (this.inFlight >= this.#maxInFlight) this.#fullAt = now;
    const first = this.#queue.first as Ticket | null;
    // With an empty queue it waits for the next turn at most; where nobody waits, this turn is all there is to go by.
    const since = first !== null ? first.exchange.startedAt : this.#maxQueued === 0 ? this.#turnStartedAt : now;
    // The first in line shows how slow the loop was, the pace how slow it will be.
    return Math.max(now - Math.max(since, this.#fullAt), this.#queue.size * this.#pace);
  }

  letIn(exchange: Exchange): void {
    exchange.doorkeeper = this;
    this.inFlight++;
  }

  /** Has an exchange wait for its turn. @param enter - hands it to the app */
  enqueue(exchange: Exchange, enter: () => void): void {
    const ticket = new Ticket(exchange, enter);
    exchange.doorkeeper = ticket;
    this.#queue.add(ticket, performance.now());
    this.#letInSoon();
  }

  left(): void {
    if (this.inFlight >= this.#maxInFlight) this.#fullAt = performance.now();
    this.inFlight--;
    if (this.#turnStartedAt >= 0) this.#settledInTurn++;
    this.#letInSoon();
  }

  /** A client has connected: others may be waiting to, one for each turn of the loop. */
  greet(): void {
    this.#greets = true;
  }

  /** Stops making anybody wait. */
  open(): void {
    for (let ticket = this.#queue.first; ticket !== null; ticket = this.#queue.first) this.#take(ticket as Ticket);
    this.#queue.clear();
  }

  readonly #endTurn = (): void => {
    this.#turnStartedAt = -1;
    this.#settledInTurn = 0;
  };

  /** Not here and now: the one that leaves is still being cleaned up, and a listener may do anything. */
  #letInSoon(): void {
    if (this.#letsInSoon || this.#queue.size === 0 || this.inFlight >= this.#maxInFlight) return;
    this.#letsInSoon = true;
    setImmediate(this.#letIn);
  }

  readonly #letIn = (): void => {
    this.#letsInSoon = false;
    if (this.#greets && this.#greetings < MOST_GREETINGS) {
      this.#greetings++;
    } else {
      this.#greetings = 0;
      this.#takeSome();
    }
    this.#greets = false;
    this.#letInSoon();
  };

  #takeSome(): void {
    const startedAt = performance.now();
    let taken = 0;
    while (this.#queue.first !== null && this.inFlight < this.#maxInFlight) {
      this.#take(this.#queue.first as Ticket);
      taken++;
      if (performance.now() - startedAt > SLICE_MS) break;
    }
    const isBound = this.inFlight >= this.#maxInFlight;
    if (this.#queue.size === 0 || isBound) this.#pace = this.#tookAt = 0;
    else {
      if (this.#tookAt > 0) {
        const pace = (startedAt - this.#tookAt) / taken;
        this.#pace = this.#pace === 0 ? pace : this.#pace + (pace - this.#pace) * PACE_WEIGHT;
      }
      this.#tookAt = startedAt;
    }
  }

  #take(ticket: Ticket): void {
    this.#queue.remove(ticket);
    const { exchange, enter } = ticket;
    if (exchange.inert || exchange.settled) return;
    this.letIn(exchange);
    ticket.runInAsyncScope(enter);
  }
}
