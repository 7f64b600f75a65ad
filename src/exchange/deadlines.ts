import { performance } from "../clock.js";
import { contain, type Witness } from "../containment.js";
import { RayguardError } from "../errors.js";
import type { RouteSettings } from "../options/options.js";
import { type Failure, firstByteDeadline, idleDeadline, recipientDeadline } from "../report/incidents.js";
import { DeadlineQueue, type Waiting } from "./deadline-queue.js";
import type { Exchange } from "./exchange.js";

/** A timer that fires later than this was kept from running, in milliseconds: whoever answers now is in time. */
const LATE_MS = 2;

/** How often what may move is looked at, as parts of the deadline: so late at most is it noticed that it has stopped. */
const LOOKS = { request: 20, response: 10, recipient: 10 } as const;

/**
 * What exchanges wait for. A waiting request keeps the process alive through its socket, if it is to be kept alive at all;
 * what the app has written would be with the socket already, so that only `hold` has to see that it gets there.
 */
type Kind = "deadline" | "hold" | "hold on";

/** Ends every exchange of a guard that waits for too long, and commits what has been held back for long enough. */
export class Deadlines {
  /** By kind and length of the wait; there are few, since waits are rounded, and one that empties is forgotten. */
  readonly #queues = new Map<string, DeadlineQueue>();
  /** The queue every request waits in as it arrives, found without a look-up. */
  readonly usual: DeadlineQueue;
  /** Those found last, and the waits they were found for: most exchanges have the same settings. */
  readonly #found: { [K in Kind]?: { readonly ms: number; readonly queue: DeadlineQueue } | undefined } = {};
  readonly #witness: Witness;

  /**
   * @param settings - of the guard; routes may have others
   * @param witness - told of what fails in the guard itself
   */
  constructor(settings: RouteSettings, witness: Witness) {
    this.#witness = witness;
    this.usual = this.#queue("deadline", firstLook(settings));
  }

  /** The deadline of the exchange counts from now. */
  watch(exchange: Exchange): void {
    if (exchange.phase.isSettled) return;
    const now = performance.now();
    exchange.activeAt = now;
    const ms = exchange.phase.isCommitted ? responseLook(exchange) : firstLook(exchange.settings);
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

  /** Nothing has an end to its wait from here on, and what is held goes out: nobody would look at it again. */
  close(): void {
    const waiting = [...this.exchanges()];
    for (const queue of this.#queues.values()) queue.clear();
    for (const exchange of waiting) if (!exchange.phase.isSettled) this.#act(exchange, (held) => held.release());
  }

  /** @param ms - rounded down, so that there are few queues: whoever is looked at early waits for the rest */
  #queue(kind: Kind, ms: number): DeadlineQueue {
    const found = this.#found[kind];
    if (found?.ms === ms) return found.queue;
    const waitMs = roundedDown(ms);
    const key = `${kind} ${waitMs}`;
    let queue = this.#queues.get(key);
    if (queue === undefined) {
      const onEmpty = () => {
        if (queue === this.usual) return;
        this.#queues.delete(key);
        if (this.#found[kind]?.queue === queue) this.#found[kind] = undefined;
      };
      const onDue = kind === "deadline" ? this.#onDue : this.#onHeld;
      queue = new DeadlineQueue(waitMs, onDue, LATE_MS, onEmpty, kind === "hold");
      this.#queues.set(key, queue);
    }
    this.#found[kind] = { ms, queue };
    return queue;
  }

  #wait(exchange: Exchange, ms: number): void {
    if (!exchange.phase.isSettled) this.#queue("deadline", ms).add(exchange, performance.now());
  }

  readonly #onHeld = (entry: Waiting): void => this.#act(entry as Exchange, this.#release);

  readonly #onDue = (entry: Waiting): void => this.#act(entry as Exchange, this.#look);

  /** A failure of the guard's own costs the one exchange, which ends visibly, and none of those behind it in the queue. */
  #act(exchange: Exchange, act: (exchange: Exchange) => void): void {
    if (contain(this.#witness, () => act(exchange)) || exchange.phase.isSettled) return;
    contain(this.#witness, () => exchange.supervisor.mode.abandon(exchange));
  }

  readonly #release = (exchange: Exchange): void => {
    exchange.release();
    if (exchange.phase.isCommitted || exchange.phase.discards) return;
    // Still uncommitted, since the app has it corked or has written no whole header section: the deadline goes on.
    const { firstByteDeadlineMs } = exchange.settings;
    if (firstByteDeadlineMs !== false && lastActive(exchange) + firstByteDeadlineMs <= performance.now())
      this.#look(exchange);
    else this.#queue("hold on", exchange.settings.holdBackMs).add(exchange, performance.now());
  };

  readonly #look = (exchange: Exchange): void => {
    if (exchange.phase.isSettled) return;
    if (!exchange.phase.isCommitted && !exchange.phase.isVoid) this.#lookAtRequest(exchange);
    else if (exchange.phase.isOver || exchange.backlog() > 0) this.#lookAtRecipient(exchange);
    else this.#lookAtResponse(exchange);
  };

  /** Nothing is committed: the app has until the deadline, which counts from the content of the request that came last. */
  #lookAtRequest(exchange: Exchange): void {
    const { isUploading, settings } = exchange;
    if (isUploading || exchange.watched === "request") hasMoved(exchange, "request");
    const ms = settings.firstByteDeadlineMs;
    const left = leftOf(ms, Math.max(lastActive(exchange), exchange.movedAt));
    if (left > 1) this.#wait(exchange, isUploading && ms !== false ? Math.min(left, ms / LOOKS.request) : left);
    else this.#overdue(exchange, firstByteDeadline(settings));
  }

