// Started as a process of its own: an origin server that lives and dies for real.
import http from "node:http";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { rayguard as expressGuard } from "../../adapters/express.js";
import { rayguard as fastifyGuard } from "../../adapters/fastify.js";
import { createGuard, type Guard, type GuardOptions } from "../../src/index.js";

export type OriginName = "node" | "node:http2" | "listener, not attached" | "express5" | "express4" | "fastify";

const [name, isGuarded, json] = process.argv.slice(2) as [OriginName, "guarded" | "bare", string];
const options = { logger: false, lint: false, ...(JSON.parse(json ?? "{}") as object) } as GuardOptions;

/** Every route of every origin, on Node's own objects. */
function route(req: http.IncomingMessage, res: http.ServerResponse): void {
  const path = req.url?.split("?")[0] ?? "";
  switch (path) {
    case "/slow":
      setTimeout(() => res.end("slow"), 300);
      return;
    case "/hang":
      process.send?.("hangs");
      return;
    case "/stream":
      res.write("begun");
      res.flushHeaders?.();
      process.send?.("hangs");
      return;
    case "/throw-timer":
      setTimeout(() => {
        throw new TypeError("thrown from a timer");
      }, 5);
      return;
    case "/throw-tick":
      process.nextTick(() => {
        throw new TypeError("thrown from a tick");
      });
      return;
    case "/throw-emitter":
      setTimeout(() => new http.Server().emit("error", new TypeError("thrown from an emitter")), 5);
      return;
    case "/reject":
      setTimeout(() => void Promise.reject(new TypeError("rejected in a timer")), 5);
      return;
    case "/throw-end":
      req.resume().on("end", () => {
        throw new TypeError("thrown at the end of the request");
      });
      return;
    case "/throw-twice":
      setTimeout(() => {
        setTimeout(() => {
          throw new TypeError("the second one");
        }, 50);
        throw new TypeError("the first one");
      }, 5);
      return;
    case "/exit":
      process.exit(Number(new URL(req.url as string, "http://a").searchParams.get("code") ?? 0));
      break;
    default:
      setTimeout(() => {
        res.writeHead(200, { "Content-Type": "text/plain" });
        res.end("ok");
      }, 3);
  }
}

async function start(): Promise<{ server: http.Server; guard: Guard | undefined; close: () => Promise<unknown> }> {
  if (name === "fastify") {
    const { default: fastify } = await import("fastify");
    const app = fastify({ keepAliveTimeout: 60_000 });
    if (isGuarded === "guarded") await app.register(fastifyGuard, options);
    app.all("/*", (request, reply) => {
      reply.hijack();
      route(request.raw, reply.raw);
    });
    await app.listen({ port: 0, host: "127.0.0.1" });
    return { server: app.server, guard: app.rayguard, close: () => app.close() };
  }
  if (name === "node") {
    const server = http.createServer({ keepAliveTimeout: 60_000 }, route);
    const guard = isGuarded === "guarded" ? createGuard(options) : undefined;
    guard?.attach(server);
    return { server, guard, close: () => new Promise((resolve) => server.close(resolve)) };
  }
  if (name === "node:http2") {
    const server = http2.createServer(route as never) as unknown as http.Server;
    const guard = isGuarded === "guarded" ? createGuard(options) : undefined;
    guard?.attach(server);
    return { server, guard, close: () => new Promise((resolve) => server.close(resolve)) };
  }
  if (name === "listener, not attached") {
    const guard = createGuard(options);
    const server = http.createServer(guard.listener(route));
    return { server, guard, close: () => new Promise((resolve) => server.close(resolve)) };
  }
  const { default: express } = await import(name === "express4" ? "express4" : ("express" as string));
  const app = express();
  const guard = isGuarded === "guarded" ? expressGuard(options) : undefined;
  if (guard) app.use(guard);
  app.use((req: http.IncomingMessage, res: http.ServerResponse) => route(req, res));
  const server = http.createServer({ keepAliveTimeout: 60_000 }, app);
  guard?.attach(server);
  return { server, guard: guard as Guard | undefined, close: () => new Promise((resolve) => server.close(resolve)) };
}

const { server, guard, close } = await start();
const onMessage = (message: unknown) => {
  if (message === "close") void close().then(() => process.disconnect());
  if (message === "drain") void guard?.drain().then(() => process.disconnect());
  if (message === "throw") {
    setTimeout(() => {
      throw new TypeError("thrown while idle");
    }, 1);
  }
  if (message === "own uncaughtException") {
    process.on("uncaughtException", () => process.send?.("own listener"));
    process.on("uncaughtExceptionMonitor", () => process.send?.("monitor"));
    process.send?.("ready");
  }
  if (message === "own SIGTERM") {
    process.on("SIGTERM", () => process.send?.("own listener"));
    process.send?.("ready");
  }
};
// Under PM2 the guard's own listener is to be the only one.
if (process.env.pm_id === undefined) process.on("message", onMessage);
guard?.onDrained(() => void process.send?.("drained"));
if (!server.listening) await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
process.send?.({ port: (server.address() as AddressInfo).port });
