import { AsyncLocalStorage } from "node:async_hooks";
import { spawn } from "node:child_process";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, ServerResponse } from "node:http";
import http2 from "node:http2";
import { type AddressInfo, connect, type Socket } from "node:net";
import { availableParallelism, loadavg } from "node:os";
import { setTimeout as wait } from "node:timers/promises";
import express from "express";
import express4 from "express4";
import fastify from "fastify";
import { afterEach, describe, expect, it, vi } from "vitest";
import { rayguard } from "../../adapters/express.js";
import fastifyGuard from "../../adapters/fastify.js";
import { CHANNELS, createGuard, type GuardOptions, type OverloadOptions } from "../../src/index.js";
import { GuardCore } from "../../src/internals.js";
import { type Gauges, ProcessGauges, type Readings } from "../../src/overload/gauges.js";
import { OVERLOAD_DEFAULTS } from "../../src/overload/overload-options.js";
import { Pressure, Threshold } from "../../src/overload/pressure.js";
import { exchange } from "../../src/testing/index.js";
import { markedPart } from "../helpers/marked.js";
import { listen } from "../testing/servers.js";
import { endPrograms, Program } from "../zero-code/program.js";
import { BusyOrigin, Clients, LAST_WORK, type Outcome } from "./overload-load.js";

vi.mock("../../src/clock.js", () => import("../helpers/global-clock.js"));

const CALM: Readings = { delayMs: 0, utilization: 0.1, turns: 100, turnMs: 0.1, heapRatio: 0.1 };

/** Stands for the process: says what a test wants it to. */
class Dial implements Gauges {
  readings = CALM;
  running = 0;
  start(): void {
    this.running++;
  }
  stop(): void {
    this.running--;
  }
  read(): Readings {
    return this.readings;
  }
}

function portOf(server: { address(): unknown }): number {
  return (server.address() as AddressInfo).port;
}

/** An origin server whose requests stay under way until they are let go, in the order in which they arrived. */
async function holding(overload: OverloadOptions, options: GuardOptions = {}) {
  const dial = new Dial();
  const lines: Record<string, unknown>[] = [];
  const note = (record: object, msg: string) => lines.push({ ...record, msg });
  const guard = new GuardCore({ logger: { info() {}, warn: note, error: note }, overload, ...options }, dial);
  const held: { url: string; response: ServerResponse }[] = [];
  const listener: RequestListener = (request, response) => held.push({ url: request.url ?? "", response });
  const server = await listen(guard.attach(createServer(listener)));
  const arrived = (n: number) => vi.waitFor(() => expect(held).toHaveLength(n), { interval: 2 });
  const queued = (n: number) => vi.waitFor(() => expect(guard.stats().queued).toBe(n), { interval: 2 });
  const ask = async (path: string, more: object = {}) => {
    const result = await exchange(server, { path, ...more });
    expect(result.problems).toEqual([]);
    return result.responses[0];
  };
  const samples = (n: number, readings: Partial<Readings>) => {
    dial.readings = { ...CALM, ...readings };
    for (; n > 0; n--) guard.overload?.sample();
  };
  return { guard, server, held, arrived, queued, ask, samples, lines, dial };
}

