import { EventEmitter, once } from "node:events";
import { createServer } from "node:http";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import express from "express";
import fastify from "fastify";
import { describe, expect, it } from "vitest";
import { rayguard } from "../adapters/express.js";
import fastifyGuard from "../adapters/fastify.js";
import { createGuard, type GuardOptions, type HealthOptions } from "../src/index.js";
import { exchange } from "../src/testing/index.js";
import type { ExchangeRequest } from "../src/testing/request.js";
import { listen } from "./testing/servers.js";

async function serve(health: false | HealthOptions = {}, options: GuardOptions = {}) {
  const guard = createGuard({ logger: false, health, ...options });
  const server = await listen(guard.attach(createServer((request, response) => response.end(`app ${request.url}`))));
  const ask = async (request: ExchangeRequest | string = {}) => {
    const given = typeof request === "string" ? { path: request } : { path: "/health", ...request };
    const result = await exchange(server, given);
    expect(result.problems).toEqual([]);
    expect(result.valid).toBe(true);
    const [response] = result.responses;
    if (response === undefined) throw new Error("no response");
    return response;
  };
  return { guard, server, ask };
}

function statusOf(response: { text(): string }): Record<string, unknown> {
  return JSON.parse(response.text()) as Record<string, unknown>;
}

describe("GET /health", () => {
  it("is 200 with status and time, and is not to be stored", async () => {
    const { ask } = await serve();
    const response = await ask();
    expect(response.status).toBe(200);
    expect(Object.keys(statusOf(response))).toEqual(["status", "timestamp"]);
    expect(statusOf(response).status).toBe("healthy");
    expect(new Date(statusOf(response).timestamp as string).toISOString()).toBe(statusOf(response).timestamp);
    expect(response.field("cache-control")).toBe("no-store");
    expect(response.field("content-type")).toBe("application/json");
  });

  it("is the same with a query", async () => {
    const { ask } = await serve();
    expect(statusOf(await ask("/health?probe=1&x=/health")).status).toBe("healthy");
  });

  it.each(["/healthz", "/health/", "/Health", "/x/health", "//health", "/?/health"])("is not %s", async (path) => {
    const { ask } = await serve();
    expect((await ask(path)).text()).toBe(`app ${path}`);
  });

  it("is the app's own where health is false", async () => {
    const { ask } = await serve(false);
    expect((await ask()).text()).toBe("app /health");
  });

  it("stands at another path where one is given", async () => {
    const { ask } = await serve({ path: "/up" });
    expect(statusOf(await ask("/up")).status).toBe("healthy");
    expect((await ask()).text()).toBe("app /health");
  });
});

describe("other methods", () => {
  it("HEAD is GET without content", async () => {
    const { ask } = await serve();
    const [get, head] = [await ask(), await ask({ method: "HEAD" })];
    expect(head.status).toBe(200);
    expect(head.content).toHaveLength(0);
    expect(head.field("content-length")).toBe(get.field("content-length"));
  });

  it.each(["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])("%s is 405 with Allow", async (method) => {
    const { ask } = await serve();
    const response = await ask({ method, body: method === "POST" ? "content" : "" });
    expect(response.status).toBe(405);
    expect(response.field("allow")).toBe("GET, HEAD");
    expect(response.field("cache-control")).toBe("no-store");
  });
});

describe("Accept", () => {
  it.each([
    ["application/health+json", "application/health+json"],
    ["application/health+json, application/json;q=0.5", "application/health+json"],
    ["application/json", "application/json"],
    ["*/*", "application/json"],
    ["text/html", "application/json"],
    ["garbage;;;=,", "application/json"],
    ["", "application/json"],
  ])("%j gets %s", async (accept, type) => {
    const { ask } = await serve();
    expect((await ask({ headers: { Accept: accept } })).field("content-type")).toBe(type);
  });
});

