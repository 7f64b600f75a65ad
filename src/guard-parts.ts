import type { Guard } from "./guard.js";
import { Health } from "./health/health.js";
import { HEALTH_DEFAULTS } from "./health/health-options.js";
import { type GuardOptions, resolveOptions } from "./options/options.js";
import type { Gauges } from "./overload/gauges.js";
import { Overload } from "./overload/overload.js";
import { OVERLOAD_DEFAULTS } from "./overload/overload-options.js";
import { RefusalTally } from "./overload/refusal-tally.js";
import { PassThrough } from "./pass-through.js";
import type { Logger } from "./report/log.js";
import { kObserve, type Observer } from "./report/observation.js";
import type { GuardStats } from "./report/stats.js";
import { settingsUnder, unsupportedRuntime } from "./server/runtime.js";
import { GuardSupervisor } from "./supervisor.js";
import { startWatchdog } from "./watchdog/watchdog.js";

/** What a guard is made of, whatever it is attached to. */
export abstract class GuardParts {
  readonly health: Health;
  readonly supervisor: GuardSupervisor;
  readonly overload: Overload | undefined;
  /** Counts connections that no server had room for. */
  readonly refusals: RefusalTally;
  readonly passThrough: PassThrough | undefined;
  #stopWatchdog: (() => void) | undefined;

  /** @param gauges - what `overload` goes by, where it is not this process */
  constructor(options?: GuardOptions, gauges?: Gauges) {
    const runtime = unsupportedRuntime();
    const settings = settingsUnder(runtime, resolveOptions(options));
    const tell = (record: object, message: string) => this.supervisor.warn(record, message);
    const listener = { warn: tell, ownFailure: (error: unknown) => this.supervisor.ownFailure(error) };
    this.overload =
      settings.overload === false
        ? undefined
        : new Overload(settings.overload, settings.mode === "enforce", listener, gauges);
    this.refusals = new RefusalTally(listener);
    const isServing = () => this.state === "serving";
    this.health = new Health(settings.health, isServing, () => this.overload?.reason, listener);
    this.supervisor = new GuardSupervisor(settings); // last, since it opens the file of the recorder: nothing may throw now
    this.passThrough = runtime === undefined ? undefined : new PassThrough(runtime, this.supervisor, this.health);
  }

  abstract readonly state: Guard["state"];

  get witness(): GuardSupervisor {
    return this.supervisor;
  }

  get enforces(): boolean {
    return this.supervisor.enforces;
  }

  get retryAfterS(): number {
    return (this.supervisor.settings.overload || OVERLOAD_DEFAULTS).retryAfterS;
  }

  stats(): GuardStats {
    const shed = (this.overload?.shed ?? 0) + this.refusals.shed;
    return this.supervisor.reporter.counters.snapshot(this.state, this.overload?.queued, shed);
  }

  [kObserve](observer: Observer): () => void {
    return this.supervisor.observe(observer);
  }

  useLogger(logger: Logger): void {
    this.supervisor.reporter.useLogger(logger);
  }

  /** Starts the watchdog with the first server there is to watch over. */
  watches(): void {
    const { settings } = this.supervisor;
    const { watchdog, edge, logger } = settings;
    if (watchdog === false || this.#stopWatchdog !== undefined) return;
    const { paths } = this.health;
    const tellAfterMs = logger === false ? null : edge.readTimeoutMs;
    const { host, port, thresholdMs } = watchdog;
    const health = { host, port, paths: paths.length > 0 ? paths : [HEALTH_DEFAULTS.path] };
    this.#stopWatchdog = startWatchdog(thresholdMs, tellAfterMs, health, this.supervisor.reporter);
  }

  protected closeParts(): void {
    this.#stopWatchdog?.();
    this.overload?.close();
    this.supervisor.close();
  }
}
