import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import express from "express";
import fastify from "fastify";
import { rayguard } from "../../adapters/express.js";
import plugin from "../../adapters/fastify.js";
import type { GuardOptions } from "../../src/index.js";
import type { Misused } from "../origins/scenario.js";
import { MISBEHAVIOURS, pathOf } from "./misbehaviours/index.js";

/** An origin server that misbehaves at every path of `MISBEHAVIOURS`, and answers `/ok` with its query. */
export interface Origin {
  readonly framework: string;
  readonly guarded: boolean;
  readonly port: number;
  close(): Promise<unknown>;
}

/**
 * The edge takes 128 KiB and 256 lines; nginx takes one page of memory and HAProxy 101 lines, so an origin server
 * behind those lowers the budgets of the guard to theirs.
 */
const OPTIONS: GuardOptions = {
  logger: false,
  firstByteDeadlineMs: 400,
  idleDeadlineMs: 400,
  maxHeaderSectionOctets: 4096,
  maxFieldLines: 100,
};

/** Shorter than any proxy keeps an idle connection. Set for every origin server, since the guard is to raise it. */
export const KEEP_ALIVE_MS = 100;
/** What Node adds to it. */
export const KEEP_ALIVE_BUFFER_MS = 1000;

/** Starts both origin servers, with the guard and bare. */
export async function startOrigins(): Promise<Origin[]> {
  const started: Origin[] = [];
  for (const guarded of [true, false]) {
    started.push(await startExpress(guarded), await startFastify(guarded));
  }
  return started;
}

async function startExpress(guarded: boolean): Promise<Origin> {
  const app = express();
  const guard = guarded ? rayguard(OPTIONS) : undefined;
  if (guard) app.use(guard as Misused);
  app.all("/ok", (req, res) => void res.end(req.url));
  for (const misbehaviour of MISBEHAVIOURS) {
    app.all(pathOf(misbehaviour), (misbehaviour.express ?? misbehaviour.origin) as Misused);
  }
  if (guard) app.use(guard.errorHandler as Misused);
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, app);
  guard?.attach(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
    guard?.close();
  };
  return { framework: "Express", guarded, port: (server.address() as AddressInfo).port, close };
}

async function startFastify(guarded: boolean): Promise<Origin> {
  const app = fastify({ forceCloseConnections: true, keepAliveTimeout: KEEP_ALIVE_MS });
  if (guarded) await app.register(plugin, OPTIONS);
  // Uploads reach the handlers unread.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, _content, done) => done(null));
  app.all("/ok", (request, reply) => reply.send(request.url));
  for (const misbehaviour of MISBEHAVIOURS) app.all(pathOf(misbehaviour), fastifyHandler(misbehaviour) as Misused);
  await app.listen({ port: 0, host: "127.0.0.1" });
  return { framework: "Fastify", guarded, port: (app.server.address() as AddressInfo).port, close: () => app.close() };
}

/** A raw handler fails through Fastify, but a promise of it that is over answers nothing. */
function fastifyHandler({ fastify: own, origin }: (typeof MISBEHAVIOURS)[number]): unknown {
  if (own !== undefined || origin === undefined) return own;
  return (request: Misused, reply: Misused) => {
    const result = origin(request.raw, reply.raw) as Misused;
    if (typeof result?.then === "function") result.then(undefined, (error: unknown) => reply.send(error));
  };
}