describe("checks", () => {
  it.each<[what: string, check: (signal: AbortSignal) => unknown, status: 200 | 503, error?: string]>([
    ["that return", () => {}, 200],
    ["that return true", () => true, 200],
    ["that return 0", () => 0, 200],
    ["that resolve", async () => {}, 200],
    ["that return false", () => false, 503, "returned false"],
    ["that resolve to false", async () => false, 503, "returned false"],
    [
      "that throw",
      () => {
        throw new Error("no connection");
      },
      503,
      "no connection",
    ],
    ["that reject with no error", () => Promise.reject(undefined), 503, "failed"],
    ["that hang", () => new Promise(() => {}), 503, "no result within 20 ms"],
  ])("%s give their result", async (_what, check, status, error) => {
    const { ask } = await serve({ checks: { db: check, other: () => true }, timeoutMs: 20, details: true });
    const response = await ask();
    expect(response.status).toBe(status);
    expect(response.field("retry-after")).toBe(status === 503 ? "5" : undefined);
    const db = {
      status: status === 200 ? "healthy" : "unhealthy",
      latencyMs: expect.any(Number),
      ...(error === undefined ? {} : { error }),
    };
    expect(statusOf(response)).toMatchObject({
      status: status === 200 ? "healthy" : "unhealthy",
      checks: { db, other: { status: "healthy" } },
    });
  });

  it("get a signal that aborts when their time is up", async () => {
    let signal: AbortSignal | undefined;
    const { ask } = await serve({
      timeoutMs: 20,
      checks: {
        db: (given) => {
          signal = given;
          return new Promise(() => {});
        },
      },
    });
    await ask();
    expect(signal?.aborted).toBe(true);
  });

  it("run once for any number of callers at a time", async () => {
    let runs = 0;
    const gate = new EventEmitter();
    const { server } = await serve({
      cacheMs: 0,
      checks: {
        db: async () => {
          runs++;
          await once(gate, "open");
        },
      },
    });
    const asked = Array.from({ length: 5 }, () => exchange(server, { path: "/health" }));
    await expect.poll(() => server.listenerCount("request") >= 0 && runs).toBe(1);
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    gate.emit("open");
    const results = await Promise.all(asked);
    expect(results.map(({ responses }) => responses[0]?.status)).toEqual([200, 200, 200, 200, 200]);
    expect(runs).toBeLessThanOrEqual(2);
  });

  it("are reused for cacheMs, until one is registered or removed", async () => {
    let runs = 0;
    const count = () => {
      runs++;
    };
    const { ask, guard } = await serve({ cacheMs: 60_000, checks: { db: count } });
    await ask();
    await ask();
    expect(runs).toBe(1);
    guard.health.register("cache", () => false);
    expect((await ask()).status).toBe(503);
    expect(runs).toBe(2);
    expect(guard.health.remove("cache")).toBe(true);
    expect(guard.health.remove("cache")).toBe(false);
    expect((await ask()).status).toBe(200);
  });

  it("run again at once where cacheMs is 0", async () => {
    let runs = 0;
    const { ask } = await serve({
      cacheMs: 0,
      checks: {
        db: () => {
          runs++;
        },
      },
    });
    await ask();
    await ask();
    expect(runs).toBe(2);
  });

  it("that are registered while others run count at the next question", async () => {
    const gate = new EventEmitter();
    let running = () => {};
    const started = new Promise<void>((resolve) => {
      running = resolve;
    });
    const { ask, guard } = await serve({
      cacheMs: 60_000,
      checks: {
        slow: async () => {
          running();
          await once(gate, "open");
        },
      },
    });
    const first = ask();
    await started;
    guard.health.register("late", () => false);
    gate.emit("open");
    await first;
    guard.health.remove("slow");
    expect((await ask()).status).toBe(503);
    expect(guard.health.remove("slow")).toBe(false);
  });

  it("registered during a run are not hidden by the result of that run", async () => {
    const gate = new EventEmitter();
    let running = () => {};
    const started = new Promise<void>((resolve) => {
      running = resolve;
    });
    const { ask, guard } = await serve({
      cacheMs: 60_000,
      checks: {
        slow: async () => {
          running();
          await once(gate, "open");
        },
      },
    });
    const first = ask();
    await started;
    guard.health.register("late", () => false);
    gate.emit("open");
    await first;
    setImmediate(() => gate.emit("open"));
    const second = ask();
    await expect.poll(() => gate.emit("open") || true).toBe(true);
    expect((await second).status).toBe(503);
  });
});

describe("details", () => {
  const checks = {
    db: () => {
      throw new Error("password=hunter2");
    },
  };

  it("are for nobody by default", async () => {
    const { ask } = await serve({ checks });
    const response = await ask();
    expect(Object.keys(statusOf(response))).toEqual(["status", "timestamp"]);
    expect(response.text()).not.toContain("hunter2");
  });

  it("are for whom the function admits", async () => {
    const { ask } = await serve({ checks, details: (request) => request.headers["x-probe"] === "me" });
    expect(statusOf(await ask())).not.toHaveProperty("checks");
    expect(statusOf(await ask({ headers: { "X-Probe": "me" } }))).toHaveProperty("checks");
  });

  it.each([
    () => {
      throw new Error("x");
    },
    () => "yes" as never,
    async () => true,
  ])("are for nobody where the function is %o", async (details) => {
    const { ask } = await serve({ checks, details: details as never });
    expect(statusOf(await ask())).not.toHaveProperty("checks");
  });
});

