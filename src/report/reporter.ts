import { channel } from "node:diagnostics_channel";
import { REQUEST_HEADER_OCTETS } from "../cloudflare/edge.js";
import { ToldFailures, tellFailure, type Witness } from "../containment.js";
import { currentExchange } from "../exchange/current-exchange.js";
import type { Exchange, Supervisor } from "../exchange/exchange.js";
import type { Settings } from "../options/options.js";
import type { Remains } from "../recorder/recorder-search.js";
import { isHarmless } from "../validity/edge-effects.js";
import { type Action, blockedLoop, type Failure, guardFault, type Incident } from "./incidents.js";
import { flushLines } from "./line-batch.js";
import { LintReporter } from "./lint-reporter.js";
import { defaultLogger, isMute, type Logger, MESSAGES } from "./log.js";
import { loggableRecord } from "./loggable.js";
import { Noise } from "./noise.js";
import { type Observer, Observers } from "./observation.js";
import { describeIncident, describeKilled, recordOf } from "./records.js";
import { writeRequestLine } from "./request-line.js";
import { Counters } from "./stats.js";
import { ToldOnce } from "./told-once.js";

/** Names of the `diagnostics_channel` channels; part of the public interface. */
export const CHANNELS = { request: "rayguard:request", incident: "rayguard:incident" } as const;

const requestChannel = channel(CHANNELS.request);
const incidentChannel = channel(CHANNELS.incident);

/** Codes of errors that replace nothing, and tear nothing down. */
const GRAVE: ReadonlySet<string> = new Set(["KILLED", "GUARD_FAULT"]);

/** Tells what becomes of the exchanges of a guard, and of the guard itself: the counters, the log, channels and observers. */
export class Reporter implements Witness {
  readonly counters = new Counters();
  /** Told of every finished header section, where anybody wants to know. */
  rendered: Supervisor["rendered"] = undefined;
  /** Undefined while nobody observes, which then costs nothing. */
  observers: Observers | undefined;
  #lint: Supervisor["rendered"];
  readonly #largeHeaders = new Set<string>();
  #toldRequestHeaders = false;
  readonly #told = new ToldFailures();
  readonly #toldRepairs = new ToldOnce();
  readonly #noise = new Noise((left) => this.warn({ code: "CLIENT_ERROR", ...left }, MESSAGES.clientErrors));
  #logger: Logger | null | undefined;

  constructor(private readonly settings: Settings) {
    if (settings.logger !== undefined) this.#logger = settings.logger === false ? null : settings.logger;
    if (settings.lint) this.rendered = new LintReporter(this).look;
  }

