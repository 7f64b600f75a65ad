import { RayguardError } from "../errors.js";
import type { Exchange } from "../exchange.js";
import { firstByteDeadline, idleDeadline } from "../incidents.js";
import { DeadlineQueue, type Waiting } from "./deadline-queue.js";

/** A timer that fires later than this was kept from running, in milliseconds: whoever answers now is in time. */
const LATE_MS = 2;

/** Ends every exchange of a guard that waits for too long, and commits what has been held back for long enough. */
export class Deadlines {
  readonly #queues = new Map<string, DeadlineQueue>();
  /** The queue nearly every request waits in, found without a look-up. */
  readonly #usual: DeadlineQueue;

  /** @param firstByteDeadlineMs - of the guard; routes may have others */
  constructor(firstByteDeadlineMs: number | false) {
    this.#usual = this.#queue("deadline", firstByteDeadlineMs);
  }

  /** A request has arrived. */
  opened(exchange: Exchange): void {
    exchange.activeAt = exchange.startedAt;
    this.#usual.add(exchange, exchange.startedAt);
  }

  /** Something of the exchange has moved: its deadline counts from now. */
  watch(exchange: Exchange): void {
    if (exchange.settled) return;
    const ms = limitOf(exchange);
    const now = performance.now();
    exchange.activeAt = now;
    this.#queue("deadline", ms).add(exchange, now);
  }

  /** Content is held back, for `holdBackMs` at most. */
  holdBack(exchange: Exchange): void {
    this.#queue("hold", exchange.settings.holdBackMs).add(exchange, performance.now());
  }

  /** Every exchange that is under way. */
  *exchanges(): Generator<Exchange> {
    for (const queue of this.#queues.values()) for (const entry of queue) yield entry as Exchange;
  }

  #queue(kind: "deadline" | "hold", wait: number | false): DeadlineQueue {
    const ms = wait === false ? Number.POSITIVE_INFINITY : wait;
    const key = `${kind} ${ms}`;
    let queue = this.#queues.get(key);
    if (queue === undefined) {
      queue = new DeadlineQueue(ms, kind === "hold" ? this.#onHeld : this.#onDue, LATE_MS);
      this.#queues.set(key, queue);
    }
    return queue;
  }

  readonly #onHeld = (entry: Waiting): void => {
    const exchange = entry as Exchange;
    exchange.release();
    if (exchange.committed || exchange.settled || exchange.inert) return;
    // Still uncommitted, since the app has it corked or has written no whole header section: the deadline goes on.
    const { firstByteDeadlineMs } = exchange.settings;
    if (firstByteDeadlineMs !== false && exchange.activeAt + firstByteDeadlineMs <= performance.now())
      this.#onDue(entry);
    else this.holdBack(exchange);
  };

  readonly #onDue = (entry: Waiting): void => {
    const exchange = entry as Exchange;
    if (exchange.settled) return;
    const now = performance.now();
    const moved = exchange.movement();
    const isMoving = moved !== exchange.progress;
    if (isMoving) {
      exchange.progress = moved;
      exchange.movedAt = now;
    }
    if (exchange.isOver() || exchange.inert) {
      // Everything is handed over; all that is left is whether the recipient takes it.
      if (isMoving) this.watch(exchange);
      else exchange.abandon();
      return;
    }
    const { committed, request, settings } = exchange;
    const ms = limitOf(exchange) as number;
    const uploads = !committed && isMoving && request !== null && !request.complete;
    // A recipient that takes nothing stalls the response, however much the app goes on writing.
    const since = uploads ? now : committed && exchange.backlog() > 0 ? exchange.movedAt : exchange.activeAt;
    if (since + ms > now + 1) {
      this.#waitOn(exchange, since);
      return;
    }
    if (exchange.hasHeartbeat) {
      exchange.beat();
      this.watch(exchange);
      return;
    }
    const failure = committed ? idleDeadline(settings) : firstByteDeadline(settings);
    exchange.abort(new RayguardError("ERR_RAYGUARD_DEADLINE", failure.message));
    // What is replaced or torn down has to leave the process, too; what is only reported has been.
    if (exchange.fail(failure) && !exchange.settled) this.watch(exchange);
  };

  /**
   * Waits for what is left of a deadline that counts from `since`. Rests differ from one exchange to the next, so they
   * are rounded up to one of at most a hundred steps, each a queue of equal waits.
   */
  #waitOn(exchange: Exchange, since: number): void {
    const ms = limitOf(exchange);
    if (ms === false) return this.watch(exchange);
    const step = Math.max(10, Math.ceil(ms / 100));
    const left = since + ms - performance.now();
    this.#queue("deadline", Math.max(1, Math.ceil(left / step)) * step).add(exchange, performance.now());
  }

  close(): void {
    for (const queue of this.#queues.values()) queue.clear();
  }
}

/** How long an exchange may go on as it is, in milliseconds. */
function limitOf(exchange: Exchange): number | false {
  const { firstByteDeadlineMs, idleDeadlineMs, heartbeatMs } = exchange.settings;
  if (!exchange.committed) return firstByteDeadlineMs;
  return exchange.hasHeartbeat ? heartbeatMs : idleDeadlineMs;
}