describe("livePath and readyPath", () => {
  it("split the two questions", async () => {
    const { ask } = await serve({ livePath: "/live", readyPath: "/ready", checks: { db: () => false } });
    expect([(await ask("/live")).status, (await ask("/ready")).status, (await ask("/health")).status]).toEqual([
      200, 503, 503,
    ]);
  });

  it("after close() say draining and alive, where the listener still asks the guard", async () => {
    const guard = createGuard({ logger: false, health: { livePath: "/live", readyPath: "/ready" } });
    const server = await listen(createServer(guard.listener((_request, response) => response.end("app"))));
    guard.close();
    const results = await exchange(server, [{ path: "/ready" }, { path: "/live" }]);
    expect(results.responses.map(({ status }) => status)).toEqual([503, 200]);
    expect(statusOf(results.responses[0] as never).status).toBe("draining");
  });
});

describe("the log", () => {
  it("says nothing of health checks, and stats() counts them", async () => {
    const lines: unknown[] = [];
    const note = (record: object) => lines.push(record);
    const { ask, guard } = await serve({}, { logger: { info: note, warn: note, error: note } });
    await ask();
    await ask({ method: "POST" });
    expect(lines).toEqual([]);
    expect(guard.stats().requests).toBe(2);
  });
});

describe("Express", () => {
  it("answers before the routes, attached or not, from the first request on", async () => {
    for (const attached of [true, false]) {
      const app = express();
      const guard = rayguard({ logger: false });
      app.use(guard);
      app.use((_request, response) => void response.send("app"));
      const server = createServer(app);
      if (attached) guard.attach(server);
      const { responses, valid } = await exchange(await listen(server), [
        { path: "/health" },
        { path: "/" },
        { path: "/health?x" },
      ]);
      expect(valid).toBe(true);
      expect(responses.map((response) => response.text().slice(0, 10))).toEqual(['{"status":', "app", '{"status":']);
    }
  });

  it("answers at the path itself where the guard is mounted below one", async () => {
    const app = express();
    const guard = rayguard({ logger: false });
    app.use("/api", guard);
    app.use((_request, response) => void response.send("app"));
    const server = await listen(guard.attach(createServer(app)));
    const { responses } = await exchange(server, [{ path: "/health" }, { path: "/api/health" }]);
    expect(statusOf(responses[0] as never).status).toBe("healthy");
    expect(responses[1]?.text()).toBe("app");
  });
});

describe("Fastify", () => {
  it("answers before the routes, by HTTP and by inject()", async () => {
    const app = fastify();
    await app.register(fastifyGuard, { logger: false });
    app.setNotFoundHandler((_request, reply) => reply.send("app"));
    await app.listen({ port: 0, host: "127.0.0.1" });
    const { responses, valid } = await exchange(app.server, [{ path: "/health" }, { path: "/" }]);
    expect(valid).toBe(true);
    expect(responses.map((response) => response.text().slice(0, 10))).toEqual(['{"status":', "app"]);
    expect((await app.inject("/health")).json()).toMatchObject({ status: "healthy" });
    expect((await app.inject({ method: "POST", url: "/health" })).statusCode).toBe(405);
    await app.close();
  });
});

describe("HTTP/2", () => {
  it("answers GET and HEAD", async () => {
    const guard = createGuard({ logger: false });
    const server = guard.attach(http2.createServer((_request, response) => response.end("app")));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    for (const [method, content] of [
      ["GET", /^\{"status":"healthy"/],
      ["HEAD", /^$/],
    ] as const) {
      const stream = client.request({ ":path": "/health", ":method": method });
      const [headers] = (await once(stream, "response")) as [Record<string, unknown>];
      let text = "";
      for await (const chunk of stream) text += String(chunk);
      expect(headers).toMatchObject({ ":status": 200, "cache-control": "no-store" });
      expect(text).toMatch(content);
    }
    client.close();
    await new Promise((resolve) => server.close(resolve));
  });
});