  /** The logger of a framework takes the place of the default one, unless the user named one. */
  useLogger(logger: Logger): void {
    if (this.#logger === undefined) this.#logger = logger;
  }

  get logger(): Logger | null {
    if (this.#logger === undefined) this.#logger = defaultLogger();
    return this.#logger;
  }

  observe(observer: Observer): () => void {
    const observers = this.observers ?? this.#startObserving();
    const remove = observers.add(observer);
    return () => {
      remove();
      if (observers.size > 0 || this.observers !== observers) return;
      this.observers = undefined;
      this.rendered = this.#lint;
    };
  }

  #startObserving(): Observers {
    const observers = new Observers((err) => {
      if (this.#told.isNew(err)) this.warn({ err }, MESSAGES.observerFailed);
    });
    const lint = this.rendered;
    this.rendered = (exchange, section) => {
      lint?.(exchange, section);
      if (currentExchange() === exchange) this.running(exchange);
    };
    this.#lint = lint;
    this.observers = observers;
    return observers;
  }

  /** The running code belongs to this request. */
  running(exchange: Exchange): void {
    this.observers?.tell((observer) => observer.onCurrent?.(exchange));
  }

  /** Whether an incident that is not about a request of this process reaches anybody. */
  isHeard(): boolean {
    const { logger } = this;
    if (logger !== null && !isMute(logger)) return true;
    return incidentChannel.hasSubscribers || this.observers?.wantIncidents === true;
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
    quietly(() => this.logger?.warn(loggableRecord(record), message));
  }

  info(record: object, message: string): void {
    quietly(() => this.logger?.info(loggableRecord(record), message));
  }

  error(record: object, message: string): void {
    quietly(() => this.logger?.error(loggableRecord(record), message));
  }

  /** Tells an incident. */
  report(exchange: Exchange, failure: Failure, action: Action): void {
    if (failure.unlogged && !incidentChannel.hasSubscribers && this.observers?.wantIncidents !== true) {
      exchange.incident ??= failure.code;
      this.counters.incident({ code: failure.code, action, prevented: failure.prevented });
      return;
    }
    const isLeftOut = failure.unlogged || (failure.code === "CLIENT_ERROR" && this.#isNoise(exchange));
    const logger = isLeftOut ? null : (exchange.logger ?? this.logger);
    exchange.incident ??= failure.code;
    this.#publish(describeIncident(exchange, failure, action), logger, exchange);
  }

  /** Requests have died with another process. */
  killed(remains: Remains): void {
    for (const request of remains.requests) this.#publish(describeKilled(remains, request), this.logger);
  }

  /** The event loop was blocked, and is back. @param stack - lines of a stack trace, where it could be read */
  blocked(blockedMs: number, stack: string | null): void {
    this.#publish(blockedLoop(blockedMs, stack, this.settings.edge.readTimeoutMs), this.logger);
  }

  /** Something of the guard's own has failed and was contained: counted each time, told the first. */
  ownFailure(error: unknown): void {
    const incident = guardFault(error);
    if (this.#told.isNew(error)) this.#publish(incident, this.logger);
    else this.counters.incident(incident);
  }

  #publish(incident: Incident, logger: Logger | null, exchange?: Exchange): void {
    this.counters.incident(incident);
    if (this.observers !== undefined) this.#tellIncident(this.observers, incident, exchange);
    if (incidentChannel.hasSubscribers) incidentChannel.publish(incident);
    if (logger === null) return;
    const { message, err, ...rest } = incident;
    const { code, action } = incident;
    // Nobody is to be called about a repair of what no edge minds: an app that makes one does it on every response.
    const isMinor = (action === "repaired" || action === "reported") && isHarmless(code);
    if (isMinor && !this.#toldRepairs.isNew(code, exchange?.request ?? null)) return;
    const isError = action === "replaced" || action === "torn down" || GRAVE.has(code);
    const level = isError ? "error" : isMinor && action === "repaired" ? "info" : "warn";
    const record = { ...rest, reason: message, ...(err === undefined ? {} : { err }) };
    flushLines();
    quietly(() => logger[level](loggableRecord(record), MESSAGES.incident));
  }

  /** Whether a peer has sent so much that cannot be parsed that this is not told, but counted. */
  #isNoise(exchange: Exchange): boolean {
    exchange.isNoise ??= !this.#noise.admits(exchange.peer.address);
    return exchange.isNoise;
  }

  #tellIncident(observers: Observers, incident: Incident, exchange: Exchange | undefined): void {
    if (exchange !== undefined && currentExchange() === exchange) this.running(exchange);
    observers.tell((observer) => observer.onIncident?.(incident, exchange));
  }

  /** The fate of an exchange is known: it is counted, and has its line. */
  settled(exchange: Exchange): void {
    const { counters } = this;
    counters.inFlight--;
    counters.requests++;
    counters.outcomes[exchange.outcome]++;
    this.observers?.tell((observer) => observer.onSettled?.(exchange));
    if (exchange.quiet) return;
    // The getter is for whom it is not decided yet: each request comes here.
    const logger = exchange.logger ?? (this.#logger === undefined ? this.logger : this.#logger);
    if (logger === null && !requestChannel.hasSubscribers) return;
    const record = recordOf(exchange);
    const { hasSubscribers } = requestChannel;
    if (hasSubscribers) requestChannel.publish(record);
    if (logger === null || (exchange.request === null && this.#isNoise(exchange))) return;
    try {
      writeRequestLine(logger, record, this.settings.logBatchMs, !hasSubscribers);
    } catch (error) {
      tellOfLogger(error);
    }
  }

  close(): void {
    this.#noise.flush();
    flushLines();
  }
}

const toldOfLoggers = new ToldFailures();

/** A logger that fails must not take the response with it. */
function quietly(act: () => void): void {
  try {
    act();
  } catch (error) {
    tellOfLogger(error);
  }
}

function tellOfLogger(error: unknown): void {
  if (toldOfLoggers.isNew(error)) tellFailure(undefined, error);
}