describe("more requests than maxInFlight", () => {
  it("wait, and are let in first come, first served", async () => {
    const { held, arrived, queued, ask } = await holding({ maxInFlight: 1 });
    const answers = [ask("/0")];
    await arrived(1);
    for (let n = 1; n <= 3; n++) {
      answers.push(ask(`/${n}`));
      await queued(n);
    }
    expect(held).toHaveLength(1);
    for (let n = 0; n <= 3; n++) {
      await arrived(n + 1);
      held[n]?.response.end(`done ${n}`);
    }
    expect(held.map(({ url }) => url)).toEqual(["/0", "/1", "/2", "/3"]);
    expect((await Promise.all(answers)).map((answer) => answer?.text())).toEqual([0, 1, 2, 3].map((n) => `done ${n}`));
  });

  it("are refused at once where maxQueued wait already, on a connection that stays", async () => {
    const { guard, server, held, arrived, queued, ask } = await holding({
      maxInFlight: 1,
      maxQueued: 1,
      retryAfterS: 7,
    });
    const first = ask("/first");
    await arrived(1);
    const second = ask("/second");
    await queued(1);
    const { responses, problems } = await exchange(server, [{ path: "/a" }, { path: "/b" }, { path: "/health" }]);
    expect(problems).toEqual([]);
    expect(responses.map(({ status }) => status)).toEqual([503, 503, 200]);
    expect(responses[0]?.field("retry-after")).toBe("7");
    expect(responses[0]?.field("cache-control")).toBe("no-store");
    expect(responses[0]?.field("connection")).toBe("keep-alive");
    expect(guard.stats()).toMatchObject({ shed: 2, queued: 1, incidents: { OVERLOAD: 2 } });
    held[0]?.response.end();
    await arrived(2);
    held[1]?.response.end();
    expect([(await first)?.status, (await second)?.status]).toEqual([200, 200]);
  });

  it("tell the client of a JSON API the same time in the content", async () => {
    const { arrived, ask } = await holding({ maxInFlight: 1, maxQueued: 0, retryAfterS: 7 });
    void ask("/first").catch(() => {});
    await arrived(1);
    const refused = await ask("/second", { headers: { Accept: "application/json" } });
    expect(JSON.parse(refused?.text() ?? "")).toMatchObject({ status: 503, retryable: true, retry_after: 7 });
  });

  it("are refused once they have waited for maxQueuedMs, and never reach the app", async () => {
    const { held, arrived, ask, lines } = await holding({ maxInFlight: 1, maxQueuedMs: 30 });
    void ask("/first").catch(() => {});
    await arrived(1);
    expect((await ask("/second"))?.status).toBe(503);
    expect(lines).toMatchObject([{ code: "OVERLOAD", reason: expect.stringContaining("30 ms") }]);
    expect(held).toHaveLength(1);
  });

  it("leave the queue with their client", async () => {
    const { guard, server, held, arrived, queued, ask } = await holding({ maxInFlight: 1 });
    const first = ask("/first");
    await arrived(1);
    const leaver = connect(portOf(server), "127.0.0.1");
    leaver.write("GET /leaver HTTP/1.1\r\nHost: origin\r\n\r\n");
    await queued(1);
    const third = ask("/third");
    await queued(2);
    leaver.resetAndDestroy();
    await queued(1);
    held[0]?.response.end();
    await arrived(2);
    held[1]?.response.end();
    await Promise.all([first, third]);
    expect(held.map(({ url }) => url)).toEqual(["/first", "/third"]);
    expect(guard.stats()).toMatchObject({ queued: 0, shed: 0 });
  });

  it("may come in one turn of the event loop without being refused", async () => {
    const guard = createGuard({ logger: false, overload: true });
    const server = createServer((_request, response) => {
      for (const until = performance.now() + 1; performance.now() < until; );
      response.end("done");
    });
    await listen(guard.attach(server));
    const requests = Array.from({ length: 40 }, (_, n) => ({ path: `/${n}` }));
    const { responses, valid } = await exchange(server, requests, { pipeline: true });
    expect(valid).toBe(true);
    expect(responses.map(({ status }) => status)).toEqual(requests.map(() => 200));
  });

  it("run in the context of their own request", async () => {
    const storage = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    const guard = createGuard({ logger: false, overload: { maxInFlight: 1 } });
    const server = createServer((request, response) => {
      seen.push(storage.getStore());
      storage.enterWith(request.url ?? "");
      setTimeout(() => response.end(), 20);
    });
    await listen(guard.attach(server));
    await Promise.all(["/1", "/2", "/3"].map((path) => exchange(server, { path })));
    expect(seen).toEqual([undefined, undefined, undefined]);
  });

  it("keep their content until their turn comes", async () => {
    const guard = createGuard({ logger: false, overload: { maxInFlight: 1 } });
    const server = createServer(async (request, response) => {
      let content = "";
      for await (const chunk of request) content += chunk;
      setTimeout(() => response.end(content), 20);
    });
    await listen(guard.attach(server));
    const ask = (body: string) => exchange(server, { method: "POST", path: "/", body });
    const answers = await Promise.all([ask("one"), ask("two")]);
    expect(answers.map(({ responses }) => responses[0]?.text())).toEqual(["one", "two"]);
  });

  it("are all let in by close()", async () => {
    const { guard, held, arrived, queued, ask } = await holding({ maxInFlight: 1 });
    const answers = [ask("/1")];
    await arrived(1);
    answers.push(ask("/2"));
    await queued(1);
    guard.close();
    await arrived(2);
    for (const { response } of held) response.end();
    expect((await Promise.all(answers)).map((answer) => answer?.status)).toEqual([200, 200]);
  });
});

describe("memory", () => {
  it("over maxHeapRatio refuses everything but the health check, which says so", async () => {
    const { ask, samples } = await holding(
      { maxHeapRatio: 0.9 },
      { health: { livePath: "/live", readyPath: "/ready" } },
    );
    samples(2, { heapRatio: 0.91 });
    expect((await ask("/"))?.status).toBe(503);
    for (const path of ["/health", "/ready"]) {
      const health = await ask(path);
      expect(health?.status).toBe(503);
      expect(JSON.parse(health?.text() ?? "")).toMatchObject({ status: "overloaded", reason: "heap" });
    }
    expect((await ask("/live"))?.status).toBe(200);
  });

  it("is that of this process", async () => {
    const guard = createGuard({ logger: false, overload: { maxHeapRatio: 0.000_001 } });
    const server = await listen(guard.attach(createServer((_request, response) => response.end())));
    await vi.waitFor(async () => expect((await exchange(server, { path: "/" })).responses[0]?.status).toBe(503));
    guard.close();
  });
});

