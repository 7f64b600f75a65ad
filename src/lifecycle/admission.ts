import { AsyncResource } from "node:async_hooks";
import type { Exchange } from "../exchange.js";
import type { OverloadSettings } from "../overload-options.js";
import { DeadlineQueue, type Waiting } from "./deadline.js";

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

/** Lets a bounded number of exchanges in; the others wait, first come, first served, bounded in number and in time. */
export class Admission implements Doorkeeper {
  readonly #maxInFlight: number;
  readonly #maxQueued: number;
  readonly #queue: DeadlineQueue;
  readonly #onLeft: () => void;
  #letsInSoon = false;
  inFlight = 0;

  /**
   * @param onOverdue - told of an exchange that has waited for `maxQueuedMs`
   * @param onLeft - told when one that was let in is over
   */
  constructor(settings: OverloadSettings, onOverdue: (exchange: Exchange) => void, onLeft: () => void) {
    this.#maxInFlight = settings.maxInFlight === false ? Number.POSITIVE_INFINITY : settings.maxInFlight;
    this.#maxQueued = settings.maxQueued;
    this.#queue = new DeadlineQueue(settings.maxQueuedMs, (ticket) => onOverdue((ticket as Ticket).exchange));
    this.#onLeft = onLeft;
  }

  get queued(): number {
    return this.#queue.size;
  }

  /** Whether the next request would be let in at once. */
  get hasRoom(): boolean {
    return this.inFlight < this.#maxInFlight && this.#queue.size === 0;
  }

  /** Whether the next request would find neither room nor a place in the queue. */
  get isFull(): boolean {
    return this.#queue.size >= this.#maxQueued;
  }

  /** Whether the queue would be full, had anybody been made to wait. */
  get wouldBeFull(): boolean {
    return this.inFlight >= this.#maxInFlight + this.#maxQueued;
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
  }

  left(): void {
    this.inFlight--;
    this.#onLeft();
    if (this.#queue.size > 0) this.#letInSoon();
  }

  /** Stops making anybody wait. */
  open(): void {
    for (let ticket = this.#queue.first; ticket !== null; ticket = this.#queue.first) this.#take(ticket as Ticket);
    this.#queue.clear();
  }

  /** Not here and now: the one that leaves is still being cleaned up, and a listener may do anything. */
  #letInSoon(): void {
    if (this.#letsInSoon) return;
    this.#letsInSoon = true;
    setImmediate(() => {
      this.#letsInSoon = false;
      let ticket = this.#queue.first;
      for (; ticket !== null && this.inFlight < this.#maxInFlight; ticket = this.#queue.first)
        this.#take(ticket as Ticket);
    });
  }

  #take(ticket: Ticket): void {
    this.#queue.remove(ticket);
    const { exchange, enter } = ticket;
    if (exchange.inert || exchange.settled) return;
    this.letIn(exchange);
    ticket.runInAsyncScope(enter);
  }
}
