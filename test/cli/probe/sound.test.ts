import { createServer as createNodeServer, type RequestListener, type Server } from "node:http";
import http2 from "node:http2";
import { createServer as createSecureServer } from "node:https";
import express from "express";
import express4 from "express4";
import fastify from "fastify";
import { describe, expect, it } from "vitest";
import { rayguard as expressGuard } from "../../../adapters/express.js";
import fastifyGuard from "../../../adapters/fastify.js";
import { createGuard } from "../../../src/index.js";
import { selfSigned } from "../../testing/certificate.js";
import { listen } from "../../testing/servers.js";
import { probeUrl, told, urlOf } from "./run-probe.js";

const OPTIONS = { logger: false, lint: false } as const;
const page: RequestListener = (request, response) => {
  if (request.url === "/" || request.url?.startsWith("/?") === true) response.end("hello");
  else response.writeHead(404).end("not here");
};

function guarded<S extends Server | http2.Http2SecureServer>(server: S): S {
  createGuard(OPTIONS).attach(server);
  return server;
}

function withExpress(make: typeof express, isGuarded: boolean): Server {
  const app = make();
  const guard = isGuarded ? expressGuard(OPTIONS) : undefined;
  if (guard !== undefined) app.use(guard);
  app.get("/", (_, response) => void response.send("hello"));
  if (guard !== undefined) app.use(guard.errorHandler);
  const server = createNodeServer(app);
  guard?.attach(server);
  return server;
}

async function withFastify(isGuarded: boolean): Promise<Server> {
  const app = fastify();
  if (isGuarded) await app.register(fastifyGuard, OPTIONS);
  app.get("/", () => "hello");
  await app.ready();
  return app.server;
}

const GUARDED: [name: string, start: () => Server | Promise<Server>][] = [
  ["node:http", () => guarded(createNodeServer(page))],
  ["Express 4", () => withExpress(express4 as unknown as typeof express, true)],
  ["Express 5", () => withExpress(express, true)],
  ["Fastify", () => withFastify(true)],
];

const BARE: [name: string, start: () => Server | Promise<Server>][] = [
  ["node:http", () => createNodeServer(page)],
  ["Express 4", () => withExpress(express4 as unknown as typeof express, false)],
  ["Express 5", () => withExpress(express, false)],
  ["Fastify", () => withFastify(false)],
];

// Long enough for a busy machine: nothing here waits for it.
const SETTINGS = { timeoutMs: 10_000 };

describe("a guarded origin server", () => {
  it.each(GUARDED)("has no finding with %s", { timeout: 30_000 }, async (_, start) => {
    const findings = await probeUrl(urlOf(await listen(await start())), SETTINGS);
    expect(told(findings)).toEqual([]);
    expect(findings.map(({ id }) => id)).toEqual([]);
  });

  it.each([
    ["https", () => guarded(createSecureServer(selfSigned(), page))],
    ["HTTP/2", () => guarded(http2.createSecureServer({ ...selfSigned(), allowHTTP1: true }, page as never))],
    ["HTTP/2 alone", () => guarded(http2.createSecureServer(selfSigned(), page as never))],
  ])("has no finding over %s but the certificate", { timeout: 30_000 }, async (_, start) => {
    const findings = await probeUrl(urlOf(await listen(start()), "https"), SETTINGS);
    expect(findings.filter(({ severity }) => severity !== "info").map(({ id }) => id)).toEqual([
      "certificate-self-signed",
    ]);
  });
});

describe("a bare origin server", () => {
  it.each(BARE)("has the short keep-alive of %s and nothing else", { timeout: 30_000 }, async (_, start) => {
    const findings = await probeUrl(urlOf(await listen(await start())), SETTINGS);
    expect(findings.filter(({ severity }) => severity !== "info").map(({ id }) => id)).toEqual(["keep-alive-short"]);
  });
});
