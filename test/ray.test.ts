import { AsyncResource } from "node:async_hooks";
import { createServer, type RequestListener } from "node:http";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { Writable } from "node:stream";
import { setTimeout as wait } from "node:timers/promises";
import express5 from "express";
import express4 from "express4";
import fastify from "fastify";
import { pino } from "pino";
import { afterEach, describe, expect, it } from "vitest";
import { rayguard } from "../adapters/express.js";
import fastifyGuard, { genReqId } from "../adapters/fastify.js";
import { createGuard, currentRequest, forwardRay, type GuardOptions, type RequestContext } from "../src/index.js";
import { exchange } from "../src/testing/index.js";
import type { Misused } from "./origins/scenario.js";
import { listen } from "./testing/servers.js";

const RAY = { "CF-RAY": "0123456789abcdef-FRA" };
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** Code that knows nothing of the request it works for. */
async function deepInTheApp(): Promise<RequestContext | undefined> {
  await wait(1);
  return currentRequest();
}

const told: RequestListener = async (_request, response) => {
  const ray = (await deepInTheApp())?.ray;
  response.end(JSON.stringify(ray ?? null));
};

/** Servers of each kind that answer with the Ray ID they find deep in the app. */
const SERVERS: Record<string, (options: GuardOptions) => unknown> = {
  "node:http": (options) => createGuard(options).attach(createServer(told)),
  "guard.listener": (options) => createServer(createGuard(options).listener(told)),
  "Express 4": (options) => createServer((express4 as Misused)().use(rayguard(options)).use(told)),
  "Express 5": (options) => createServer((express5 as Misused)().use(rayguard(options)).use(told)),
  Fastify: async (options) => {
    const app = fastify();
    await app.register(fastifyGuard, options);
    app.get("/", async () => JSON.stringify((await deepInTheApp())?.ray ?? null));
    await app.ready();
    return app.server;
  },
};

async function answer(kind: string, options: GuardOptions = {}): Promise<unknown> {
  const server = await SERVERS[kind]?.({ logger: false, ...options });
  const { responses, problems } = await exchange(await listen(server as Misused), { path: "/", headers: RAY });
  expect(problems).toEqual([]);
  return JSON.parse(responses[0]?.text() ?? "");
}

describe("currentRequest()", () => {
  it.each(Object.keys(SERVERS))("is the request deep in an app of %s", async (kind) => {
    expect(await answer(kind)).toEqual({ id: "0123456789abcdef", colo: "FRA" });
  });

  it("is the request over HTTP/2", async () => {
    const server = await listen(createGuard({ logger: false }).attach(http2.createServer(told as Misused)) as Misused);
    const session = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    let body = "";
    for await (const chunk of session.request({ "cf-ray": RAY["CF-RAY"] })) body += String(chunk);
    session.destroy();
    expect(JSON.parse(body)).toEqual({ id: "0123456789abcdef", colo: "FRA" });
  });

  it("is the request of inject()", async () => {
    const app = fastify();
    await app.register(fastifyGuard, { logger: false });
    app.get("/", async () => (await deepInTheApp())?.ray ?? null);
    expect((await app.inject({ url: "/", headers: RAY })).json()).toEqual({ id: "0123456789abcdef", colo: "FRA" });
    await app.close();
  });

  it("is each request's own where many are under way", async () => {
    const listener: RequestListener = async (request, response) => {
      const context = await deepInTheApp();
      response.end(
        String(context !== undefined && context === request.rayguard && context.ray?.id === request.url?.slice(1)),
      );
    };
    const server = await listen(createGuard({ logger: false }).attach(createServer(listener)));
    const ids = Array.from({ length: 20 }, (_, n) => n.toString(16).padStart(16, "0"));
    const asked = ids.map((id) => exchange(server, { path: `/${id}`, headers: { "CF-RAY": id } }));
    for (const { responses } of await Promise.all(asked)) expect(responses[0]?.text()).toBe("true");
  });

  it("works in report mode, and not with crash: false", async () => {
    expect(await answer("node:http", { mode: "report" })).toEqual({ id: "0123456789abcdef", colo: "FRA" });
    expect(await answer("node:http", { crash: false })).toBeNull();
  });

  it("is nothing outside of a request, and behind the end of one", async () => {
    expect(currentRequest()).toBeUndefined();
    let later: (() => RequestContext | undefined) | undefined;
    const listener: RequestListener = (_request, response) => {
      later = AsyncResource.bind(() => currentRequest());
      expect(later()).toBeDefined();
      response.end();
    };
    await exchange(await listen(createGuard({ logger: false }).attach(createServer(listener))), { path: "/" });
    expect(later?.()).toBeUndefined();
  });
});

