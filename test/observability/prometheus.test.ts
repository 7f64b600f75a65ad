import { once } from "node:events";
import { createServer, type Server } from "node:http";
import express from "express";
import { Counter, Registry } from "prom-client";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createGuard, type Guard } from "../../src/index.js";
import { collectInto, metricsListener } from "../../src/telemetry/prometheus.js";
import { exchange } from "../../src/testing/index.js";
import { listen } from "../testing/servers.js";
import { parseExposition, sampleOf } from "./exposition.js";
import { drop, ORIGINS } from "./origins.js";

const paths = [{ path: "/" }, { path: "/health" }];

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

describe.each(Object.entries(ORIGINS))("the metrics of an origin server on %s", (_name, start) => {
  it("are those of guard.stats() at the time of the scrape", async () => {
    const { server, guard, close } = await start();
    ends.push(close);
    const registry = new Registry();
    collectInto(registry, guard);
    await exchange(server, paths);
    for (let i = 0; i < 3; i++) await exchange(server, { path: "/drop" });
    await vi.waitFor(() => expect(guard.stats().inFlight).toBe(0));

    const text = await registry.metrics();
    expect(parseExposition(text).types).toEqual({
      rayguard_requests_total: "counter",
      rayguard_incidents_total: "counter",
      rayguard_prevented_total: "counter",
      rayguard_shed_requests_total: "counter",
      rayguard_in_flight_requests: "gauge",
      rayguard_queued_requests: "gauge",
      rayguard_state: "gauge",
      rayguard_request_duration_seconds: "histogram",
    });
    expect(sampleOf(text, "rayguard_requests_total", { outcome: "intact" })).toBe(2);
    expect(sampleOf(text, "rayguard_requests_total", { outcome: "replaced" })).toBe(3);
    expect(sampleOf(text, "rayguard_requests_total", { outcome: "torn down" })).toBe(0);
    expect(sampleOf(text, "rayguard_incidents_total", { code: "MC-2" })).toBe(3);
    expect(sampleOf(text, "rayguard_prevented_total", { code: "MC-2", status: "520" })).toBe(3);
    expect(sampleOf(text, "rayguard_state", { state: "serving" })).toBe(1);
    expect(sampleOf(text, "rayguard_state", { state: "draining" })).toBe(0);
    expect(sampleOf(text, "rayguard_shed_requests_total")).toBe(0);
    expect(sampleOf(text, "rayguard_queued_requests")).toBe(0);
    // The health check would only make the app look faster than it is.
    expect(sampleOf(text, "rayguard_request_duration_seconds_count", { outcome: "intact" })).toBe(1);
    expect(sampleOf(text, "rayguard_request_duration_seconds_count", { outcome: "replaced" })).toBe(3);
    expect(sampleOf(text, "rayguard_request_duration_seconds_sum", { outcome: "replaced" })).toBeGreaterThan(0);
    expect(sampleOf(text, "rayguard_request_duration_seconds_bucket", { outcome: "intact", le: "+Inf" })).toBe(1);

    // Read anew: nothing is added up from one scrape to the next.
    expect(await registry.metrics()).toBe(text);
  });
});

describe("a request that waits", () => {
  it("is in flight, or queued, and its duration is observed when its fate is known", async () => {
    const guard = createGuard({ logger: false, overload: { maxInFlight: 1, maxEventLoopDelayMs: false } });
    const waiting: (() => void)[] = [];
    const server = await listen(
      guard.attach(
        createServer((_request, response) => {
          waiting.push(() => response.end("ok"));
        }),
      ),
    );
    const registry = new Registry();
    collectInto(registry, guard);
    const answers = [exchange(server, { path: "/" }), exchange(server, { path: "/" })];
    await vi.waitFor(() => expect(guard.stats().queued).toBe(1));
    const text = await registry.metrics();
    expect(sampleOf(text, "rayguard_in_flight_requests")).toBe(2);
    expect(sampleOf(text, "rayguard_queued_requests")).toBe(1);
    expect(sampleOf(text, "rayguard_request_duration_seconds_count", { outcome: "intact" })).toBeUndefined();
    for (const count of [1, 2]) {
      await vi.waitFor(() => expect(waiting).toHaveLength(count));
      waiting[count - 1]?.();
    }
    await Promise.all(answers);
    await vi.waitFor(async () => expect(sampleOf(await registry.metrics(), "rayguard_in_flight_requests")).toBe(0));
    const after = await registry.metrics();
    expect(sampleOf(after, "rayguard_request_duration_seconds_count", { outcome: "intact" })).toBe(2);
  });
});