describe("a refusal", () => {
  it("is counted and published each time, and logged when an episode begins and ends", async () => {
    const published: unknown[] = [];
    const note = (incident: unknown) => published.push(incident);
    subscribe(CHANNELS.incident, note);
    const { ask, samples, lines, arrived, held } = await holding({ maxHeapRatio: 0.9 });
    samples(2, { heapRatio: 0.95 });
    for (let n = 0; n < 5; n++) await ask("/");
    unsubscribe(CHANNELS.incident, note);
    expect(published).toMatchObject(
      Array(5).fill({ code: "OVERLOAD", action: "replaced", status: 503, prevented: null }),
    );
    expect(lines).toMatchObject([{ msg: "incident", code: "OVERLOAD", reason: expect.stringContaining("95 %") }]);
    samples(20, { heapRatio: 0.1 });
    expect(lines[1]).toMatchObject({ code: "OVERLOAD", refused: { heap: 5 }, ms: expect.any(Number) });
    expect(lines).toHaveLength(2);
    void ask("/").catch(() => {});
    await arrived(1);
    held[0]?.response.end();
  });

  it("keeps the connection where the content of the request has arrived with it", async () => {
    const { server, samples } = await holding({ maxHeapRatio: 0.9 });
    samples(2, { heapRatio: 0.95 });
    const post = { method: "POST", path: "/", body: "content" };
    const { responses, valid } = await exchange(server, [post, post]);
    expect(valid).toBe(true);
    expect(responses.map(({ status }) => status)).toEqual([503, 503]);
  });
});

describe("refusals of the same second", () => {
  const RAYS = ["230b030023ae2822", "331c141134bf3933"];
  const KINDS = [
    ["text/html", /<p>Ray ID: <code>([0-9a-f]+)<\/code>/],
    ["application/json", /"ray_id":"([0-9a-f]+)"/],
    ["text/plain", /^Ray ID: ([0-9a-f]+)$/m],
  ] as const;

  it("are told each client in its own words, with its own Ray ID", async () => {
    const { ask, samples } = await holding({ maxHeapRatio: 0.9, retryAfterS: 7 });
    samples(2, { heapRatio: 0.95 });
    for (const ray of [...RAYS, ...RAYS])
      for (const [accept, told] of KINDS) {
        const refused = await ask("/", { headers: { Accept: accept, "CF-Ray": `${ray}-SJC` } });
        expect([refused?.status, refused?.field("retry-after")]).toEqual([503, "7"]);
        expect(refused?.field("content-type")).toMatch(accept === "application/json" ? /json$/ : `${accept};`);
        expect(told.exec(refused?.text() ?? "")?.[1]).toBe(ray);
      }
    const nameless = await ask("/", { headers: { Accept: "text/html" } });
    expect(nameless?.text()).not.toMatch(/Ray ID|~/);
  });

  it("are complete for HEAD, for HTTP/1.0 and for what is pipelined", async () => {
    const { server, ask, samples } = await holding({ maxHeapRatio: 0.9 });
    samples(2, { heapRatio: 0.95 });
    const whole = await ask("/");
    const requests = [{ path: "/1" }, { method: "HEAD", path: "/2" }, { path: "/3" }];
    const { responses, problems } = await exchange(server, requests, { pipeline: true });
    expect(problems).toEqual([]);
    const length = whole?.field("content-length");
    expect(responses.map((one) => [one.status, one.field("content-length"), one.field("connection")])).toEqual(
      requests.map(() => [503, length, "keep-alive"]),
    );
    expect(responses.map((one) => one.text())).toEqual([whole?.text(), "", whole?.text()]);
    const socket = connect(portOf(server), "127.0.0.1");
    socket.end("GET / HTTP/1.0\r\n\r\n");
    let text = "";
    for await (const octets of socket) text += octets;
    expect(text).toMatch(/^HTTP\/1\.1 503 [\s\S]*\r\nConnection: close\r\n\r\n/);
    expect(text.endsWith(`\r\n\r\n${whole?.text()}`)).toBe(true);
  });

  it("have the content that errorContent chooses for each", async () => {
    const errorContent = ({ url }: { url: string }) => ({ contentType: "text/plain", body: `no ${url}` });
    const { ask, samples } = await holding({ maxHeapRatio: 0.9 }, { errorContent });
    samples(2, { heapRatio: 0.95 });
    expect([(await ask("/a"))?.text(), (await ask("/b"))?.text()]).toEqual(["no /a", "no /b"]);
  });

  it("keep the fields that every response of the server has from its start", async () => {
    class Branded extends ServerResponse {
      constructor(request: IncomingMessage) {
        super(request);
        this.setHeader("X-Request-Id", "7");
      }
    }
    const guard = createGuard({ logger: false, overload: { maxHeapRatio: 0.000_001 } });
    const server = await listen(guard.attach(createServer({ ServerResponse: Branded }, (_q, s) => void s.end())));
    await vi.waitFor(async () => {
      const refused = (await exchange(server, { path: "/" })).responses[0];
      expect([refused?.status, refused?.field("x-request-id")]).toEqual([503, "7"]);
    });
    guard.close();
  });
});

describe("a Threshold", () => {
  it("is crossed after two samples above, and left after three below 80 %", () => {
    const threshold = new Threshold(100);
    const states = [101, 99, 101, 101, 99, 81, 79, 79, 85, 79, 79, 79].map((value) => {
      threshold.feed(value);
      return threshold.over;
    });
    expect(states.map(Number).join("")).toBe("000111111110");
  });

  it("that is off is never crossed", () => {
    const threshold = new Threshold(false);
    for (let n = 0; n < 5; n++) threshold.feed(Number.POSITIVE_INFINITY);
    expect(threshold.over).toBe(false);
  });
});