describe("forwardRay()", () => {
  /** What an upstream gets from a server that fetches from it. */
  async function forwarded(act: (upstream: string) => Promise<Response>, headers: Record<string, string> = RAY) {
    const upstream = createServer((request, response) => {
      response.end(
        JSON.stringify([request.method, request.headers["cf-ray"] ?? null, request.headers["x-mine"] ?? null]),
      );
    });
    const url = `http://127.0.0.1:${((await listen(upstream)).address() as AddressInfo).port}/`;
    const guard = createGuard({ logger: false });
    const listener: RequestListener = async (_request, response) => {
      await wait(1);
      response.end(await (await act(url)).text());
    };
    const { responses } = await exchange(await listen(guard.attach(createServer(listener))), { path: "/", headers });
    return JSON.parse(responses[0]?.text() ?? "");
  }
  const fetch = forwardRay();
  const mine = { "X-Mine": "1" };

  it.each<[what: string, act: (url: string) => Promise<Response>, got: unknown[]]>([
    ["adds the Ray ID", (url) => fetch(url), ["GET", "0123456789abcdef-FRA", null]],
    [
      "keeps what the caller asks for",
      (url) => fetch(new URL(url), { method: "POST", headers: mine }),
      ["POST", "0123456789abcdef-FRA", "1"],
    ],
    [
      "keeps the fields of a Request",
      (url) => fetch(new Request(url, { method: "PUT", headers: mine })),
      ["PUT", "0123456789abcdef-FRA", "1"],
    ],
    ["leaves one that is there", (url) => fetch(url, { headers: [["cf-ray", "mine"]] }), ["GET", "mine", null]],
    [
      "wraps any fetch",
      (url) => forwardRay((input, init) => globalThis.fetch(input, init))(url),
      ["GET", "0123456789abcdef-FRA", null],
    ],
    ["is off where it is not used", (url) => globalThis.fetch(url), ["GET", null, null]],
  ])("%s", async (_what, act, got) => {
    expect(await forwarded(act)).toEqual(got);
  });

  it("sends nothing for a request without a Ray ID, or one that does not look like it", async () => {
    expect(await forwarded((url) => fetch(url), {})).toEqual(["GET", null, null]);
    expect(await forwarded((url) => fetch(url), { "CF-RAY": "forged" })).toEqual(["GET", null, null]);
    expect(await forwarded((url) => fetch(url), { "CF-RAY": "0123456789ABCDEF" })).toEqual([
      "GET",
      "0123456789abcdef",
      null,
    ]);
  });

  it("sends nothing outside of a request", async () => {
    const upstream = createServer((request, response) => response.end(String("cf-ray" in request.headers)));
    const { port } = (await listen(upstream)).address() as AddressInfo;
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("false");
  });
});

describe("genReqId of rayguard/fastify", () => {
  it("makes the Ray ID the id of a request, in the one child logger Fastify makes", async () => {
    const lines: Record<string, unknown>[] = [];
    const stream = new Writable({
      write(chunk, _encoding, done) {
        lines.push(JSON.parse(String(chunk)));
        done();
      },
    });
    let children = 0;
    const app = fastify({
      loggerInstance: pino({ base: null }, stream),
      disableRequestLogging: true,
      genReqId,
      childLoggerFactory: (logger, bindings, options) => {
        children++;
        return logger.child(bindings, options);
      },
    });
    await app.register(fastifyGuard, { trust: "loopback" });
    app.get("/", async (request) => {
      request.log.info("mine");
      return request.id;
    });
    closing.push(() => app.close());
    await app.listen({ port: 0, host: "127.0.0.1" });
    children = lines.length = 0;
    const forged = ["0123456789abcdef\x9b31m", "x", "0123456789abcdef, 0123456789abcdef"];
    const asked = ["0123456789ABCDEF-fra", ...forged].map((ray) => ({ path: "/", headers: { "CF-RAY": ray } }));
    const { responses } = await exchange(app.server, asked);
    const ids = responses.map((response) => response.text());
    expect(ids[0]).toBe("0123456789abcdef");
    expect(new Set(ids).size).toBe(4);
    for (const id of ids.slice(1)) expect(id).toMatch(/^req-[0-9a-z]+$/);
    expect(children).toBe(4);
    expect(lines.filter(({ msg }) => msg === "mine").map(({ reqId }) => reqId)).toEqual(ids);
    expect(lines.find(({ msg }) => msg === "request")).toMatchObject({ reqId: ids[0], ray: ids[0], colo: "FRA" });
  });
});
