import { once } from "node:events";
import { createServer, type Server } from "node:http";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import {
  AggregationTemporality,
  type DataPoint,
  type Histogram,
  InMemoryMetricExporter,
  MeterProvider,
  type MetricData,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createGuard, type Guard } from "../../src/index.js";
import { instrument } from "../../src/telemetry/opentelemetry.js";
import { knownMethods } from "../../src/telemetry/request-attributes.js";
import { exchange } from "../../src/testing/index.js";
import { listen } from "../testing/servers.js";
import { drop, ORIGINS } from "./origins.js";

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/** A meter provider that exports on demand. */
function metering() {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const meterProvider = new MeterProvider({ readers: [reader] });
  ends.push(() => meterProvider.shutdown());
  const collect = async (): Promise<MetricData[]> => {
    exporter.reset();
    await reader.forceFlush();
    return exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics));
  };
  /** Values of one metric, by their attributes. */
  const points = async (name: string): Promise<[Record<string, unknown>, number | Histogram][]> => {
    const metric = (await collect()).find(({ descriptor }) => descriptor.name === name);
    const found = (metric?.dataPoints ?? []) as DataPoint<number | Histogram>[];
    return found.map(({ attributes, value }) => [attributes, value]);
  };
  return { meterProvider, collect, points };
}

const settled = (guard: Guard) => vi.waitFor(() => expect(guard.stats().inFlight).toBe(0));

describe.each(Object.entries(ORIGINS))("the instruments of an origin server on %s", (_name, start) => {
  it("tell requests, durations, incidents and what was prevented", async () => {
    const { server, guard, close } = await start();
    ends.push(close);
    const { meterProvider, collect, points } = metering();
    instrument(guard, { meterProvider });
    await exchange(server, [{ path: "/" }, { path: "/health" }]);
    for (let i = 0; i < 2; i++) await exchange(server, { path: "/drop" });
    await settled(guard);

    const units = Object.fromEntries((await collect()).map(({ descriptor: { name, unit } }) => [name, unit]));
    // http.server.request.duration is left to the instrumentation of HTTP.
    expect(units).toEqual({
      "rayguard.requests": "{request}",
      "rayguard.request.duration": "s",
      "rayguard.incidents": "{incident}",
      "rayguard.prevented": "{response}",
      "rayguard.requests.active": "{request}",
      "rayguard.requests.queued": "{request}",
    });
    const intact = { "http.request.method": "GET", "http.response.status_code": 200, "rayguard.outcome": "intact" };
    const replaced = {
      "http.request.method": "GET",
      "http.response.status_code": 500,
      "rayguard.outcome": "replaced",
      "error.type": "MC-2",
    };
    expect(await points("rayguard.requests")).toEqual([
      [intact, 2],
      [replaced, 2],
    ]);
    const durations = (await points("rayguard.request.duration")) as [object, Histogram][];
    expect(durations.map(([attributes, { count }]) => [attributes, count])).toEqual([
      [intact, 1],
      [replaced, 2],
    ]);
    const [sum, boundaries] = [durations[0]?.[1].sum ?? 0, durations[0]?.[1].buckets.boundaries];
    expect(sum).toBeGreaterThan(0);
    expect(sum).toBeLessThan(5); // seconds
    expect(boundaries).toContain(95);
    expect(await points("rayguard.incidents")).toEqual([[{ "rayguard.incident.code": "MC-2" }, 2]]);
    expect(await points("rayguard.prevented")).toEqual([
      [{ "rayguard.incident.code": "MC-2", "rayguard.prevented.status_code": 520 }, 2],
    ]);
    expect(await points("rayguard.requests.active")).toEqual([[{}, 0]]);
  });
});

describe("requests that wait", () => {
  it("are active, and queued", async () => {
    const guard = createGuard({ logger: false, overload: { maxInFlight: 1, maxEventLoopDelayMs: false } });
    const waiting: (() => void)[] = [];
    const origin = createServer((_request, response) => {
      waiting.push(() => response.end("ok"));
    });
    const server = await listen(guard.attach(origin));
    const { meterProvider, points } = metering();
    instrument(guard, { meterProvider });
    const answers = [exchange(server, { path: "/" }), exchange(server, { path: "/" })];
    await vi.waitFor(() => expect(guard.stats().queued).toBe(1));
    expect(await points("rayguard.requests.active")).toEqual([[{}, 2]]);
    expect(await points("rayguard.requests.queued")).toEqual([[{}, 1]]);
    for (const count of [1, 2]) {
      await vi.waitFor(() => expect(waiting).toHaveLength(count));
      waiting[count - 1]?.();
    }
    await Promise.all(answers);
    await settled(guard);
    expect(await points("rayguard.requests.active")).toEqual([[{}, 0]]);
  });
});

describe("requests over HTTP/2", () => {
  it("are counted like all others", async () => {
    const guard = createGuard({ logger: false });
    const origin = http2.createServer((request, response) => {
      if (request.url === "/drop") response.stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
      else response.end("ok");
    });
    const server = await listen(guard.attach(origin) as unknown as Server);
    const { meterProvider, points } = metering();
    instrument(guard, { meterProvider });
    const session = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    for (const path of ["/", "/drop"]) {
      const stream = session.request({ ":path": path }).resume();
      await once(stream, "close");
    }
    session.destroy();
    await settled(guard);
    const requests = await points("rayguard.requests");
    expect(requests.map(([attributes, count]) => [attributes["rayguard.outcome"], count])).toEqual([
      ["intact", 1],
      ["replaced", 1],
    ]);
  });
});

