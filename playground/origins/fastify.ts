import Fastify, { LogController } from "fastify";
import { dropClient, KEEP_ALIVE_MS } from "../causes/connection.js";
import { ALL_CAUSES } from "../causes/index.js";
import { guardOptions, HOST, type Origin, type OriginOptions, slowAnswer } from "./origin.js";

/** A Fastify app with every mistake in it; the guarded one differs in the line that registers the guard. */
export async function startFastify(options: OriginOptions): Promise<Origin> {
  const { guarded, port, watch } = options;
  const app = Fastify({
    logger: true,
    // The guard writes a line for each request.
    logController: new LogController({ disableRequestLogging: true }),
    keepAliveTimeout: KEEP_ALIVE_MS,
    clientErrorHandler: dropClient,
  });
  // Loaded on demand: the bare origin server runs without the package being built.
  if (guarded) await app.register((await import("rayguard/fastify")).default, guardOptions(options));
  if (watch) {
    app.addHook("onRequest", (request, reply, next) => {
      watch(request.raw, reply.raw);
      next();
    });
  }

  app.get("/", () => "intact\n");
  app.all("/slow", (_request, reply) => slowAnswer(reply.raw));
  for (const { name, handler, fastify } of ALL_CAUSES) {
    if (fastify) app.all(`/${name}`, (request, reply) => fastify(request, reply));
    else if (handler) app.all(`/${name}`, (request, reply) => answerRaw(() => handler(request.raw, reply.raw)));
  }

  for (const cause of ALL_CAUSES) cause.server?.(app.server);
  await app.listen({ port, host: HOST });
  return { server: app.server, guard: guarded ? app.rayguard : undefined };
}

/** Runs a handler that answers on the raw objects: what it returns is no content, what it throws is Fastify's to see. */
function answerRaw(run: () => unknown): Promise<undefined> | undefined {
  const result = run();
  return result instanceof Promise ? result.then(() => undefined) : undefined;
}