describe("a late event loop", () => {
  const settings = { ...OVERLOAD_DEFAULTS, maxEventLoopDelayMs: 100, maxEventLoopUtilization: 0.9 };

  it("narrows the number under way step by step, never to nothing, and widens it again", () => {
    const pressure = new Pressure(settings);
    const refusals = () => [0, 1, 10, 80].map((beside) => pressure.refusal(beside, 0)?.reason);
    expect(refusals()).toEqual([undefined, undefined, undefined, undefined]);
    for (let n = 0; n < 2; n++) pressure.sample({ ...CALM, delayMs: 150 }, 0);
    expect(refusals()).toEqual([undefined, undefined, "event-loop-delay", "event-loop-delay"]);
    for (let n = 0; n < 50; n++) pressure.sample({ ...CALM, delayMs: 150 }, 0);
    expect(refusals().slice(0, 2)).toEqual([undefined, undefined]);
    for (let n = 0; n < 10; n++) pressure.sample({ ...CALM, delayMs: 90 }, 0);
    expect(refusals()[3], "between both thresholds").toBe("event-loop-delay");
    for (let n = 0; n < 60; n++) pressure.sample(CALM, 0);
    expect(refusals()).toEqual([undefined, undefined, undefined, undefined]);
  });

  it("is seen in its utilisation, too", () => {
    const pressure = new Pressure(settings);
    for (let n = 0; n < 2; n++) pressure.sample({ ...CALM, utilization: 0.97 }, 0);
    expect(pressure.refusal(10, 0)).toEqual({
      reason: "event-loop-utilization",
      message: "The event loop was busy for 97 % of the time (limit 90 %).",
    });
  });

  it("is seen where every turn takes a new connection, and turns are long", () => {
    const crowded = new Pressure(settings);
    for (let n = 0; n < 2; n++) crowded.sample({ ...CALM, turns: 5, turnMs: 20 }, 5);
    expect(crowded.refusal(10, 0)?.reason).toBe("event-loop-delay");
    const quick = new Pressure(settings);
    for (let n = 0; n < 2; n++) quick.sample({ ...CALM, turns: 100, turnMs: 1 }, 100);
    expect(quick.refusal(10, 0)).toBeUndefined();
  });

  it("refuses who would have to wait too long, and nobody who is alone", () => {
    const pressure = new Pressure(settings);
    expect(pressure.refusal(1, 101)?.reason).toBe("event-loop-delay");
    expect(pressure.refusal(1, 99)).toBeUndefined();
    expect(pressure.refusal(0, 1_000)).toBeUndefined();
  });

  it("refuses nobody for one slow request on a server that is idle", async () => {
    const guard = createGuard({ logger: false, overload: { maxEventLoopDelayMs: 20 } });
    const server = createServer((_request, response) => {
      for (const until = performance.now() + 150; performance.now() < until; );
      response.end();
    });
    await listen(guard.attach(server));
    const paths = Array.from({ length: 4 }, (_, n) => ({ path: `/${n}` }));
    const { responses } = await exchange(server, paths);
    expect(responses.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(guard.stats().shed).toBe(0);
  });
});

describe("an event loop that is late by the doing of other processes", () => {
  const settings = { ...OVERLOAD_DEFAULTS, maxEventLoopDelayMs: 100 };

  it("is late by its own part only", () => {
    const narrows = (processorPart: number, delayMs: number) => {
      const pressure = new Pressure(settings);
      for (let n = 0; n < 4; n++) pressure.sample({ ...CALM, delayMs, processorPart }, 0);
      return pressure.refusal(80, 0) !== undefined;
    };
    expect([narrows(1, 150), narrows(0.5, 150), narrows(0.5, 250)]).toEqual([true, false, true]);
    expect(narrows(0, 600), "five times the limit is too much, whoever does it").toBe(true);
  });

  it("lets requests wait longer, by as much", () => {
    const pressure = new Pressure(settings);
    for (let n = 0; n < 20; n++) pressure.sample({ ...CALM, processorPart: 0.25 }, 0);
    expect(pressure.refusal(1, 350)).toBeUndefined();
    expect(pressure.refusal(1, 450)?.reason).toBe("event-loop-delay");
  });

  it("has requests wait for their turn that it would refuse else", async () => {
    const { guard, held, arrived, queued, ask, samples } = await holding({ maxQueuedMs: 2_000 });
    samples(8, { delayMs: 1_000, processorPart: 0.25 });
    const answers = [ask("/0"), ask("/1"), ask("/2")];
    await arrived(3);
    answers.push(ask("/3"));
    await queued(1);
    held[0]?.response.end("done");
    await arrived(4);
    for (const { response } of held.slice(1)) response.end("done");
    expect((await Promise.all(answers)).map((answer) => answer?.status)).toEqual([200, 200, 200, 200]);
    expect(guard.stats()).toMatchObject({ queued: 0, shed: 0 });
  });

  it("tells whom it could not serve in time only after as long again, since who is refused comes back", async () => {
    const { arrived, ask, samples, lines } = await holding({ maxQueuedMs: 60 });
    samples(8, { delayMs: 1_000, processorPart: 0.25 });
    for (let n = 0; n < 3; n++) {
      void ask(`/${n}`).catch(() => {});
      await arrived(n + 1);
    }
    const startedAt = performance.now();
    expect((await ask("/late"))?.status).toBe(503);
    expect(performance.now() - startedAt).toBeGreaterThan(119);
    expect(lines).toMatchObject([{ code: "OVERLOAD", reason: expect.stringContaining("60 ms") }]);
  });

  it("takes it that a request has waited since the turn before, as long as a turn may be", async () => {
    /** Milliseconds in the queue of a request that came while the event loop was busy. */
    const queuedFor = async (readings: Partial<Readings>) => {
      const { server, guard, arrived, queued, ask, samples } = await holding({ maxInFlight: 1, maxQueuedMs: 1_500 });
      const client = connect(portOf(server), "127.0.0.1").on("error", () => {});
      await once(client, "connect");
      samples(8, readings);
      void ask("/0").catch(() => {});
      await arrived(1);
      client.write("GET /late HTTP/1.1\r\nHost: example.com\r\n\r\n");
      for (const until = performance.now() + 700; performance.now() < until; );
      await queued(1);
      const startedAt = performance.now();
      await vi.waitFor(() => expect(guard.stats().queued).toBe(0), { interval: 2, timeout: 5_000 });
      client.destroy();
      guard.close();
      return performance.now() - startedAt;
    };
    expect(await queuedFor({ delayMs: 1_000, processorPart: 0.25 })).toBeLessThan(1_250);
    expect(await queuedFor({})).toBeGreaterThan(1_250);
  });

  it("lets in whom it could not serve in time, rather than to have nothing to do", async () => {
    const { guard, held, arrived, queued, ask, samples } = await holding({ maxInFlight: 1, maxQueuedMs: 400 });
    samples(8, { delayMs: 1_000, processorPart: 0.25 });
    const answers = [ask("/0")];
    await arrived(1);
    answers.push(ask("/late"));
    await queued(1);
    await queued(0);
    held[0]?.response.end("done");
    await arrived(2);
    held[1]?.response.end("done");
    expect((await Promise.all(answers)).map((answer) => answer?.status)).toEqual([200, 200]);
    expect(guard.stats()).toMatchObject({ queued: 0, shed: 0 });
  });

  it("computes for those who wait before it takes new connections in, each of which costs a turn", async () => {
    /** Requests that are served before the first of some clients that come meanwhile is taken in. */
    const servedBefore = async (processorPart: number) => {
      const dial = new Dial();
      const guard = new GuardCore({ logger: false, overload: { maxQueuedMs: 5_000 } }, dial);
      let served = 0;
      let before: number | undefined;
      const newcomers: Socket[] = [];
      const server = createServer((_request, response) => {
        if (served++ === 0) while (newcomers.length < 5) newcomers.push(connect(portOf(server), "127.0.0.1"));
        for (const until = performance.now() + 3; performance.now() < until; );
        response.end("done");
      });
      await listen(guard.attach(server));
      dial.readings = { ...CALM, processorPart };
      for (let n = 0; n < 12; n++) guard.overload?.sample();
      server.on("connection", () => {
        if (served > 0) before ??= served;
      });
      const requests = Array.from({ length: 40 }, (_, n) => ({ path: `/${n}` }));
      const { responses } = await exchange(server, requests, { pipeline: true });
      for (const newcomer of newcomers) newcomer.destroy();
      guard.close();
      expect(responses.map(({ status }) => status)).toEqual(requests.map(() => 200));
      return before;
    };
    expect(await servedBefore(1)).toBeLessThan(20);
    expect(await servedBefore(0.25)).toBe(40);
  });

  it("refuses at once where nobody may wait", async () => {
    const { arrived, ask, samples } = await holding({ maxQueued: 0 });
    samples(8, { delayMs: 1_000, processorPart: 0.25 });
    for (let n = 0; n < 3; n++) {
      void ask(`/${n}`).catch(() => {});
      await arrived(n + 1);
    }
    expect((await ask("/late"))?.status).toBe(503);
  });
});

describe("the health check", () => {
  it("says so once the machine has refused for three samples, and until it has not for ten", async () => {
    const { guard, held, arrived, ask, samples } = await holding({ maxEventLoopDelayMs: 100 });
    samples(2, { delayMs: 150 });
    for (let n = 1; n <= 3; n++) {
      void ask(`/${n}`).catch(() => {});
      await arrived(n);
    }
    for (let n = 1; n <= 3; n++) {
      expect(guard.overload?.reason).toBeUndefined();
      expect((await ask("/refused"))?.status).toBe(503);
      samples(1, { delayMs: 150 });
    }
    const health = await ask("/health");
    expect(JSON.parse(health?.text() ?? "")).toMatchObject({ status: "overloaded", reason: "event-loop-delay" });
    samples(5, {});
    expect((await ask("/health"))?.status).toBe(503);
    samples(5, {});
    expect((await ask("/health"))?.status).toBe(200);
    for (const { response } of held) response.end();
  });

  it("bears with a queue that is full for a moment, and not with one that stays so", async () => {
    const { guard, arrived, ask, samples } = await holding({ maxInFlight: 1, maxQueued: 0 });
    void ask("/1").catch(() => {});
    await arrived(1);
    for (let n = 0; n < 30; n++) {
      if (n === 10) expect((await ask("/health"))?.status).toBe(200);
      expect((await ask("/refused"))?.status).toBe(503);
      samples(1, {});
    }
    expect(guard.overload?.reason).toBe("in-flight");
    expect((await ask("/health"))?.status).toBe(503);
  });
});

describe("the gauges of this process", () => {
  it("show a loop that was blocked, and one that was not", async () => {
    const gauges = new ProcessGauges();
    gauges.start();
    await wait(60);
    gauges.read();
    for (const until = performance.now() + 300; performance.now() < until; );
    await wait(30);
    const blocked = gauges.read();
    expect(blocked.delayMs).toBeGreaterThan(200);
    expect(blocked.utilization).toBeGreaterThan(0.6);
    await wait(300);
    const idle = gauges.read();
    expect(idle.delayMs).toBeLessThan(blocked.delayMs);
    expect(idle.utilization).toBeLessThan(blocked.utilization);
    // What the runner of the tests does meanwhile takes turns, too: how many is not to be told.
    expect(idle.turnMs).toBeLessThan(blocked.turnMs);
    expect(idle.heapRatio).toBeGreaterThan(0);
    expect(idle.heapRatio).toBeLessThan(1);
    gauges.stop();
  });
});

describe("the part of its busy time for which this process has a processor", () => {
  it("is what it has used of the clock", async () => {
    const gauges = new ProcessGauges();
    gauges.start();
    await wait(60);
    gauges.read();
    const before = process.cpuUsage();
    const startedAt = performance.now();
    for (const until = startedAt + 400; performance.now() < until; );
    const { user, system } = process.cpuUsage(before);
    const clockMs = performance.now() - startedAt;
    await wait(1);
    const { processorPart } = gauges.read();
    // Other threads of the process count for the one, and not for the other.
    expect(processorPart).toBeLessThan((user + system) / 1_000 / clockMs + 0.2);
    expect(processorPart).toBeGreaterThan((user + system) / 1_000 / clockMs - 0.3);
    gauges.stop();
  });
});

describe("the timer", () => {
  it("runs once per guard, from attach() to close(), and keeps no process alive", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    const dial = new Dial();
    const guard = new GuardCore({ logger: false, overload: true }, dial);
    expect(vi.getTimerCount()).toBe(0);
    guard.attach(createServer());
    guard.attach(createServer());
    expect([vi.getTimerCount(), dial.running]).toEqual([1, 1]);
    guard.close();
    expect([vi.getTimerCount(), dial.running]).toEqual([0, 0]);
    createGuard({ logger: false }).attach(createServer());
    expect(vi.getTimerCount()).toBe(0);
    const real = createGuard({ logger: false, overload: true });
    real.attach(createServer());
    expect(vi.getTimerCount()).toBeGreaterThan(0);
    real.close();
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });
});

