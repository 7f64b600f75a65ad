import { createServer, type RequestListener, type Server } from "node:http";
import { setImmediate as tick } from "node:timers/promises";
import express from "express";
import express4 from "express4";
import fastify from "fastify";
import { describe, expect, it } from "vitest";
import { rayguard as expressGuard } from "../adapters/express.js";
import fastifyGuard from "../adapters/fastify.js";
import { createGuard, type GuardOptions } from "../src/index.js";
import { exchange } from "../src/testing/index.js";
import { listen } from "./testing/servers.js";

interface Told {
  readonly level: string;
  readonly code: string;
  readonly action: string;
  readonly prevented: number | null;
}

/** The incidents that are logged, with their levels. */
function log() {
  const told: Told[] = [];
  const at = (level: string) => (record: object, message?: string) => {
    if (message !== "incident") return;
    const { code, action, prevented } = record as Told;
    told.push({ level, code, action, prevented });
  };
  const logger = { info: at("info"), warn: at("warn"), error: at("error") };
  return { told, logger };
}

async function ask(server: Server, ...requests: Parameters<typeof exchange>[1][]): Promise<number[]> {
  const listening = await listen(server);
  const statuses: number[] = [];
  for (const request of requests) {
    const { responses } = await exchange(listening, request);
    statuses.push(responses[0]?.status ?? 0);
  }
  return statuses;
}

/** As the package cors ends a preflight: for the sake of clients that wait for content. */
const preflight: RequestListener = (_request, response) => {
  response.statusCode = 204;
  response.setHeader("Content-Length", "0");
  response.end();
};

const OPTIONS = (path: string) => `OPTIONS ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;

describe("a repair that no edge would have minded", () => {
  it("is told once for each route, at level info, and counted every time", async () => {
    const { told, logger } = log();
    const guard = createGuard({ logger });
    const server = guard.attach(createServer(preflight));
    const paths = [...Array.from({ length: 30 }, (_, n) => `/orders/${n}?n=${n}`), "/carts", "/carts?x=1"];
    await ask(server, ...paths.map(OPTIONS));
    expect(told).toEqual(Array(2).fill({ level: "info", code: "FR-5", action: "repaired", prevented: null }));
    expect(guard.stats()).toMatchObject({
      incidents: { "FR-5": 32 },
      outcomes: { repaired: 32 },
      prevented: { "520": 0 },
      preventedByCode: {},
    });
  });

  it("is told once for each route of Express", async () => {
    const { told, logger } = log();
    const guard = expressGuard({ logger });
    const app = express();
    app.use(guard);
    app.options("/users/:name", preflight);
    await ask(guard.attach(createServer(app)), ...["anna", "bert", "carl"].map((name) => OPTIONS(`/users/${name}`)));
    expect(told).toHaveLength(1);
  });

  it("is a warning where nothing is repaired, since nobody else would tell", async () => {
    const { told, logger } = log();
    await ask(createGuard({ logger, mode: "report" }).attach(createServer(preflight)), OPTIONS("/a"), OPTIONS("/a"));
    expect(told).toEqual([{ level: "warn", code: "FR-5", action: "reported", prevented: null }]);
  });
});

describe("a handler that throws", () => {
  const boom = () => {
    throw new Error("boom");
  };
  const rejects = async () => boom();
  type App = (options: GuardOptions) => Server | Promise<Server>;
  const expressApp =
    (framework: typeof express, handler: () => unknown, handlesErrors: boolean): App =>
    (options) => {
      const guard = expressGuard(options);
      const app = framework();
      app.set("env", "test");
      app.use(guard);
      app.get("/", handler);
      if (handlesErrors) app.use(guard.errorHandler);
      return guard.attach(createServer(app));
    };
  const told520 = [{ level: "error", code: "HANDLER_ERROR", action: "replaced", prevented: 520 }];
  const toldNull = [{ ...told520[0], prevented: null }];
  const four = express4 as typeof express;

  it.each<[string, App, unknown]>([
    ["of node:http would have ended the process", (o) => guarded(o, boom), told520],
    ["of node:http, by a promise, would have ended the process", (o) => guarded(o, rejects), told520],
    ["of Express 5 would have been answered", expressApp(express, boom, true), toldNull],
    ["of Express 5, by a promise, would have been answered", expressApp(express, rejects, true), toldNull],
    ["of Express 4 would have been answered", expressApp(four, boom, true), toldNull],
    ["of Express 4, by a promise, would have ended the process", expressApp(four, rejects, true), told520],
    ["of Express 5 is answered by its own final handler", expressApp(express, boom, false), []],
    ["of Express 4 is answered by its own final handler", expressApp(four, boom, false), []],
  ])("%s", async (_what, app, expected) => {
    const { told, logger } = log();
    expect(await ask(await app({ logger }), { path: "/" })).toEqual([500]);
    expect(told).toEqual(expected);
  });

  function guarded(options: GuardOptions, listener: () => unknown): Server {
    const guard = createGuard(options);
    return guard.attach(createServer(guard.listener(listener as RequestListener)));
  }

  it("of Fastify is answered by Fastify", async () => {
    const { told, logger } = log();
    const app = fastify();
    await app.register(fastifyGuard, { logger });
    app.get("/", rejects);
    await app.ready();
    expect(await ask(app.server, { path: "/" })).toEqual([500]);
    expect(told).toEqual([]);
    await app.close();
  });
});

describe("content that is held back", () => {
  it.each<[string, RequestListener, string]>([
    [
      "a throw behind it",
      async (_, response) => {
        response.write("part");
        await tick(); // until then Node 26 keeps it to itself, and would have lost it
        throw new Error("x");
      },
      "HANDLER_ERROR",
    ],
    [
      "a close behind it",
      async (_, response) => {
        response.write("part");
        await tick();
        response.destroy();
      },
      "MC-2",
    ],
    [
      "too little of it",
      (_, response) => {
        response.setHeader("Content-Length", 9);
        response.end("part");
      },
      "MC-5",
    ],
  ])("would have been cut, which is no error of the edge: %s", async (_what, listener, code) => {
    const { told, logger } = log();
    const guard = createGuard({ logger });
    expect(await ask(guard.attach(createServer(guard.listener(listener))), { path: "/" })).toEqual([500]);
    expect(told).toEqual([{ level: "error", code, action: "replaced", prevented: null }]);
    expect(guard.stats().preventedByCode).toEqual({});
  });
});

describe("octets that are no request", () => {
  it("would have been answered by Node", async () => {
    const { told, logger } = log();
    const guard = createGuard({ logger });
    const server = guard.attach(createServer(preflight));
    await exchange(await listen(server), "NONSENSE\r\n\r\n");
    expect(told).toEqual([expect.objectContaining({ code: "CLIENT_ERROR", prevented: null })]);
  });
});
