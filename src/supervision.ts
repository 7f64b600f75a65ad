import { channel } from "node:diagnostics_channel";
import { REQUEST_HEADER_OCTETS } from "./cloudflare/edge.js";
import { RayguardError } from "./errors.js";
import type { Exchange, Supervisor } from "./exchange.js";
import type { FallbackContent } from "./fallback/content.js";
import { composePage, type Page } from "./fallback/page.js";
import { type Action, blockedLoop, type Failure, firstByteDeadline, type Incident, idleDeadline } from "./incidents.js";
import { currentExchange } from "./lifecycle/current-exchange.js";
import { DeadlineQueue, type Waiting } from "./lifecycle/deadline.js";
import type { ClosingServers } from "./lifecycle/quiet-close.js";
import { Recorder } from "./lifecycle/recorder.js";
import type { RecorderSettings } from "./lifecycle/recorder-options.js";
import { defaultLogger, type Logger, MESSAGES } from "./log.js";
import { type Observer, Observers } from "./observation.js";
import type { Settings } from "./options.js";
import { describeIncident, describeKilled, recordOf } from "./records.js";
import { Counters } from "./stats.js";
import { callerOf } from "./trust/caller.js";

/** Names of the `diagnostics_channel` channels; part of the public interface. */
export const CHANNELS = { request: "rayguard:request", incident: "rayguard:incident" } as const;

const requestChannel = channel(CHANNELS.request);
const incidentChannel = channel(CHANNELS.incident);

/** Fallbacks may carry these; the edge replaces the content of 502 and 504, and 52x are its own. */
const GATEWAY: Readonly<Record<number, number>> = { 502: 500, 504: 503 };

/** A sweep that comes later than this was kept from running, in milliseconds. */
const LATE_MS = 50;

/** Watches over every exchange of a guard: deadlines, hold-back, incidents, the log and the counters. */
export class Supervision implements Supervisor {
  readonly settings: Settings;
  readonly enforces: boolean;
  readonly counters = new Counters();
  readonly recorder: Recorder | undefined;
  rendered: Supervisor["rendered"] = undefined;
  /** Undefined while nobody observes, which then costs nothing. */
  #observers: Observers | undefined;
  #lint: Supervisor["rendered"];
  readonly #queues = new Map<string, DeadlineQueue>();
  /** A certificate can be seen only while the connection is open, and a secret until the app has taken it out of sight. */
  readonly #judgesAtOnce: boolean;
  readonly #largeHeaders = new Set<string>();
  #toldRequestHeaders = false;
  /** The queue nearly every request waits in, found without a look-up. */
  readonly #usual: DeadlineQueue;
  readonly closing: ClosingServers = new Set();
  #logger: Logger | null | undefined;

  constructor(settings: Settings) {
    this.settings = settings;
    this.enforces = settings.mode === "enforce";
    this.#judgesAtOnce = settings.trust.clientCertificate || settings.trust.secret !== null;
    const { firstByteDeadlineMs } = settings;
    this.#usual = this.#queue("deadline", firstByteDeadlineMs);
    if (settings.logger !== undefined) this.#logger = settings.logger === false ? null : settings.logger;
    this.recorder = settings.recorder === false ? undefined : this.#record(settings.recorder);
  }

