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
  const requests = meter.createCounter("rayguard.requests", {
    description: "Requests that are over, health checks included.",
    unit: "{request}",
    valueType: ValueType.INT,
  });
  const duration = meter.createHistogram("rayguard.request.duration", {
    description: "Time from the end of the request header section until the request was over, health checks excluded.",
    unit: "s",
    advice: { explicitBucketBoundaries: DURATION_BUCKETS_S },
  });
  const incidents = meter.createObservableCounter("rayguard.incidents", {
    description: "Departures from an intact response.",
    unit: "{incident}",
    valueType: ValueType.INT,
  });
  const prevented = meter.createObservableCounter("rayguard.prevented", {
    description: "Errors of the edge that did not happen, by the status it would have shown.",
    unit: "{response}",
    valueType: ValueType.INT,
  });
  const active = meter.createObservableUpDownCounter("rayguard.requests.active", {
    description: "Requests under way.",
    unit: "{request}",
    valueType: ValueType.INT,
  });
  const queued = meter.createObservableUpDownCounter("rayguard.requests.queued", {
    description: "Requests that wait for their turn.",
    unit: "{request}",
    valueType: ValueType.INT,
  });

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