  /** What the app has written is with the system: the app has until the deadline to go on. */
  #lookAtResponse(exchange: Exchange): void {
    const { settings } = exchange;
    // Until it had gone out, the app may have waited for that.
    if (exchange.watched === "response") exchange.movedAt = performance.now();
    exchange.watched = null;
    const left = leftOf(limitOf(exchange), Math.max(lastActive(exchange), exchange.movedAt));
    if (left > 1) {
      this.#wait(exchange, Math.min(left, responseLook(exchange)));
    } else if (exchange.hasHeartbeat) {
      exchange.beat();
      this.watch(exchange);
    } else this.#overdue(exchange, idleDeadline(settings));
  }

  /** What the app has written waits for a recipient that has paused, or is gone without a sign. */
  #lookAtRecipient(exchange: Exchange): void {
    const { settings } = exchange;
    const isFirst = exchange.watched !== "response";
    // Behind a pipelined request that takes longer, or all with the recipient: not its fault.
    const isFaultless = exchange.isQueued || exchange.isSent;
    if (hasMoved(exchange, "response") || isFirst || isFaultless) exchange.movedAt = performance.now();
    // A connection that was cut and does not close has nobody left to wait for.
    const ms = exchange.outcome === "torn down" ? settings.idleDeadlineMs : settings.recipientDeadlineMs;
    const left = leftOf(ms, exchange.movedAt);
    // As often as at the app, whose turn it is once the recipient has taken all of it.
    if (left > 1) this.#wait(exchange, Math.min(left, responseLook(exchange)));
    else exchange.supervisor.mode.giveUp(exchange, recipientDeadline(settings));
  }

  #overdue(exchange: Exchange, failure: Failure): void {
    exchange.abort(new RayguardError("ERR_RAYGUARD_DEADLINE", failure.message));
    // What is replaced or torn down has to leave the process, too; what is only reported has been.
    if (exchange.fail(failure) && !exchange.phase.isSettled) this.watch(exchange);
  }
}

/** When the response moved last, or its request arrived. */
function lastActive({ startedAt, activeAt }: Exchange): number {
  return Math.max(startedAt, activeAt);
}

/** Whether octets have moved since the last look at the same direction; the first look only remembers where they are. */
export function hasMoved(exchange: Exchange, direction: "request" | "response"): boolean {
  const octets = exchange.movement();
  const isFirst = exchange.watched !== direction;
  if (!isFirst && octets === exchange.progress) return false;
  exchange.watched = direction;
  exchange.progress = octets;
  if (!isFirst) exchange.movedAt = performance.now();
  return !isFirst;
}

/** How long an exchange may go on as it is, in milliseconds. */
function limitOf({ hasHeartbeat, settings }: Exchange): number | false {
  return hasHeartbeat ? settings.heartbeatMs : settings.idleDeadlineMs;
}

function leftOf(limit: number | false, since: number): number {
  return limit === false ? Number.POSITIVE_INFINITY : since + limit - performance.now();
}

/** Time to the first look at an exchange: soon enough to see whether content of the request, or the recipient, moves. */
function firstLook({ firstByteDeadlineMs, recipientDeadlineMs }: RouteSettings): number {
  return Math.min(part(firstByteDeadlineMs, LOOKS.request), part(recipientDeadlineMs, LOOKS.recipient));
}

/** Time to the next look at a response under way. */
function responseLook(exchange: Exchange): number {
  const { recipientDeadlineMs } = exchange.settings;
  const limit = limitOf(exchange);
  const own = exchange.hasHeartbeat ? limit || Number.POSITIVE_INFINITY : part(limit, LOOKS.response);
  return Math.min(own, part(recipientDeadlineMs, LOOKS.recipient));
}

function part(limit: number | false, parts: number): number {
  return limit === false ? Number.POSITIVE_INFINITY : limit / parts;
}

/** A wait of at most two significant digits, in milliseconds: there are fewer than a thousand of them. */
function roundedDown(ms: number): number {
  if (ms === Number.POSITIVE_INFINITY) return ms;
  if (ms < 100) return Math.max(1, Math.ceil(ms));
  const step = 10 ** (Math.floor(Math.log10(ms)) - 1);
  return Math.floor(ms / step) * step;
}
