import { channel } from "node:diagnostics_channel";
import { createServer, type IncomingMessage, type Server } from "node:http";
import http2 from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { Readable } from "node:stream";
import express5 from "express";
import express4 from "express4";
import fastify from "fastify";
import { rayguard as expressGuard } from "../../adapters/express.js";
import { rayguard as fastifyGuard } from "../../adapters/fastify.js";
import { createGuard, type Guard } from "../../src/index.js";
import type { RequestRecord } from "../../src/report/log.js";
import { overHttp2 } from "../helpers/express-http2.js";
import { selfSigned } from "../testing/certificate.js";
import { CoreRequest, CoreResponse } from "./core-response.js";
import { interpret, type Misused, type Run, type Stage } from "./interpreter.js";

export const FRAMEWORKS = [
  "node",
  "node, attached only",
  "express5",
  "express5, attached only",
  "express5 with errorHandler",
  "express4",
  "express4, attached only",
  "express4 with errorHandler",
  "fastify",
  "fastify hijacked",
] as const;
/** Over HTTP/2; where nothing else is said, over cleartext. */
export const HTTP2_FRAMEWORKS = [
  "node over HTTP/2",
  "node core over HTTP/2",
  "express5 over HTTP/2",
  "fastify over HTTP/2",
  "node over HTTP/2 and TLS",
  "node core over HTTP/2 and TLS",
  "express4 over HTTP/2 and TLS",
  "fastify over HTTP/2 and TLS",
] as const;
export type Framework = (typeof FRAMEWORKS)[number] | (typeof HTTP2_FRAMEWORKS)[number];

export function isHttp2(framework: Framework): boolean {
  return framework.includes("over HTTP/2");
}

export function isSecure(framework: Framework): boolean {
  return framework.endsWith("TLS");
}

const OPTIONS = { logger: false, lint: false, crash: false } as const;
type Options = typeof OPTIONS & { firstByteDeadlineMs: number; idleDeadlineMs: number };
/** Longest time `/ok` waits for the program before it, in milliseconds: what happens late must meet it, within the deadline. */
const PATIENCE_MS = 150;
/** The same as a guard sets, so that bare and guarded servers announce the same. */
const KEEP_ALIVE_MS = 905_000;

/** A server that stays up for every program of a campaign. */
export interface Origin {
  readonly framework: Framework;
  readonly port: number;
  readonly guard: Guard | undefined;
  readonly server: Server;
  readonly runs: Map<string, Run>;
  /** Connections that are open. */
  readonly sockets: ReadonlySet<Socket>;
  close(): Promise<void>;
}

/** What the guard said of each request, by its target. */
export const records = new Map<string, RequestRecord[]>();
export const incidents = new Map<string, string[]>();
channel("rayguard:request").subscribe((message) => {
  const record = message as RequestRecord;
  const known = records.get(record.url);
  if (known === undefined) records.set(record.url, [record]);
  else known.push(record);
});
channel("rayguard:incident").subscribe((message) => {
  const { url, code, action } = message as { url: string; code: string; action: string };
  const known = incidents.get(url);
  if (known === undefined) incidents.set(url, [`${code} ${action}`]);
  else known.push(`${code} ${action}`);
});

/** Starts a framework with the guard, or bare. */
export async function startOrigin(framework: Framework, guarded: boolean, deadlineMs = 250): Promise<Origin> {
  const options = guarded ? { ...OPTIONS, firstByteDeadlineMs: deadlineMs, idleDeadlineMs: deadlineMs } : undefined;
  const runs = new Map<string, Run>();
  const runOf = (request: IncomingMessage) =>
    runs.get(/^\/(?:ok|first|p)\/([^/?]+)/.exec(request.url ?? "")?.[1] ?? "");
  const started = framework.startsWith("node")
    ? startNode(framework, options, runOf)
    : framework.startsWith("express")
      ? startExpress(framework, options, runOf)
      : await startFastify(framework, options, runOf);
  const { server, guard, close } = started;
  if (!guarded && !isHttp2(framework)) server.keepAliveTimeout = KEEP_ALIVE_MS;
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  if (!server.listening) await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { framework, port: (server.address() as AddressInfo).port, guard, server, runs, sockets, close };
}

type Started = { server: Server; guard: Guard | undefined; close(): Promise<void> };
type RunOf = (request: IncomingMessage) => Run | undefined;

let certificate: ReturnType<typeof selfSigned> | undefined;
function credentials(): ReturnType<typeof selfSigned> {
  certificate ??= selfSigned();
  return certificate;
}

function serverFor(framework: Framework, listener?: Misused): Misused {
  if (!isHttp2(framework)) return createServer(listener);
  const server = isSecure(framework) ? http2.createSecureServer(credentials()) : http2.createServer();
  if (listener !== undefined) server.on("request", listener);
  // Node's own default ends the process for what a client has done.
  return server.on("sessionError", () => {});
}

