import { AsyncLocalStorage } from "node:async_hooks";
import express from "express";
import { lineOf } from "./line.js";

const DEADLINE_MS = 95_000;

/** A connection waits while the other variants take their turns, on a busy machine for longer than Node's 5 s. */
const IDLE_MS = 600_000;

/** Each variant: what surrounds the routes of the same application. */
const variants = {
  bare: () => ({ before() {}, after() {}, listening() {} }),

  // Express has no logger of its own.
  logger: () => variants.bare(),

  // What nobody can leave out who tells an uncaught exception its request: a middleware and an AsyncLocalStorage.
  context: () => withContext(() => {}),

  // The same, and one line with the fields of the guard's.
  line: async () => {
    const { pino } = await import("pino");
    const log = pino({ base: null }, pino.destination({ dest: 1, sync: false }));
    return withContext((req, res) => {
      const startedAt = performance.now();
      res.on("close", () => log.info(lineOf(req, res.statusCode, performance.now() - startedAt), "request"));
    });
  },

  guarded: () => withGuard({ logger: false }),

  // The guard's own pino writes to stdout, which the benchmark redirects.
  everything: () => withGuard({}),

  "pino-http": async () => {
    const { pinoHttp } = await import("pino-http");
    return { before: (app) => app.use(pinoHttp()), after() {}, listening() {} };
  },

  morgan: async () => {
    const { default: morgan } = await import("morgan");
    return { before: (app) => app.use(morgan("combined")), after() {}, listening() {} };
  },

  usual: async () => {
    const { default: overloadProtection } = await import("overload-protection");
    const { default: timeout } = await import("connect-timeout");
    const { pinoHttp } = await import("pino-http");
    const { createTerminus } = await import("@godaddy/terminus");
    return {
      before(app) {
        // The default of 42 ms would shed requests on a busy machine; the work per request is the same.
        app.use(overloadProtection("express", { maxEventLoopDelay: 1_000, production: true }));
        app.use(pinoHttp());
        app.use(timeout(DEADLINE_MS));
      },
      after(app) {
        app.use((error, req, res, next) => {
          req.log.error(error);
          if (res.headersSent) return next(error);
          res.status(error.statusCode ?? 500).json({ error: "Internal Server Error" });
        });
      },
      listening(server) {
        createTerminus(server, { healthChecks: { "/health": async () => ({}) }, timeout: 25_000 });
      },
    };
  },
};

/** Starts the Express origin server of a variant and gives its port. */
export async function start(variant, waiting) {
  const { before, after, listening } = await variants[variant]();
  const app = express();
  before(app);
  app.get("/", (_req, res) => {
    res.json({ message: "hello from the origin", ok: true });
  });
  app.get("/wait", (_req, res) => {
    waiting.push(res);
  });
  app.get("/stall", (_req, res) => {
    res.write("first octets, then silence");
    waiting.push(res);
  });
  after(app);
  const server = app.listen(0, "127.0.0.1");
  server.keepAliveTimeout = IDLE_MS;
  listening(server);
  await new Promise((resolve) => server.once("listening", resolve));
  return server.address().port;
}

function withContext(meet) {
  const context = new AsyncLocalStorage();
  return {
    before: (app) =>
      app.use((req, res, next) => {
        context.enterWith({ req });
        meet(req, res);
        next();
      }),
    after() {},
    listening() {},
  };
}

async function withGuard(options) {
  const { rayguard } = await import("rayguard/express");
  const guard = rayguard({ trust: "loopback", ...options });
  return {
    before: (app) => app.use(guard),
    after: (app) => app.use(guard.errorHandler),
    listening: (server) => guard.attach(server),
  };
}
