import {
  Counter,
  Gauge,
  Histogram,
  type OpenMetricsContentType,
  type PrometheusContentType,
  type Registry,
} from "prom-client";
import type { Exchange } from "../exchange/exchange.js";
import type { GuardStats } from "../report/stats.js";
import { DURATION_BUCKETS_S, secondsOf } from "./durations.js";

export type AnyRegistry = Registry<PrometheusContentType> | Registry<OpenMetricsContentType>;
export type Labels = Readonly<Record<string, string>>;

/** A guard in a registry, and the labels that tell it from the others there. */
export interface Source {
  readonly labels: Labels;
  stats(): GuardStats;
}

type Add = (labels: Labels, value: number) => void;

/** What is read from `guard.stats()`: name, kind, help, own labels, and where the values come from. */
const READINGS: readonly {
  readonly name: string;
  readonly Metric: typeof Counter | typeof Gauge;
  readonly help: string;
  readonly own: readonly string[];
  readonly read: (stats: GuardStats, add: Add) => void;
}[] = [
  {
    name: "requests_total",
    Metric: Counter,
    help: "Requests that are over, health checks included.",
    own: ["outcome"],
    read({ outcomes }, add) {
      for (const [outcome, count] of Object.entries(outcomes)) add({ outcome }, count);
    },
  },
  {
    name: "incidents_total",
    Metric: Counter,
    help: "Departures from an intact response.",
    own: ["code"],
    read({ incidents }, add) {
      for (const [code, count] of Object.entries(incidents)) add({ code }, count);
    },
  },
  {
    name: "prevented_total",
    Metric: Counter,
    help: "Errors of the edge that did not happen, by the status it would have shown.",
    own: ["code", "status"],
    read({ preventedByCode }, add) {
      for (const [code, counts] of Object.entries(preventedByCode)) {
        for (const [status, count] of Object.entries(counts)) add({ code, status }, count);
      }
    },
  },
  {
    name: "shed_requests_total",
    Metric: Counter,
    help: "Requests refused because of overload; in report mode those that would have been.",
    own: [],
    read: ({ shed }, add) => add({}, shed),
  },
  {
    name: "in_flight_requests",
    Metric: Gauge,
    help: "Requests under way.",
    own: [],
    read: ({ inFlight }, add) => add({}, inFlight),
  },
  {
    name: "queued_requests",
    Metric: Gauge,
    help: "Requests that wait for their turn.",
    own: [],
    read: ({ queued }, add) => add({}, queued),
  },
  {
    name: "state",
    Metric: Gauge,
    help: "1 for the state the guard is in, 0 for the others.",
    own: ["state"],
    read(stats, add) {
      for (const state of ["serving", "draining", "closed"]) add({ state }, stats.state === state ? 1 : 0);
    },
  },
];

const DURATION = { name: "request_duration_seconds", own: ["outcome"] } as const;

/** Labels of our own, which a guard cannot be told apart by; `le` is what a bucket has. */
export const OWN_LABELS: ReadonlySet<string> = new Set([...READINGS.flatMap(({ own }) => own), "le"]);

/** Names without prefix. */
export const METRIC_NAMES: readonly string[] = [...READINGS.map(({ name }) => name), DURATION.name];

/** The metrics of every guard that shares a registry and a prefix. */
export class GuardMetrics {
  readonly sources = new Set<Source>();
  readonly #durations: Histogram;

  constructor(
    private readonly registry: AnyRegistry,
    private readonly prefix: string /** Names of the labels that tell the guards apart. */,
    readonly labelNames: readonly string[],
  ) {
    const registers = [registry];
    const { sources } = this;
    for (const { name, Metric, help, own, read } of READINGS) {
      new Metric({
        name: prefix + name,
        help,
        labelNames: [...labelNames, ...own],
        registers,
        collect(this: Counter | Gauge) {
          // What is counted elsewhere is read anew for each scrape.
          this.reset();
          for (const source of sources) {
            read(source.stats(), (labels, value) => this.inc({ ...source.labels, ...labels }, value));
          }
        },
      });
    }
    this.#durations = new Histogram({
      name: prefix + DURATION.name,
      help: "Time from the end of the request header section until the request was over, health checks excluded.",
      labelNames: [...labelNames, ...DURATION.own],
      buckets: DURATION_BUCKETS_S,
      registers,
    });
  }

  /** Whether the registry still has them: it may have been cleared. */
  get isRegistered(): boolean {
    const known: unknown = this.registry.getSingleMetric(this.prefix + DURATION.name);
    return known === this.#durations;
  }

  settled(source: Source, exchange: Exchange): void {
    if (exchange.quiet || !this.sources.has(source)) return;
    this.#durations.observe({ ...source.labels, outcome: exchange.outcome }, secondsOf(exchange));
  }

  remove(source: Source): void {
    this.sources.delete(source);
    for (const outcome of Object.keys(source.stats().outcomes)) {
      this.#durations.remove({ ...source.labels, outcome });
    }
    if (this.sources.size > 0 || !this.isRegistered) return;
    for (const name of METRIC_NAMES) this.registry.removeSingleMetric(this.prefix + name);
  }
}