describe("report mode", () => {
  it("refuses and delays nothing, and says what it would have refused", async () => {
    const { guard, held, arrived, ask, lines, samples } = await holding(
      { maxInFlight: 1, maxQueued: 0 },
      { mode: "report" },
    );
    const answers = [ask("/1"), ask("/2")];
    await arrived(2);
    expect(guard.stats()).toMatchObject({ shed: 1, queued: 0 });
    expect(lines).toMatchObject([{ code: "OVERLOAD", action: "reported" }]);
    samples(2, { heapRatio: 0.99 });
    expect((await ask("/health"))?.status).toBe(200);
    for (const { response } of held) response.end();
    expect((await Promise.all(answers)).map((answer) => answer?.status)).toEqual([200, 200]);
  });
});

describe("every way in", () => {
  const overload = { maxInFlight: 1, maxQueued: 1, maxQueuedMs: 2_000 };

  /** Three requests at a time: one is served, one waits and is served, one is refused. */
  async function three(ask: () => Promise<number | undefined>) {
    return (await Promise.all([ask(), ask(), ask()])).sort();
  }

  it.each([
    ["Express 5", express],
    ["Express 4", express4 as unknown as typeof express],
  ])("%s, attached by the first request", async (_name, framework) => {
    const app = framework();
    app.use(rayguard({ logger: false, overload }));
    app.get("/", (_request, response) => void setTimeout(() => response.send("done"), 100));
    const server = await listen(createServer(app));
    const ask = async () => (await exchange(server, { path: "/" })).responses[0]?.status;
    expect(await three(ask)).toEqual([200, 200, 503]);
    expect(await three(ask)).toEqual([200, 200, 503]);
  });

  it("Fastify, and its inject()", async () => {
    const app = fastify();
    await app.register(fastifyGuard, { logger: false, overload });
    app.get("/", (_request, reply) => void setTimeout(() => reply.send("done"), 100));
    await app.listen({ port: 0, host: "127.0.0.1" });
    const ask = async () => (await exchange(app.server, { path: "/" })).responses[0]?.status;
    expect(await three(ask)).toEqual([200, 200, 503]);
    expect(await three(async () => (await app.inject("/")).statusCode)).toEqual([200, 200, 503]);
    await app.close();
  });

  it("a listener of a server that is not attached", async () => {
    const guard = createGuard({ logger: false, overload });
    const server = createServer(guard.listener((_request, response) => void setTimeout(() => response.end(), 100)));
    await listen(server);
    expect(await three(async () => (await exchange(server, { path: "/" })).responses[0]?.status)).toEqual([
      200, 200, 503,
    ]);
  });

  it("HTTP/2", async () => {
    const guard = createGuard({ logger: false, overload });
    const server = http2.createServer((_request, response) => void setTimeout(() => response.end("done"), 100));
    guard.attach(server).listen(0, "127.0.0.1");
    await once(server, "listening");
    const client = http2.connect(`http://127.0.0.1:${portOf(server)}`);
    const ask = async () => {
      const stream = client.request({ ":path": "/" });
      const [headers] = (await once(stream, "response")) as [http2.IncomingHttpHeaders & { ":status": number }];
      stream.resume();
      if (headers[":status"] === 503)
        expect(headers).toMatchObject({ "retry-after": "5", "cache-control": "no-store" });
      return headers[":status"];
    };
    expect(await three(ask)).toEqual([200, 200, 503]);
    client.destroy();
    server.close();
  });
});

