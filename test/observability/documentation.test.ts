import { readFileSync } from "node:fs";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import { Registry } from "prom-client";
import { describe, expect, it } from "vitest";
import { createGuard } from "../../src/index.js";
import { instrument } from "../../src/telemetry/opentelemetry.js";
import { collectInto } from "../../src/telemetry/prometheus.js";

const text = readFileSync(new URL("../../docs/guides/observability.md", import.meta.url), "utf8");

/** Cells of the rows of a table that is marked with `name`. */
function table(name: string): string[][] {
  const marked = text.split(`<!-- ${name}:`)[1]?.split(`<!-- /${name} -->`)[0] ?? "";
  const rows = marked.split("\n").filter((line) => line.startsWith("| `"));
  return rows.map((row) =>
    row
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll("`", "")),
  );
}

describe("docs/guides/observability.md", () => {
  it("has every metric for Prometheus, with its type, labels and help", () => {
    const registry = new Registry();
    collectInto(registry, createGuard({ logger: false }));
    const metrics = registry.getMetricsAsArray() as unknown as {
      name: string;
      type: string;
      labelNames: string[];
      help: string;
    }[];
    const rows = metrics.map(({ name, type, labelNames, help }) => [name, type, labelNames.join(", "), help]);
    expect(table("prometheus")).toEqual(rows);
  });

  it("has every instrument for OpenTelemetry, with its unit", async () => {
    const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
    const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
    const meterProvider = new MeterProvider({ readers: [reader] });
    const units: Record<string, string | undefined> = {};
    const meter = meterProvider.getMeter("rayguard");
    for (const method of [
      "createCounter",
      "createHistogram",
      "createObservableCounter",
      "createObservableUpDownCounter",
    ] as const) {
      const below = meter[method].bind(meter);
      meter[method] = ((name: string, options: { unit?: string }) => {
        units[name] = options.unit;
        return below(name, options);
      }) as never;
    }
    instrument(createGuard({ logger: false }), { meterProvider });
    const documented = Object.fromEntries(table("opentelemetry").map(([name = "", , unit]) => [name, unit]));
    expect(documented).toEqual(units);
    await meterProvider.shutdown();
  });
});
