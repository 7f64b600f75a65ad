import { once } from "node:events";
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import express from "express";
import express4 from "express4";
import fastify from "fastify";
import { describe, expect, it } from "vitest";
import { rayguard as expressGuard } from "../../adapters/express.js";
import { rayguard as fastifyGuard } from "../../adapters/fastify.js";
import { createGuard, type Guard, type RequestContext } from "../../src/index.js";
import { exchange } from "../../src/testing/index.js";

// What a drain tells requests that would outlast it, by their signal.

const TIMEOUT = { timeout: 20_000 };
const OPTIONS = { logger: false, lint: false } as const;
const GRACE_MS = 10_000;
const reasons: unknown[] = [];

function app(request: IncomingMessage, response: ServerResponse): void {
  const { signal } = request.rayguard as RequestContext;
  switch (request.url) {
    case "/events":
      response.writeHead(200, { "Content-Type": "text/event-stream" });
      response.write("data: 1\n\n");
      signal.addEventListener("abort", () => {
        reasons.push((signal.reason as { code: unknown }).code);
        response.end("event: end\n\n");
      });
      return;
    case "/poll":
      signal.addEventListener("abort", () => response.writeHead(204).end());
      return;
    default:
      setTimeout(() => response.end(String(signal.aborted)), 600);
  }
}

type Started = { server: http.Server; guard: Guard };

const ORIGINS: Record<string, () => Promise<Started>> = {
  node: async () => {
    const guard = createGuard(OPTIONS);
    return { server: guard.attach(http.createServer(guard.listener(app))).listen(0), guard };
  },
  "Express 5": async () => {
    const guard = expressGuard(OPTIONS);
    const server = express().use(guard).use(app).listen(0);
    return { server: guard.attach(server), guard };
  },
  "Express 4, not attached": async () => {
    const guard = expressGuard(OPTIONS);
    return { server: (express4 as unknown as typeof express)().use(guard).use(app).listen(0), guard };
  },
  Fastify: async () => {
    const instance = fastify();
    await instance.register(fastifyGuard, OPTIONS);
    instance.get("/*", (request, reply) => {
      reply.hijack();
      app(request.raw, reply.raw);
    });
    await instance.listen({ port: 0 });
    return { server: instance.server, guard: instance.rayguard };
  },
};

async function withOrigin(name: string, use: (started: Started, port: number) => Promise<void>): Promise<void> {
  const started = await (ORIGINS[name] as () => Promise<Started>)();
  if (!started.server.listening) await once(started.server, "listening");
  await use(started, (started.server.address() as AddressInfo).port);
  started.guard.close();
  started.server.closeAllConnections();
  started.server.close();
}

/** Resolves when this many requests have reached the app. */
const underWay = async (guard: Guard, count: number) => {
  while (guard.stats().inFlight < count) await new Promise((resolve) => setTimeout(resolve, 5));
};

describe.each(Object.keys(ORIGINS))("%s", (name) => {
  it("ends a stream of events at once, so that it does not hold the drain", TIMEOUT, () =>
    withOrigin(name, async ({ guard }, port) => {
      const events = exchange({ port }, { path: "/events" });
      await underWay(guard, 1);
      const startedAt = performance.now();
      await guard.drain({ graceMs: GRACE_MS });
      expect(performance.now() - startedAt).toBeLessThan(GRACE_MS / 5);
      const { responses, valid } = await events;
      expect(valid).toBe(true);
      expect(responses[0]?.text()).toBe("data: 1\n\nevent: end\n\n");
      expect(reasons.splice(0)).toEqual(["ERR_RAYGUARD_DRAINING"]);
    }),
  );

  it("leaves a request alone that is soon over", TIMEOUT, () =>
    withOrigin(name, async ({ guard }, port) => {
      const ordinary = exchange({ port }, { path: "/" });
      await underWay(guard, 1);
      await guard.drain({ graceMs: GRACE_MS });
      expect((await ordinary).responses[0]?.text()).toBe("false");
    }),
  );

  it.each([2_000, 20_000])("tells every other request soon, of %i ms of grace", TIMEOUT, (graceMs) =>
    withOrigin(name, async ({ guard }, port) => {
      const poll = exchange({ port }, { path: "/poll" });
      await underWay(guard, 1);
      const startedAt = performance.now();
      await guard.drain({ graceMs });
      expect((await poll).responses[0]?.status).toBe(204);
      expect(performance.now() - startedAt).toBeLessThan(Math.max(graceMs / 5, 1_900));
    }),
  );
});

it("serves a stream of events on for lameDuckMs", TIMEOUT, () =>
  withOrigin("node", async ({ guard }, port) => {
    const events = exchange({ port }, { path: "/events" });
    await underWay(guard, 1);
    const startedAt = performance.now();
    const drained = guard.drain({ lameDuckMs: 300, graceMs: GRACE_MS });
    const { responses } = await events;
    expect(performance.now() - startedAt).toBeGreaterThan(295);
    expect(responses[0]?.complete).toBe(true);
    await drained;
    reasons.splice(0);
  }),
);

it("ends a stream of events over HTTP/2", TIMEOUT, async () => {
  const guard = createGuard(OPTIONS);
  const server = guard.attach(http2.createServer(app as never)).listen(0);
  await once(server, "listening");
  const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const stream = client.request({ ":path": "/events" });
  await once(stream, "response");
  let text = "";
  stream.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  const startedAt = performance.now();
  const drained = guard.drain({ graceMs: GRACE_MS });
  await once(stream, "close");
  expect(stream.rstCode).toBe(0);
  expect(text).toBe("data: 1\n\nevent: end\n\n");
  await drained;
  expect(performance.now() - startedAt).toBeLessThan(GRACE_MS / 2);
  expect(reasons.splice(0)).toEqual(["ERR_RAYGUARD_DRAINING"]);
  client.destroy();
  guard.close();
});
