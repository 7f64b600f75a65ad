import type { DeadlineQueue } from "./exchange/deadline-queue.js";
import { Deadlines, hasMoved } from "./exchange/deadlines.js";
import type { Exchange, Supervisor } from "./exchange/exchange.js";
import { ENFORCE, type Mode, REPORT } from "./exchange/mode.js";
import { Fallbacks } from "./fallback/fallbacks.js";
import { ledgerOfKeeper } from "./kept/kept-ledger.js";
import type { Settings } from "./options/options.js";
import { Recorder } from "./recorder/recorder.js";
import { MESSAGES } from "./report/log.js";
import type { Observer } from "./report/observation.js";
import { recorderLines } from "./report/recorder-lines.js";
import { Reporter } from "./report/reporter.js";
import type { Counters } from "./report/stats.js";
import { callerOf } from "./trust/caller.js";

/**
 * What the exchanges of a guard have of it: joins deadlines, log, flight recorder and fallbacks. Deadlines under way keep
 * it, so it leads back to no guard.
 */
export class GuardSupervisor implements Supervisor {
  readonly enforces: boolean;
  readonly mode: Mode;
  readonly closing = new Set<object>();
  isClosed = false;
  readonly reporter: Reporter;
  readonly recorder: Recorder | undefined;
  /** That of the reporter: asked for each response. */
  rendered: Supervisor["rendered"];
  // Handed on as they are: a layer of its own would be a call for each request.
  readonly watch: Supervisor["watch"];
  readonly holdBack: Supervisor["holdBack"];
  readonly report: Supervisor["report"];
  readonly largeHeaderSection: Supervisor["largeHeaderSection"];
  readonly warn: Supervisor["warn"];
  readonly ownFailure: Supervisor["ownFailure"];
  readonly compose: Supervisor["compose"];
  readonly settled: Supervisor["settled"];
  readonly exchanges: Deadlines["exchanges"];
  readonly #deadlines: Deadlines;
  readonly #arrived: DeadlineQueue;
  readonly #counters: Counters;
  /** A certificate can be seen only while the connection is open, and a secret until the app has taken it out of sight. */
  readonly #judgesAtOnce: boolean;

  constructor(readonly settings: Settings) {
    this.enforces = settings.mode === "enforce";
    this.mode = this.enforces ? ENFORCE : REPORT;
    this.#judgesAtOnce = settings.trust.clientCertificate || settings.trust.secret !== null;
    const reporter = new Reporter(settings);
    this.reporter = reporter;
    this.rendered = reporter.rendered;
    this.report = reporter.report.bind(reporter);
    this.largeHeaderSection = reporter.largeHeaderSection.bind(reporter);
    this.warn = reporter.warn.bind(reporter);
    this.ownFailure = reporter.ownFailure.bind(reporter);
    const fallbacks = new Fallbacks((err) => reporter.error({ err }, MESSAGES.errorContent));
    this.compose = fallbacks.compose.bind(fallbacks);
    const deadlines = new Deadlines(settings, reporter);
    this.#deadlines = deadlines;
    this.#arrived = deadlines.usual;
    this.#counters = reporter.counters;
    this.watch = deadlines.watch.bind(deadlines);
    this.exchanges = deadlines.exchanges.bind(deadlines);
    this.holdBack = deadlines.holdBack.bind(deadlines);
    const file = ledgerOfKeeper() ?? settings.recorder;
    this.recorder = file === false ? undefined : new Recorder(file, recorderLines(reporter));
    this.settled = settledWith(reporter, this.recorder);
  }

  /** A request has arrived. @param mayUpload - it may have content, as far as that can be told at no cost */
  opened(exchange: Exchange, mayUpload = false): void {
    this.#counters.inFlight++;
    // What has come with the header section is no sign that more will.
    if (mayUpload) hasMoved(exchange, "request");
    this.#arrived.add(exchange, exchange.startedAt);
    if (this.#judgesAtOnce) void callerOf(exchange);
    this.recorder?.begin(exchange);
  }

  committed(exchange: Exchange): void {
    this.recorder?.answering(exchange);
    this.watch(exchange);
  }

  delivered(exchange: Exchange): void {
    this.recorder?.end(exchange);
  }

  observe(observer: Observer): () => void {
    const { reporter } = this;
    const remove = reporter.observe(observer);
    this.rendered = reporter.rendered;
    return () => {
      remove();
      this.rendered = reporter.rendered;
    };
  }

  close(): void {
    this.isClosed = true;
    this.reporter.close();
    this.recorder?.close();
    this.#deadlines.close();
  }
}

/** The fate of an exchange is known: what is no longer recorded comes first, since the next request may end the process. */
function settledWith(reporter: Reporter, recorder: Recorder | undefined): Supervisor["settled"] {
  if (recorder === undefined) return reporter.settled.bind(reporter);
  return (exchange) => {
    recorder.end(exchange);
    reporter.settled(exchange);
  };
}