it("a burst that is over as soon as it is answered is answered, however late the loop", {
  retry: 2,
  timeout: 30_000,
}, async () => {
  const origin = await BusyOrigin.start("guarded", "computing", "3", JSON.stringify({ overload: true }));
  try {
    await origin.warmUp(1_000);
    for (let n = 0; n < 3; n++) {
      // 0.45 s of work: more than the event loop may be late, and less than a request may wait.
      const { served, refused, wrong } = await origin.atOnce(150);
      expect({ served, refused, wrong }).toEqual({ served: 150, refused: 0, wrong: [] });
      await wait(300);
    }
  } finally {
    await origin.stop();
  }
});

describe("three times what the machine can do", { retry: 2 }, () => {
  const SETTINGS = { maxQueuedMs: 500 };
  const MS = "8";
  const WARM_UP_MS = 5_000;

  /** The rate at which few clients are served, one client's p99, and what an open loop at three times that rate gets. */
  async function measure(variant: "guarded" | "bare", unloadedMs: number, overloadedMs: number) {
    const origin = await BusyOrigin.start(variant, "computing", MS, JSON.stringify({ overload: SETTINGS }));
    try {
      await origin.closed(4, 300);
      const unloaded = await origin.closed(1, unloadedMs);
      const before = await origin.closed(4, unloadedMs);
      // A refusal costs several times as much before it has been compiled, which takes thousands of them.
      if (variant === "guarded") await origin.open(before.rate * 3, WARM_UP_MS);
      const loaded = await origin.open(before.rate * 3, overloadedMs);
      const after = await origin.closed(4, unloadedMs);
      return { unloaded, loaded, peak: (before.rate + after.rate) / 2 };
    } finally {
      await origin.stop();
    }
  }

  it("leaves a guarded server at its peak, in time, with a complete refusal for the rest", async () => {
    const { unloaded, loaded, peak } = await measure("guarded", 800, 2_000);
    const seen = summary(peak, unloaded, loaded);
    expect(loaded.wrong).toEqual([]);
    // How many are told so within the time depends on how much of the processors others have.
    expect(loaded.refused).toBeGreaterThan(0);
    expect(loaded.rate / peak, seen).toBeGreaterThanOrEqual(0.9);
    expect(loaded.p99, seen).toBeLessThan(2 * unloaded.p99 + SETTINGS.maxQueuedMs);
  }, 60_000);

  it("leaves a bare one with answers that come too late", async () => {
    const { unloaded, loaded, peak } = await measure("bare", 500, 1_500);
    expect(loaded.refused).toBe(0);
    expect(loaded.p99, summary(peak, unloaded, loaded)).toBeGreaterThan(2 * unloaded.p99 + SETTINGS.maxQueuedMs);
  }, 30_000);
});

