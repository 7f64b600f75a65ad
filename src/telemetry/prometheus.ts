import { RayguardError } from "../errors.js";
import type { Guard } from "../guard.js";
import { observe } from "../report/observation.js";
import { type AnyRegistry, GuardMetrics, type Labels, METRIC_NAMES, OWN_LABELS, type Source } from "./guard-metrics.js";

export { type MetricsListenerOptions, metricsListener, type Scraped } from "./metrics-listener.js";

export interface CollectOptions {
  /** What every name starts with. @default "rayguard_" */
  prefix?: string;
  /** Labels of every value of this guard. Guards that share a registry need values that differ. */
  labels?: Record<string, string>;
}

/** By registry and prefix, since a registry takes each name once. */
const known = new WeakMap<AnyRegistry, Map<string, GuardMetrics>>();

/**
 * Adds the metrics of a guard to a registry of prom-client. Counters and gauges are read from `guard.stats()` at each
 * scrape; the histogram of durations is fed from now on.
 * @returns what takes them out again
 * @throws {RayguardError} `ERR_RAYGUARD_INVALID_ARGUMENT`
 */
export function collectInto(
  registry: AnyRegistry,
  guard: Guard,
  { prefix = "rayguard_", labels = {} }: CollectOptions = {},
): () => void {
  // Validated by subscribing: nothing is in the registry yet if this throws.
  let metrics: GuardMetrics | undefined;
  const source: Source = { labels: { ...labels }, stats: () => guard.stats() };
  const unsubscribe = observe(guard, { onSettled: (exchange) => metrics?.settled(source, exchange) });
  try {
    metrics = metricsFor(registry, prefix, labels);
  } catch (error) {
    unsubscribe();
    throw error;
  }
  metrics.sources.add(source);
  return function undo() {
    unsubscribe();
    if (metrics?.sources.has(source)) metrics.remove(source);
  };
}

function metricsFor(registry: AnyRegistry, prefix: string, labels: Labels): GuardMetrics {
  if (typeof (registry as Partial<AnyRegistry> | null | undefined)?.getSingleMetric !== "function") {
    throw invalid(
      `Takes a Registry of prom-client, such as its "register"; got ${registry === null ? "null" : typeof registry}.`,
    );
  }
  const names = Object.keys(labels).sort();
  for (const name of names) {
    if (OWN_LABELS.has(name)) throw invalid(`The label "${name}" is one of rayguard's own; give it another name.`);
  }
  let ofRegistry = known.get(registry);
  if (ofRegistry === undefined) {
    ofRegistry = new Map();
    known.set(registry, ofRegistry);
  }
  const shared = ofRegistry.get(prefix);
  for (const source of shared?.sources ?? []) {
    // A guard that is closed gives its place to the next: an app may be made anew in the same process.
    if (source.stats().state === "closed" && isSame(source.labels, labels)) shared?.remove(source);
  }
  if (shared?.isRegistered && shared.sources.size > 0) {
    if (String(shared.labelNames) !== String(names)) {
      const expected = shared.labelNames.map((name) => `"${name}"`).join(", ") || "none";
      throw invalid(
        `Guards in one registry need the same labels with different values; the first has ${expected}, this one ${names.map((name) => `"${name}"`).join(", ") || "none"}. Or give it a prefix of its own.`,
      );
    }
    for (const { labels: taken } of shared.sources) {
      if (isSame(taken, labels)) {
        throw invalid(
          `A guard with the labels ${JSON.stringify(labels)} is in this registry already; give each guard a value of its own, such as labels: { guard: "api" }.`,
        );
      }
    }
    return shared;
  }
  for (const name of METRIC_NAMES) {
    if (registry.getSingleMetric(prefix + name) !== undefined) {
      throw invalid(`The registry has a metric "${prefix + name}" already; choose another prefix than "${prefix}".`);
    }
  }
  const metrics = new GuardMetrics(registry, prefix, names);
  ofRegistry.set(prefix, metrics);
  return metrics;
}

function isSame(some: Labels, others: Labels): boolean {
  const names = Object.keys(some);
  return names.length === Object.keys(others).length && names.every((name) => some[name] === others[name]);
}

function invalid(message: string): RayguardError {
  return new RayguardError("ERR_RAYGUARD_INVALID_ARGUMENT", message);
}