function startNode(framework: Framework, options: Options | undefined, runOf: RunOf): Started {
  const guard = options ? createGuard(options) : undefined;
  const listener = (req: Misused, res: Misused) => {
    const run = runOf(req);
    if (!req.url.startsWith("/p/")) return plain(run, req, res);
    if (run === undefined) return res.end();
    const stage: Stage = {
      req,
      res,
      answersFor: "nothing",
      answer: (how) => {
        if (how === "nothing") return;
        if (how === "stream") Readable.from(["stream"]).pipe(res.sink ?? res);
        else res.writeHead(how === "error" ? 500 : 200, { "Content-Type": "text/plain" }).end(`answer ${how}`);
      },
      next: () => {},
    };
    return interpret(run, stage);
  };
  const isCore = framework.startsWith("node core");
  const isAttachedOnly = framework === "node, attached only" || isCore;
  const own = isAttachedOnly || guard === undefined ? listener : guard.listener(listener as Misused);
  const server = serverFor(framework, isCore ? undefined : own);
  if (isCore)
    server.on("stream", (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) =>
      listener(new CoreRequest(stream, headers), new CoreResponse(stream)),
    );
  guard?.attach(server);
  return { server, guard, close: () => closeServer(server, guard) };
}

function startExpress(framework: Framework, options: Options | undefined, runOf: RunOf): Started {
  const express: Misused = framework.startsWith("express5") ? express5 : express4;
  const app: Misused = isHttp2(framework) ? overHttp2(express)() : express();
  app.set("env", "test"); // otherwise the final handler prints every error
  const guard = options ? expressGuard(options) : undefined;
  if (guard && !framework.endsWith("attached only")) app.use(guard);
  app.use((req: Misused, res: Misused, next: Misused) => {
    const run = runOf(req);
    if (!req.url.startsWith("/p/")) return plain(run, req, res);
    if (run === undefined) return res.end();
    const stage: Stage = {
      req,
      res,
      answersFor: "errors",
      answer: (how) => {
        if (how === "text") res.send("answer text");
        else if (how === "json") res.json({ answer: "json" });
        else if (how === "status") res.sendStatus(404);
        else if (how === "error") next(new Error("secret of the answer"));
        else if (how === "stream") Readable.from(["stream"]).pipe(res);
        else res.send();
      },
      next,
    };
    return interpret(run, stage);
  });
  if (guard && framework.endsWith("errorHandler")) app.use(guard.errorHandler);
  const server = serverFor(framework, app);
  guard?.attach(server);
  return { server, guard: guard as Guard | undefined, close: () => closeServer(server, guard) };
}

async function startFastify(framework: Framework, options: Options | undefined, runOf: RunOf): Promise<Started> {
  const secured = { http2: true, ...(isSecure(framework) && { https: credentials() }) };
  const app: Misused = fastify((isHttp2(framework) ? secured : { keepAliveTimeout: KEEP_ALIVE_MS }) as Misused);
  if (options) await app.register(fastifyGuard, options);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request: Misused, _content: Misused, done: (error: null) => void) => done(null));
  app.all("/*", (request: Misused, reply: Misused) => {
    const run = runOf(request.raw);
    if (!request.raw.url.startsWith("/p/") || run === undefined) {
      reply.hijack();
      return plain(run, request.raw, reply.raw);
    }
    if (framework === "fastify hijacked") reply.hijack();
    const stage: Stage = {
      req: request.raw,
      res: reply.raw,
      answersFor: "all",
      answer: (how) => {
        if (how === "text") reply.send("answer text");
        else if (how === "json") reply.send({ answer: "json" });
        else if (how === "status") reply.code(404).send();
        else if (how === "error") reply.send(new Error("secret of the answer"));
        else if (how === "stream") reply.send(Readable.from(["stream"]));
        else reply.send();
      },
      next: (error) => reply.send(error),
    };
    return interpret(run, stage);
  });
  await app.listen({ port: 0, host: "127.0.0.1" });
  return { server: app.server, guard: app.rayguard, close: () => app.close() };
}

/** `/first` is in front of a pipelined program, `/ok` behind it and in the way of whatever it does late. */
async function plain(run: Run | undefined, req: Misused, res: Misused): Promise<void> {
  req.rayguard?.deadline(false);
  req.resume();
  const isFirst = req.url?.startsWith("/first/");
  const wait = new Promise<void>((resolve) => setTimeout(resolve, isFirst ? 15 : PATIENCE_MS));
  if (isFirst) await wait;
  else if (run !== undefined) await Promise.race([wait, run.done]);
  const content = `ok ${req.url}`;
  // The core API throws where the client, or the program before it, has ended the stream.
  if (res.stream?.destroyed || res.stream?.closed) return;
  res.writeHead(200, { "Content-Type": "text/plain", "Content-Length": Buffer.byteLength(content) });
  res.end(content);
}

async function closeServer(server: Server, guard: Misused): Promise<void> {
  await new Promise((resolve) => {
    server.close(resolve);
    (server as Partial<Server>).closeIdleConnections?.();
  });
  guard?.close();
}