describe("what a client can choose freely", () => {
  it("makes no series of its own", async () => {
    const guard = createGuard({ logger: false });
    const server = await listen(guard.attach(createServer(drop)));
    const { meterProvider, points } = metering();
    instrument(guard, { meterProvider });
    for (const method of ["PROPFIND", "REPORT"]) await exchange(server, { method, path: `/${method}` });
    await exchange(server, "nonsense\r\n\r\n");
    await settled(guard);
    const requests = await points("rayguard.requests");
    expect(requests.map(([attributes, count]) => [attributes["http.request.method"], count])).toEqual([
      ["_OTHER", 2],
      ["_OTHER", 1],
    ]);
    const keys = new Set(requests.flatMap(([attributes]) => Object.keys(attributes)));
    expect([...keys].sort()).toEqual([
      "error.type",
      "http.request.method",
      "http.response.status_code",
      "rayguard.outcome",
    ]);
  });
});

describe("the methods that stand for themselves", () => {
  it.each([
    [undefined, ["GET", "PATCH", "QUERY"], ["get", "PROPFIND"]],
    ["GET, PROPFIND", ["GET", "PROPFIND"], ["PATCH"]],
  ])("with OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS at %s are %s and not %s", (value, known, unknown) => {
    const methods = knownMethods({ OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS: value });
    expect(known.filter((method) => methods.has(method))).toEqual(known);
    expect(unknown.filter((method) => methods.has(method))).toEqual([]);
  });
});

describe("the error type", () => {
  it("is the status where the app itself has answered with a fault, and none for a client that is wrong", async () => {
    const guard = createGuard({ logger: false });
    const origin = createServer((request, response) => {
      response.writeHead(Number(request.url?.slice(1))).end("x");
    });
    const server = await listen(guard.attach(origin));
    const { meterProvider, points } = metering();
    instrument(guard, { meterProvider });
    await exchange(server, [{ path: "/404" }, { path: "/500" }]);
    await settled(guard);
    const requests = await points("rayguard.requests");
    expect(requests.map(([attributes]) => attributes["error.type"])).toEqual([undefined, "500"]);
  });
});

describe("two guards with one meter provider", () => {
  const two = async () => {
    const { meterProvider, points } = metering();
    const guards = [createGuard({ logger: false }), createGuard({ logger: false })] as const;
    const servers = await Promise.all(guards.map((guard) => listen(guard.attach(createServer(drop)))));
    const undo = guards.map((guard, i) =>
      instrument(guard, { meterProvider, attributes: { "rayguard.guard": `${i}` } }),
    );
    await exchange(servers[0] as Server, { path: "/drop" });
    for (let i = 0; i < 2; i++) await exchange(servers[1] as Server, { path: "/" });
    for (const guard of guards) await settled(guard);
    const of = async (name: string) =>
      (await points(name)).map(([attributes, value]) => [attributes["rayguard.guard"], value]);
    return { meterProvider, guards, servers, undo, of };
  };

  it("are told apart by an attribute", async () => {
    const { of } = await two();
    expect(await of("rayguard.requests")).toEqual([
      ["0", 1],
      ["1", 2],
    ]);
    expect(await of("rayguard.incidents")).toEqual([["0", 1]]);
    expect(await of("rayguard.requests.active")).toEqual([
      ["0", 0],
      ["1", 0],
    ]);
  });

  it("are refused where nothing tells them apart", async () => {
    const { meterProvider } = await two();
    const act = () =>
      instrument(createGuard({ logger: false }), { meterProvider, attributes: { "rayguard.guard": "1" } });
    expect(act).toThrow(expect.objectContaining({ code: "ERR_RAYGUARD_INVALID_ARGUMENT" }));
    expect(act).toThrow(/"rayguard.guard":"1"} is instrumented already/);
  });

  it("may follow each other: one that is closed gives its place to the next", async () => {
    const { meterProvider, guards, undo, of } = await two();
    guards[0].close();
    const next = createGuard({ logger: false });
    instrument(next, { meterProvider, attributes: { "rayguard.guard": "0" } });
    undo[0]?.(); // changes nothing
    await exchange(await listen(next.attach(createServer(drop))), { path: "/" });
    await settled(next);
    expect((await of("rayguard.requests")).filter(([name]) => name === "0")).toEqual([
      ["0", 1], // replaced, by the first
      ["0", 1], // intact, by the next
    ]);
    expect(await of("rayguard.requests.active")).toEqual([
      ["1", 0],
      ["0", 0],
    ]);
  });

  it("end one by one: nothing more is recorded of the one that has", async () => {
    const { servers, guards, undo, of, meterProvider } = await two();
    undo[0]?.();
    undo[0]?.(); // once more changes nothing
    for (const server of servers) await exchange(server, { path: "/" });
    for (const guard of guards) await settled(guard);
    expect(await of("rayguard.requests")).toEqual([
      ["0", 1],
      ["1", 3],
    ]);
    expect(await of("rayguard.requests.active")).toEqual([["1", 0]]);
    // and its attributes are free again
    instrument(guards[0], { meterProvider, attributes: { "rayguard.guard": "0" } });
    await exchange(servers[0] as Server, { path: "/drop" });
    await settled(guards[0]);
    expect(await of("rayguard.requests")).toEqual([
      ["0", 2],
      ["1", 3],
    ]);
    expect(await of("rayguard.incidents")).toEqual([["0", 2]]);
  });
});

describe("without an SDK", () => {
  it("nothing is recorded, and every request is answered", async () => {
    const guard = createGuard({ logger: false });
    const server = await listen(guard.attach(createServer(drop)));
    const undo = instrument(guard);
    const { responses } = await exchange(server, { path: "/drop" });
    expect(responses[0]?.status).toBe(500);
    undo();
  });
});
