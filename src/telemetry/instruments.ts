import {
  type Attributes,
  type BatchObservableResult,
  type Meter,
  type Observable,
  ValueType,
} from "@opentelemetry/api";
import type { Guard } from "../guard.js";
import type { Observer } from "../report/observation.js";
import { DURATION_BUCKETS_S, secondsOf } from "./durations.js";
import { knownMethods, requestAttributes } from "./request-attributes.js";

/** Records the metrics of a guard. @returns how it observes the guard, and what ends it */
export function recordMetrics(meter: Meter, guard: Guard, own: Attributes): Observer & { end(): void } {
  const counted = (unit: string, description: string) => ({ description, unit, valueType: ValueType.INT });
  const requests = meter.createCounter(
    "rayguard.requests",
    counted("{request}", "Requests that are over, health checks included."),
  );
  const duration = meter.createHistogram("rayguard.request.duration", {
    description: "Time from the end of the request header section until the request was over, health checks excluded.",
    unit: "s",
    advice: { explicitBucketBoundaries: DURATION_BUCKETS_S },
  });
  const incidents = meter.createObservableCounter(
    "rayguard.incidents",
    counted("{incident}", "Departures from an intact response."),
  );
  const prevented = meter.createObservableCounter(
    "rayguard.prevented",
    counted("{response}", "Errors of the edge that did not happen, by the status it would have shown."),
  );
  const active = meter.createObservableUpDownCounter(
    "rayguard.requests.active",
    counted("{request}", "Requests under way."),
  );
  const queued = meter.createObservableUpDownCounter(
    "rayguard.requests.queued",
    counted("{request}", "Requests that wait for their turn."),
  );

  /** What the guard counts anyway is read when it is collected. */
  function read(result: BatchObservableResult): void {
    const stats = guard.stats();
    result.observe(active, stats.inFlight, own);
    result.observe(queued, stats.queued, own);
    for (const [code, count] of Object.entries(stats.incidents)) {
      result.observe(incidents, count, { ...own, "rayguard.incident.code": code });
    }
    for (const [code, counts] of Object.entries(stats.preventedByCode)) {
      for (const [status, count] of Object.entries(counts)) {
        const attributes = { "rayguard.incident.code": code, "rayguard.prevented.status_code": Number(status) };
        result.observe(prevented, count, { ...own, ...attributes });
      }
    }
  }
  const observables: Observable[] = [incidents, prevented, active, queued];
  meter.addBatchObservableCallback(read, observables);

  const methods = knownMethods(process.env);
  return {
    onSettled(exchange) {
      const attributes = { ...own, ...requestAttributes(exchange, methods) };
      requests.add(1, attributes);
      if (!exchange.quiet) duration.record(secondsOf(exchange), attributes);
    },
    end: () => meter.removeBatchObservableCallback(read, observables),
  };
}
