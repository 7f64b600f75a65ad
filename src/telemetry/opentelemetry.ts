import { type Attributes, type Meter, type MeterProvider, metrics, type TracerProvider } from "@opentelemetry/api";
import { RayguardError } from "../errors.js";
import type { Guard } from "../guard.js";
import { observe } from "../report/observation.js";
import { recordMetrics } from "./instruments.js";
import { noteOnSpans } from "./span-notes.js";

export interface InstrumentOptions {
  /** Where the instruments come from. @default the global one of `@opentelemetry/api` */
  meterProvider?: MeterProvider;
  /**
   * Makes a span of each incident that no open span of its request can take, such as a write after the response.
   * @default none, and such incidents are in the metrics only
   */
  tracerProvider?: TracerProvider;
  /** Attributes of every metric of this guard. Guards that share a meter provider need values that differ. */
  attributes?: Attributes;
}

const SCOPE = "rayguard";

/** The guards of a meter, by the attributes that tell them apart. */
const taken = new WeakMap<Meter, Map<string, { readonly guard: Guard; undo(): void }>>();

/**
 * Records the metrics of a guard with OpenTelemetry, and notes on the span of each request what the guard knows of it.
 * Incidents and active requests are read from `guard.stats()`; requests are counted from now on.
 * @returns what ends it
 * @throws {RayguardError} `ERR_RAYGUARD_INVALID_ARGUMENT`
 */
export function instrument(
  guard: Guard,
  { meterProvider = metrics.getMeterProvider(), tracerProvider, attributes = {} }: InstrumentOptions = {},
): () => void {
  const endNotes = observe(guard, noteOnSpans(tracerProvider?.getTracer(SCOPE)));
  const meter = meterProvider.getMeter(SCOPE);
  const guards = taken.get(meter) ?? new Map();
  taken.set(meter, guards);
  const key = JSON.stringify(Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1)));
  const other = guards.get(key);
  // A guard that is closed gives its place to the next: an app may be made anew in the same process.
  if (other?.guard.state === "closed") other.undo();
  else if (other !== undefined) {
    endNotes();
    throw new RayguardError(
      "ERR_RAYGUARD_INVALID_ARGUMENT",
      `A guard with the attributes ${JSON.stringify(attributes)} is instrumented already; give each guard a value of its own, such as attributes: { "rayguard.guard": "api" }.`,
    );
  }
  const recorded = recordMetrics(meter, guard, { ...attributes });
  const endMetrics = observe(guard, recorded);
  const entry = { guard, undo };
  guards.set(key, entry);
  return undo;

  function undo(): void {
    if (guards.get(key) !== entry) return;
    guards.delete(key);
    endNotes();
    endMetrics();
    recorded.end();
  }
}
