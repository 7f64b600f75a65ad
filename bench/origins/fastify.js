import { AsyncLocalStorage } from "node:async_hooks";
import Fastify, { LogController } from "fastify";
import { lineOf } from "./line.js";

/** A connection waits while the other variants take their turns, on a busy machine for longer than the default. */
const keepAliveTimeout = 600_000;

/** Each variant: the instance, before the routes of the same application are added. */
const variants = {
  bare: () => Fastify({ keepAliveTimeout }),

  logger: () => Fastify({ ...quietLogger(), keepAliveTimeout }),

  // What nobody can leave out who tells an uncaught exception its request: a hook and an AsyncLocalStorage.
  context: () => withContext(Fastify({ keepAliveTimeout })),

  // The same, and one line with the fields of the guard's through Fastify's logger.
  line: () => {
    const app = withContext(Fastify({ ...quietLogger(), keepAliveTimeout }));
    app.addHook("onResponse", (request, reply, done) => {
      request.log.info(lineOf(request, reply.statusCode, reply.elapsedTime), "request");
      done();
    });
    return app;
  },

  guarded: () => withGuard(Fastify({ keepAliveTimeout }), { logger: false }),

  // The guard writes the request line through Fastify's logger, so Fastify's own two lines are turned off.
  everything: () => withGuard(Fastify({ ...quietLogger(), keepAliveTimeout }), {}),

  "own-lines": () => Fastify({ logger: true, keepAliveTimeout }),

  usual: async () => {
    const { default: underPressure } = await import("@fastify/under-pressure");
    const app = Fastify({ logger: true, connectionTimeout: 95_000, requestTimeout: 95_000, keepAliveTimeout });
    // No limit on utilization: the load keeps this server at 100 %, and it would shed every request.
    const limits = { maxEventLoopDelay: 1_000, maxHeapUsedBytes: 2 ** 34 };
    await app.register(underPressure, { ...limits, exposeStatusRoute: "/health" });
    app.addHook("onRequest", (request, reply, done) => {
      request.log = reply.log = request.log.child({ ray: request.headers["cf-ray"] });
      done();
    });
    return app;
  },
};

/** Starts the Fastify origin server of a variant and gives its port. */
export async function start(variant, waiting) {
  const app = await variants[variant]();
  app.get("/", (_request, reply) => {
    reply.send({ message: "hello from the origin", ok: true });
  });
  app.get("/wait", (_request, reply) => {
    waiting.push(reply);
  });
  app.get("/stall", (_request, reply) => {
    reply.hijack();
    reply.raw.write("first octets, then silence");
    waiting.push(reply);
  });
  await app.listen({ port: 0, host: "127.0.0.1" });
  return app.server.address().port;
}

function quietLogger() {
  return { logger: true, logController: new LogController({ disableRequestLogging: true }) };
}

function withContext(app) {
  const context = new AsyncLocalStorage();
  app.addHook("onRequest", (request, _reply, done) => {
    context.enterWith({ request });
    done();
  });
  return app;
}

async function withGuard(app, options) {
  const { rayguard } = await import("rayguard/fastify");
  await app.register(rayguard, { trust: "loopback", ...options });
  return app;
}
