import { createServer, type IncomingMessage, type RequestListener, ServerResponse } from "node:http";
import express from "express";
import fastify from "fastify";
import serverless from "serverless-http";
import { describe, expect, it } from "vitest";
import { rayguard } from "../adapters/express.js";
import plugin from "../adapters/fastify.js";
import { createGuard } from "../src/index.js";
import { exchange } from "../src/testing/index.js";
import { listen } from "./testing/servers.js";

const EVENT = { httpMethod: "GET", path: "/", headers: {}, requestContext: {}, body: null };

const OPTIONS = { logger: false, firstByteDeadlineMs: 100 } as const;

type Result = { statusCode: number; body: string };

describe("behind serverless-http, where no socket is a net.Socket", () => {
  const app = (mode: "enforce" | "report" = "enforce") => {
    const guard = rayguard({ ...OPTIONS, mode });
    const app = express().use(guard);
    app.get("/", (_request, response) => void response.json({ ok: true }));
    app.get("/pieces", (_request, response) => {
      response.write("a");
      setImmediate(() => response.end("b"));
    });
    app.get("/never", () => {});
    app.get("/destroyed", (_request, response) => void response.destroy());
    app.get("/throws", () => Promise.reject(new Error("no")));
    return { app, guard };
  };
  const ask = (app: unknown, path: string) =>
    serverless(app as never)({ ...EVENT, path }, {}) as unknown as Promise<Result>;

  it.each(["enforce", "report"] as const)("Express answers in full in mode %s", async (mode) => {
    const { app: listener, guard } = app(mode);
    for (let n = 0; n < 2; n++)
      expect(await ask(listener, "/")).toMatchObject({ statusCode: 200, body: '{"ok":true}' });
    expect(await ask(listener, "/pieces")).toMatchObject({ statusCode: 200, body: "ab" });
    expect((await ask(listener, "/throws")).statusCode).toBe(500);
    expect(guard.stats().inFlight).toBe(0);
    guard.close();
  });

  it.each([
    ["/never", 503],
    ["/destroyed", 500],
  ])("Express answers for %s", async (path, status) => {
    const { app: listener, guard } = app();
    expect((await ask(listener, path)).statusCode).toBe(status);
    expect(guard.stats().inFlight).toBe(0);
    guard.close();
  });

  it("the same application behind a server as well is guarded there", async () => {
    const { app: listener, guard } = app();
    await ask(listener, "/");
    const server = await listen(createServer(listener as RequestListener));
    const { responses, problems } = await exchange(server, [{ path: "/" }, { path: "/destroyed" }]);
    expect(problems).toEqual([]);
    expect(responses.map(({ status }) => status)).toEqual([200, 500]);
    expect((await ask(listener, "/pieces")).body).toBe("ab");
    guard.close();
  });

  it("a guarded listener of node:http answers in full", async () => {
    const guard = createGuard(OPTIONS);
    const listener = guard.listener((_request, response) => void response.end("ok"));
    expect(await ask(listener, "/")).toMatchObject({ statusCode: 200, body: "ok" });
    guard.close();
  });

  it("Fastify answers in full", async () => {
    const fastifyApp = fastify();
    await fastifyApp.register(plugin, OPTIONS);
    fastifyApp.get("/", () => "ok");
    await fastifyApp.ready();
    expect((await ask(fastifyApp, "/")).body).toBe("ok");
    await fastifyApp.close();
  });
});

it("mocks without a socket get a complete answer", () => {
  const guard = rayguard(OPTIONS);
  const request = { method: "GET", url: "/", headers: {}, httpVersionMajor: 1, httpVersionMinor: 1 };
  const response = new ServerResponse(request as IncomingMessage);
  guard(request as IncomingMessage, response, () => void response.end("ok"));
  expect(response.writableEnded).toBe(true);
  guard.close();
});
