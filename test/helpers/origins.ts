import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import http2 from "node:http2";
import { type AddressInfo, createServer as createTcpServer, type Socket, type Server as TcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import express5 from "express";
import express4 from "express4";
import fastify from "fastify";
import {
  type Aid,
  type Framework,
  type Misused,
  type Protocol,
  type Scenario,
  sleep,
  type Variant,
} from "../origins/scenario.js";
import { selfSigned } from "../testing/certificate.js";
import { overHttp2 } from "./express-http2.js";

/** Entries of rayguard, by the paths of this tree; loaded late so that bare origins run without them. */
export type Rayguard = { createGuard: Misused; expressGuard: Misused; fastifyGuard: Misused };

export async function loadRayguard(framework: Framework): Promise<Rayguard> {
  const entry = {
    node: "../../src/index.js",
    express5: "../../adapters/express.js",
    express4: "../../adapters/express.js",
    fastify: "../../adapters/fastify.js",
  }[framework];
  const { createGuard, rayguard, default: plugin } = (await import(entry)) as Misused;
  return { createGuard, expressGuard: rayguard, fastifyGuard: plugin };
}

export const GUARD_OPTIONS = { firstByteDeadlineMs: 300, idleDeadlineMs: 300, logger: false } as const;

export type RunningOrigin = {
  port: number;
  /** Ends the origin; `false` when it does not close within the time. */
  close(): Promise<boolean>;
};

type Start = {
  framework: Framework;
  protocol: Protocol;
  variant: Variant;
  scenario: Scenario;
  rayguard: Rayguard | undefined;
};

/** Starts the origin of a scenario on a free port, bare where there is no `rayguard`. */
export async function startOrigin(start: Start): Promise<RunningOrigin> {
  const aid = new ScenarioAid();
  const running = await STARTERS[start.framework](start, aid);
  const { port } = running.server.address() as AddressInfo;
  const sockets = new Set<Socket>();
  running.server.on("connection", (socket) => void sockets.add(socket));
  return {
    port,
    async close() {
      const closed = await Promise.race([running.close().then(() => true), sleep(3000).then(() => false)]);
      for (const socket of sockets) socket.destroy();
      await aid.close();
      return closed;
    },
  };
}

type Started = { server: Server; close(): Promise<unknown> };

const STARTERS: Record<Framework, (start: Start, aid: ScenarioAid) => Promise<Started>> = {
  node: startNode,
  express5: (start, aid) => startExpress(express5 as Misused, start, aid),
  express4: (start, aid) => startExpress(express4 as Misused, start, aid),
  fastify: startFastify,
};

/** The second request of every scenario. */
function ok(req: Misused, res: Misused): void {
  const query = new URL(req.url, "http://origin").searchParams;
  const answer = () => res.end(`ok ${query.get("token")}`);
  const ms = Number(query.get("ms") ?? 0);
  if (ms > 0) setTimeout(answer, ms);
  else answer();
}

let certificate: ReturnType<typeof selfSigned> | undefined;
function credentials(): ReturnType<typeof selfSigned> {
  certificate ??= selfSigned();
  return certificate;
}

/** A server of `node:http` or `node:http2`; the difference is left to the scenarios. */
function serverOf({ protocol, scenario }: Start, listener: Misused): Server {
  if (protocol === "http/1.1") return createServer(scenario.serverOptions ?? {}, listener);
  const server = protocol === "h2" ? http2.createSecureServer(credentials(), listener) : http2.createServer(listener);
  // Node's own default ends the process for what a client has done.
  server.on("sessionError", () => {});
  return server as Misused;
}

async function startNode(start: Start, aid: ScenarioAid): Promise<Started> {
  const { scenario, rayguard } = start;
  const guard = rayguard?.createGuard({ ...GUARD_OPTIONS, ...scenario.guard });
  const listener = (req: Misused, res: Misused) =>
    req.url.startsWith("/ok") ? ok(req, res) : scenario.origin?.(req, res, aid);
  const server = serverOf(start, guard ? guard.listener(listener) : listener);
  scenario.server?.(server);
  guard?.attach(server);
  await listen(server);
  return { server, close: () => closeServer(server, guard) };
}

async function startExpress(express: Misused, start: Start, aid: ScenarioAid): Promise<Started> {
  const { scenario, rayguard, variant, protocol } = start;
  const framework = protocol === "http/1.1" ? express : overHttp2(express);
  const app = framework();
  await scenario.before?.(app, aid);
  const guard = rayguard?.expressGuard({ ...GUARD_OPTIONS, ...scenario.guard });
  if (guard) app.use(guard);
  app.get("/ok", ok);
  if (scenario.express) await scenario.express(app, aid, framework);
  else app.use((req: Misused, res: Misused) => scenario.origin?.(req, res, aid));
  if (guard && variant === "errorHandler") app.use(guard.errorHandler);
  const server = serverOf(start, app);
  scenario.server?.(server);
  guard?.attach(server);
  await listen(server);
  return { server, close: () => closeServer(server, guard) };
}

async function startFastify({ scenario, rayguard, variant, protocol }: Start, aid: ScenarioAid): Promise<Started> {
  const http = scenario.serverOptions === undefined ? {} : { http: scenario.serverOptions };
  const over = { "http/1.1": http, h2c: { http2: true }, h2: { http2: true, https: credentials() } }[protocol];
  const app = fastify({ ...over, ...scenario.fastifyOptions } as Misused) as Misused;
  scenario.server?.(app.server);
  await scenario.before?.(app, aid);
  if (rayguard) await app.register(rayguard.fastifyGuard, { ...GUARD_OPTIONS, ...scenario.guard });
  app.get("/ok", (request: Misused, reply: Misused) => {
    reply.hijack();
    ok(request.raw, reply.raw);
  });
  if (scenario.fastify) await scenario.fastify(app, aid);
  else routeRaw(app, scenario, variant, aid);
  await app.listen({ port: 0, host: "127.0.0.1" });
  return { server: app.server, close: () => app.close() };
}

/** Gives every request to the scenario's raw handler. */
function routeRaw(app: Misused, scenario: Scenario, variant: Variant, aid: ScenarioAid): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request: Misused, _content: Misused, done: (error: null) => void) => done(null));
  const handler = (request: Misused, reply: Misused) => {
    if (variant === "hijacked") reply.hijack();
    const result = scenario.origin?.(request.raw, reply.raw, aid) as Misused;
    // Fastify answers for a handler whose promise is over: these origins answer by themselves, and fail through Fastify.
    if (typeof result?.then === "function") result.then(undefined, (error: unknown) => passOn(error, reply));
  };
  app.all("/", handler);
  app.all("/*", handler);
}

/** Fastify cannot take everything that can be thrown. */
function passOn(error: unknown, reply: Misused): void {
  try {
    reply.code(500).send(error);
  } catch {}
}

function listen(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
}

async function closeServer(server: Server, guard: Misused): Promise<void> {
  await new Promise((resolve) => {
    server.close(resolve);
    server.closeIdleConnections?.();
  });
  await guard?.close?.();
}

class ScenarioAid implements Aid {
  #upstreams: TcpServer[] = [];
  #sockets = new Set<Socket>();
  #directory: string | undefined;

  async upstream(serve: (socket: Socket) => void): Promise<number> {
    const server = createTcpServer((socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      serve(socket);
    });
    this.#upstreams.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return (server.address() as AddressInfo).port;
  }

  async file(octets: number, name = "file.txt"): Promise<string> {
    this.#directory ??= await mkdtemp(join(tmpdir(), "rayguard-origins-"));
    const path = join(this.#directory, name);
    await writeFile(path, Buffer.alloc(octets, "x"));
    return path;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    for (const server of this.#upstreams) server.close();
    if (this.#directory !== undefined) await rm(this.#directory, { recursive: true, force: true });
  }
}