describe("three times what the machine can do, from clients that connect for each request", { retry: 2 }, () => {
  /** So short that a turn of the loop is never late: Node takes one of them in each, and the others wait in the kernel. */
  const MS = "5";

  async function measure(variant: "guarded" | "bare") {
    const origin = await BusyOrigin.start(variant, "computing", MS, JSON.stringify({ overload: true }));
    try {
      await origin.warmUp(5_000);
      return await origin.open(3 * 190, 3_000, LAST_WORK);
    } finally {
      await origin.stop();
    }
  }

  it("leaves a guarded server with nearly as many answers as a bare one, in time, and a refusal for the rest", async () => {
    const [bare, guarded] = [await measure("bare"), await measure("guarded")];
    const told = [bare, guarded].map(
      ({ rate, p99, refused }) => `${rate.toFixed(0)}/s, p99 ${p99.toFixed(0)} ms, ${refused} refused`,
    );
    const seen = `bare ${told[0]}; guarded ${told[1]}`;
    expect(guarded.wrong, seen).toEqual([]);
    expect(guarded.rate / bare.rate, seen).toBeGreaterThan(0.8);
    expect(guarded.p99, seen).toBeLessThan(bare.p99 / 3);
  }, 60_000);
});

describe.runIf(process.platform === "linux")("other processes that take the processors", { retry: 2 }, () => {
  afterEach(endPrograms);

  /** Twice as many as there are processors, none of which ever waits. */
  const startNeighbours = () =>
    Array.from({ length: 2 * availableParallelism() }, () =>
      spawn(process.execPath, ["-e", "for (;;);"], { stdio: "ignore" }),
    );

  /** What a server answers of three times what it could without them, for each second on a processor. */
  async function measure(variant: "guarded" | "bare") {
    const origin = await BusyOrigin.start(variant, "computing", "5", JSON.stringify({ overload: true }));
    // What has not been compiled costs many times as much, and there are a few hundred answers to compare.
    await origin.warmUp(10_000);
    const neighbours = startNeighbours();
    try {
      await origin.closed(4, 500);
      const before = origin.processorS();
      const ms = 4_000;
      let processorS = 0;
      const watch = setTimeout(() => {
        processorS = origin.processorS() - before;
      }, ms);
      const loaded = await origin.open(3 * 190, ms);
      clearTimeout(watch);
      return { ...loaded, perSecond: loaded.served / processorS, inTimePerSecond: loaded.inTime / processorS };
    } finally {
      for (const neighbour of neighbours) neighbour.kill("SIGKILL");
      await origin.stop();
    }
  }

  it("leave a guarded one with nearly as many answers as a bare one, in time, and a refusal for the rest", async ({
    skip,
  }) => {
    // Neighbours that nobody has counted leave so little that starting up is most of what is measured.
    skip((loadavg()[0] ?? 0) > 2 * availableParallelism(), "other processes have the machine already");
    const [bare, guarded] = [await measure("bare"), await measure("guarded")];
    const told = [bare, guarded].map(
      ({ perSecond, inTimePerSecond, p99, refused }) =>
        `${perSecond.toFixed(0)}/s, ${inTimePerSecond.toFixed(0)}/s in time, p99 ${p99.toFixed(0)} ms, ${refused} refused`,
    );
    const seen = `bare ${told[0]}; guarded ${told[1]}`;
    expect(guarded.wrong, seen).toEqual([]);
    // 0.94 to 1.00 interleaved, and less where there is next to no processor: what is done once a turn weighs more then.
    expect(guarded.perSecond / bare.perSecond, seen).toBeGreaterThan(0.8);
    // 1.0 to 1.4: a bare one answers most of them later, and the later the longer this goes on.
    expect(guarded.inTimePerSecond / bare.inTimePerSecond, seen).toBeGreaterThan(0.9);
    expect(guarded.p99, seen).toBeLessThan(bare.p99 / 3);
  }, 60_000);

  it("leave nobody waiting with a keeper, which has all clients that connect for each request", async () => {
    const text = `import { createServer } from "node:http";
    function compute() {
      const before = process.cpuUsage();
      for (let spent = 0; spent < 5_000; ) {
        const { user, system } = process.cpuUsage(before);
        spent = user + system;
      }
    }
    const server = createServer((request, response) => {
      if (request.url !== "/warm-up") compute();
      response.end("done");
    }).listen(0, "127.0.0.1", 4_096, () => process.send(server.address().port));`;
    const env = { RAYGUARD_OPTIONS: '{"logger":false,"overload":true}' };
    const program = Program.start("app.mjs", text, { keeper: [], env });
    const [port = 0] = await program.ports();
    const clients = new Clients(port);
    await clients.warmUp(3_000);
    const neighbours = startNeighbours();
    try {
      // One after the other they would wait for half a minute.
      const { wrong, refused, served } = await clients.open(3 * 190, 4_000, LAST_WORK);
      expect(wrong).toEqual([]);
      expect(refused).toBeGreaterThan(served);
    } finally {
      for (const neighbour of neighbours) neighbour.kill("SIGKILL");
    }
  }, 60_000);
});

function summary(peak: number, unloaded: Outcome, loaded: Outcome): string {
  const part = (loaded.rate / peak).toFixed(2);
  const rates = `peak ${peak.toFixed(0)}/s, at three times that ${loaded.rate.toFixed(0)}/s (${part})`;
  const times = `p99 ${unloaded.p99.toFixed(0)} ms unloaded, ${loaded.p99.toFixed(0)} ms under load`;
  return `${rates}; ${times}; ${loaded.refused} refused`;
}

describe("docs/reference/options.md", () => {
  it("states every limit with its default", () => {
    const table = markedPart("docs/reference/options.md", "overload");
    const stated = [...table.matchAll(/^\| `(\w+)` \| `(.*?)` \|/gm)].map(([, name, value]) => [name, value]);
    expect(stated).toEqual(Object.entries(OVERLOAD_DEFAULTS).map(([name, value]) => [name, String(value)]));
  });
});