  /** The logger of a framework takes the place of the default one, unless the user named one. */
  useLogger(logger: Logger): void {
    if (this.#logger === undefined) this.#logger = logger;
  }

  get logger(): Logger | null {
    if (this.#logger === undefined) this.#logger = defaultLogger();
    return this.#logger;
  }

  opened(exchange: Exchange): void {
    this.counters.inFlight++;
    exchange.activeAt = exchange.startedAt;
    this.#usual.add(exchange, exchange.startedAt);
    if (this.#judgesAtOnce) void callerOf(exchange);
    this.recorder?.begin(exchange);
  }

  observe(observer: Observer): () => void {
    const observers = this.#observers ?? this.#startObserving();
    const remove = observers.add(observer);
    return () => {
      remove();
      if (observers.size > 0 || this.#observers !== observers) return;
      this.#observers = undefined;
      this.rendered = this.#lint;
    };
  }

  #startObserving(): Observers {
    const observers = new Observers();
    const lint = this.rendered;
    this.rendered = (exchange, section) => {
      lint?.(exchange, section);
      if (currentExchange() === exchange) this.running(exchange);
    };
    this.#lint = lint;
    this.#observers = observers;
    return observers;
  }

  /** The running code belongs to this request. */
  running(exchange: Exchange): void {
    this.#observers?.tell((observer) => observer.onCurrent?.(exchange));
  }

  #record(settings: RecorderSettings): Recorder {
    return new Recorder(settings, {
      found: (remains) => {
        for (const request of remains.requests) this.#publish(describeKilled(remains, request), this.logger);
      },
      refused: (file, why) => this.warn({ file, why }, MESSAGES.recorderForeign),
      failed: (error) => this.warn({ err: error }, MESSAGES.recorderOff),
      full: (slots) => this.warn({ slots }, MESSAGES.recorderFull),
    });
  }

  // -- deadlines ---------------------------------------------------------------------------------------------------

  watch(exchange: Exchange): void {
    if (exchange.settled) return;
    const ms = limitOf(exchange);
    const now = performance.now();
    exchange.activeAt = now;
    this.#queue("deadline", ms).add(exchange, now);
  }

  committed(exchange: Exchange): void {
    this.recorder?.answering(exchange);
    this.watch(exchange);
  }

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
      queue = new DeadlineQueue(ms, (entry) => (kind === "hold" ? this.#onHeld(entry) : this.#onDue(entry)));
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
    if (now - exchange.dueAt > LATE_MS) {
      // The event loop was blocked, and timers run before what has arrived meanwhile is read: look again after that.
      this.#queue("deadline", 1).add(exchange, now);
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

  // -- incidents ---------------------------------------------------------------------------------------------------

  compose(exchange: Exchange, failure: Failure): Page {
    const isOfTheEdge = failure.status >= 520 && failure.status <= 530;
    const status = isOfTheEdge ? 500 : (GATEWAY[failure.status] ?? failure.status);
    const { request } = exchange;
    const ray = exchange.context.ray?.id ?? null;
    const { retryAfterS } = failure;
    let content: FallbackContent | undefined;
    const { errorContent } = this.settings;
    if (errorContent !== undefined && request !== null) {
      try {
        content = errorContent(describeIncident(exchange, { ...failure, status }, "replaced"), request);
      } catch (error) {
        quietly(() => this.logger?.error({ err: error }, "errorContent threw; the built-in content went out"));
      }
    }
    return composePage({
      status,
      ray,
      request,
      lost: exchange.lostFields(),
      headers: failure.headers,
      content,
      retryAfterS,
    });
  }

  /** Warns once for each set of fields: a section that is large once is usually large on every response. */
  largeHeaderSection(octets: number, fields: string): void {
    const names = fields.replace(/ \([0-9]+ octets\)/g, "");
    if (this.#largeHeaders.has(names) || this.#largeHeaders.size > 100) return;
    this.#largeHeaders.add(names);
    const { maxHeaderSectionOctets } = this.settings;
    this.warn({ code: "HF-18", octets, fields, maxHeaderSectionOctets }, MESSAGES.headerSectionLarge);
  }

  /** Warns once: the limit is the same for every request. */
  largeRequestHeaders(maxHeaderSize: number): void {
    if (this.#toldRequestHeaders) return;
    this.#toldRequestHeaders = true;
    this.warn({ maxHeaderSize, edgeOctets: REQUEST_HEADER_OCTETS }, MESSAGES.requestHeadersLarge);
  }

  /** A line about the guard itself. */
  warn(record: object, message: string): void {
    quietly(() => this.logger?.warn(record, message));
  }

  info(record: object, message: string): void {
    quietly(() => this.logger?.info(record, message));
  }

  report(exchange: Exchange, failure: Failure, action: Action): void {
    if (failure.unlogged && !incidentChannel.hasSubscribers && this.#observers?.wantIncidents !== true) {
      exchange.incident ??= failure.code;
      this.counters.incident({ code: failure.code, action, prevented: failure.prevented });
      return;
    }
    const logger = failure.unlogged ? null : (exchange.logger ?? this.logger);
    exchange.incident ??= failure.code;
    this.#publish(describeIncident(exchange, failure, action), logger, exchange);
  }

  /** The event loop was blocked, and is back. @param stack - lines of a stack trace, where it could be read */
  blocked(blockedMs: number, stack: string | null): void {
    this.#publish(blockedLoop(blockedMs, stack, this.settings.edge.readTimeoutMs), this.logger);
  }

  #publish(incident: Incident, logger: Logger | null, exchange?: Exchange): void {
    this.counters.incident(incident);
    if (this.#observers !== undefined) this.#tellIncident(this.#observers, incident, exchange);
    if (incidentChannel.hasSubscribers) incidentChannel.publish(incident);
    if (logger === null) return;
    const { message, err, ...rest } = incident;
    const record = { ...rest, reason: message, ...(err === undefined ? {} : { err }) };
    const { action } = incident;
    const isError = action === "replaced" || action === "torn down" || incident.code === "KILLED";
    quietly(() => (isError ? logger.error(record, MESSAGES.incident) : logger.warn(record, MESSAGES.incident)));
  }

  #tellIncident(observers: Observers, incident: Incident, exchange: Exchange | undefined): void {
    if (exchange !== undefined && currentExchange() === exchange) this.running(exchange);
    observers.tell((observer) => observer.onIncident?.(incident, exchange));
  }

  settled(exchange: Exchange): void {
    exchange.queue?.remove(exchange);
    this.recorder?.end(exchange);
    exchange.doorkeeper?.left(exchange);
    const { counters } = this;
    counters.inFlight--;
    counters.settled(exchange.outcome);
    this.#observers?.tell((observer) => observer.onSettled?.(exchange));
    if (exchange.quiet) return;
    const logger = exchange.logger ?? this.logger;
    if (logger === null && !requestChannel.hasSubscribers) return;
    const record = recordOf(exchange);
    if (requestChannel.hasSubscribers) requestChannel.publish(record);
    if (logger !== null) quietly(() => logger.info(record, MESSAGES.request));
  }

  close(): void {
    this.recorder?.close();
    for (const queue of this.#queues.values()) queue.clear();
  }
}

/** How long an exchange may go on as it is, in milliseconds. */
function limitOf(exchange: Exchange): number | false {
  const { firstByteDeadlineMs, idleDeadlineMs, heartbeatMs } = exchange.settings;
  if (!exchange.committed) return firstByteDeadlineMs;
  return exchange.hasHeartbeat ? heartbeatMs : idleDeadlineMs;
}

/** A logger that fails must not take the response with it. */
function quietly(act: () => void): void {
  try {
    act();
  } catch {
    // there is nobody left to tell
  }
}