describe("two guards in one registry", () => {
  const two = async () => {
    const registry = new Registry();
    const guards = [createGuard({ logger: false }), createGuard({ logger: false })] as const;
    const servers = await Promise.all(guards.map((guard) => listen(guard.attach(createServer(drop)))));
    const undo = guards.map((guard, i) => collectInto(registry, guard, { labels: { guard: `${i}` } }));
    await exchange(servers[0] as Server, { path: "/drop" });
    for (let i = 0; i < 2; i++) await exchange(servers[1] as Server, { path: "/" });
    return { registry, guards, servers, undo };
  };

  it("are told apart by a label", async () => {
    const { registry } = await two();
    const text = await registry.metrics();
    const of = (name: string, labels: Record<string, string>) => sampleOf(text, `rayguard_${name}`, labels);
    expect(of("requests_total", { guard: "0", outcome: "replaced" })).toBe(1);
    expect(of("requests_total", { guard: "0", outcome: "intact" })).toBe(0);
    expect(of("requests_total", { guard: "1", outcome: "replaced" })).toBe(0);
    expect(of("requests_total", { guard: "1", outcome: "intact" })).toBe(2);
    expect(of("incidents_total", { guard: "0", code: "MC-2" })).toBe(1);
    expect(of("incidents_total", { guard: "1", code: "MC-2" })).toBeUndefined();
    expect(of("request_duration_seconds_count", { guard: "0", outcome: "replaced" })).toBe(1);
    expect(of("request_duration_seconds_count", { guard: "0", outcome: "intact" })).toBeUndefined();
    expect(of("request_duration_seconds_count", { guard: "1", outcome: "intact" })).toBe(2);
  });

  it("go one by one, and the last one leaves nothing", async () => {
    const { registry, undo, servers } = await two();
    undo[0]?.();
    undo[0]?.(); // once more changes nothing
    const text = await registry.metrics();
    expect(parseExposition(text).samples.filter(({ labels }) => labels.guard === "0")).toEqual([]);
    expect(sampleOf(text, "rayguard_requests_total", { guard: "1", outcome: "intact" })).toBe(2);
    undo[1]?.();
    expect(registry.getMetricsAsArray()).toEqual([]);
    for (const server of servers) await exchange(server, { path: "/" });
    expect(registry.getMetricsAsArray()).toEqual([]);
  });

  it.each([
    ["the same labels", { guard: "0" }, /is in this registry already/],
    ["other labels", { name: "b" }, /same labels with different values; the first has "guard", this one "name"/],
    ["a label of rayguard's own", { outcome: "b" }, /"outcome" is one of rayguard's own/],
  ])("are refused with %s, and the registry stays as it was", async (_what, labels, message) => {
    const { registry } = await two();
    const before = registry.getMetricsAsArray();
    const act = () => collectInto(registry, createGuard({ logger: false }), { labels });
    expect(act).toThrow(expect.objectContaining({ code: "ERR_RAYGUARD_INVALID_ARGUMENT" }));
    expect(act).toThrow(message);
    expect(registry.getMetricsAsArray()).toEqual(before);
  });

  it("may follow each other: one that is closed gives its place to the next", async () => {
    const { registry, guards, servers, undo } = await two();
    guards[0].close();
    collectInto(registry, createGuard({ logger: false }), { labels: { guard: "0" } });
    await exchange(servers[0] as Server, { path: "/" }); // not observed any more
    undo[0]?.();
    const text = await registry.metrics();
    expect(sampleOf(text, "rayguard_state", { guard: "0", state: "serving" })).toBe(1);
    expect(sampleOf(text, "rayguard_requests_total", { guard: "0", outcome: "replaced" })).toBe(0);
    expect(
      sampleOf(text, "rayguard_request_duration_seconds_count", { guard: "0", outcome: "replaced" }),
    ).toBeUndefined();
    expect(sampleOf(text, "rayguard_requests_total", { guard: "1", outcome: "intact" })).toBe(2);
  });

  it("may have prefixes of their own", async () => {
    const registry = new Registry();
    for (const prefix of ["a_", "b_"]) collectInto(registry, createGuard({ logger: false }), { prefix });
    const text = await registry.metrics();
    expect(sampleOf(text, "a_in_flight_requests")).toBe(0);
    expect(sampleOf(text, "b_in_flight_requests")).toBe(0);
  });
});

describe("the only guard of a registry", () => {
  it("gives its place to the next once it is closed", async () => {
    const registry = new Registry();
    const guard = createGuard({ logger: false });
    const undo = collectInto(registry, guard);
    guard.close();
    collectInto(registry, createGuard({ logger: false }));
    undo();
    expect(sampleOf(await registry.metrics(), "rayguard_state", { state: "serving" })).toBe(1);
  });
});

describe("a registry", () => {
  it("that has such a name already is left as it is", () => {
    const registry = new Registry();
    new Counter({ name: "rayguard_state", help: "not ours", registers: [registry] });
    expect(() => collectInto(registry, createGuard({ logger: false }))).toThrow(/"rayguard_state" already/);
    expect(registry.getMetricsAsArray()).toHaveLength(1);
  });

  it("that has been cleared takes the metrics again", async () => {
    const registry = new Registry();
    const guard = createGuard({ logger: false });
    const undo = collectInto(registry, guard);
    registry.clear();
    collectInto(registry, guard);
    undo();
    expect(sampleOf(await registry.metrics(), "rayguard_in_flight_requests")).toBe(0);
  });

  it("speaks OpenMetrics where it is told to", async () => {
    const registry = new Registry();
    registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE as never);
    const undo = collectInto(registry, createGuard({ logger: false }));
    const text = await registry.metrics();
    expect(text).toMatch(/# EOF\n$/);
    expect(sampleOf(text, "rayguard_requests_total", { outcome: "intact" })).toBe(0);
    undo();
    expect(registry.getMetricsAsArray()).toEqual([]);
  });

  it.each([
    ["no registry", {} as Registry, createGuard({ logger: false }), /Takes a Registry of prom-client/],
    ["no guard", new Registry(), {} as Guard, /Takes a guard/],
  ])("is asked for: %s is an error that says so", (_what, registry, guard, message) => {
    expect(() => collectInto(registry, guard)).toThrow(message);
  });
});

describe("the metrics listener", () => {
  const scraped = async (registry: Registry) => {
    const guard = createGuard({ logger: false });
    return listen(guard.attach(createServer(guard.listener(metricsListener(registry)))));
  };

  it("answers a scrape with a complete response", async () => {
    const registry = new Registry();
    collectInto(registry, createGuard({ logger: false }));
    const { responses, valid } = await exchange(await scraped(registry), [
      { path: "/metrics?name=x" },
      { method: "HEAD", path: "/metrics" },
      { method: "POST", path: "/metrics" },
      { path: "/other" },
    ]);
    expect(valid).toBe(true);
    expect(responses.map(({ status }) => status)).toEqual([200, 200, 405, 404]);
    const [get, head, post] = responses;
    expect(get?.field("Content-Type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(get?.field("Cache-Control")).toBe("no-store");
    expect(sampleOf(get?.text() ?? "", "rayguard_in_flight_requests")).toBe(0);
    expect(head?.field("Content-Length")).toBe(get?.field("Content-Length"));
    expect(post?.field("Allow")).toBe("GET, HEAD");
  });

  it("answers 500 where a metric cannot be collected", async () => {
    const registry = new Registry();
    new Counter({
      name: "broken",
      help: "x",
      registers: [registry],
      collect() {
        throw new Error("no");
      },
    });
    const { responses, valid } = await exchange(await scraped(registry), { path: "/metrics" });
    expect([valid, responses[0]?.status]).toEqual([true, 500]);
  });

  it("leaves the path to the router of Express", async () => {
    const app = express();
    app.get("/internal/metrics", metricsListener(new Registry()));
    const server = createServer(app).listen(0, "127.0.0.1");
    await once(server, "listening");
    ends.push(() => server.close());
    const { responses } = await exchange(server, { path: "/internal/metrics", headers: { Connection: "close" } });
    expect(responses[0]?.status).toBe(200);
  });
});
