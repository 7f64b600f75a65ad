import type { FastifyInstance, FastifyPluginCallback, FastifyReply, FastifyRequest } from "fastify";
import fp from "fastify-plugin";
import type { Guard, GuardOptions, RequestContext, RouteSettings } from "../src/index.js";
import { type AdapterGuard, containPromise, GuardCore } from "../src/internals.js";
import { onError } from "./fastify/error-handling.js";
import { watchHandler } from "./fastify/hijacked.js";

export { genReqId } from "./fastify/request-id.js";

type RouteConfig = { rayguard?: Partial<RouteSettings> };

const plugin: FastifyPluginCallback<GuardOptions> = function rayguardPlugin(fastify, options, done) {
  const isNested = fastify.hasDecorator("rayguard");
  let guard: AdapterGuard;
  try {
    guard = new GuardCore(options);
  } catch (error) {
    return done(error as Error);
  }
  if (guard.passThrough !== undefined) {
    passThrough(fastify, guard, options.logger === undefined, isNested);
    return done();
  }
  if (isRoot(fastify)) guard.attach(fastify.server);
  else guard.attachInPart(fastify.server);
  if (!isNested) {
    if (options.logger === undefined) guard.useLogger(fastify.log);
    decorate(fastify, guard);
    if (guard.enforces) fastify.addHook("onError", onError);
  }
  const usesFrameworkLogger = options.logger === undefined;
  fastify.addHook("onRequest", function rayguardOnRequest(request, reply, next) {
    const exchange = guard.accept(request.raw, reply.raw);
    if (!isNested) watchHandler(request, guard);
    if (usesFrameworkLogger) exchange.logger = request.log;
    if (exchange.trace === undefined) guard.enter(exchange); // behind a server it has been: here for inject()
    if ((guard.rejectsDirect || !exchange.examined) && guard.answers(exchange)) reply.hijack();
    else if (guard.overload === undefined || guard.overload.admits(exchange, next)) next();
    else if (exchange.phase.isVoid) reply.hijack();
  });
  fastify.addHook("onRoute", (route) => {
    const own = (route.config as RouteConfig | undefined)?.rayguard;
    if (own === undefined || isNested) return;
    const apply = guard.route(own);
    const hook = (request: FastifyRequest, reply: FastifyReply, next: () => void) => {
      apply(guard.accept(request.raw, reply.raw));
      next();
    };
    route.onRequest = [
      ...(Array.isArray(route.onRequest) ? route.onRequest : route.onRequest ? [route.onRequest] : []),
      hook,
    ];
  });
  let listens = false;
  fastify.addHook("onListen", (next) => {
    listens = true;
    next();
  });
  if (!isNested) {
    guard.lifecycle.afterDrain = () => fastify.close();
    // Before Fastify closes its listeners, and with them whatever is on its way.
    fastify.addHook("preClose", (next) => {
      const isForced = fastify.initialConfig.forceCloseConnections === true;
      // Fastify refuses every request from here on: there is nothing left to serve, and no time to wait for.
      const times = { lameDuckMs: 0, ...(isForced ? { graceMs: 0 } : {}) };
      if (guard.enforces) guard.drain(times, listens ? "at once" : "by the app").then(() => next(), next);
      else {
        containPromise(guard.witness, guard.drain(times, "untouched"));
        next();
      }
    });
  }
  fastify.addHook("onClose", (_instance, next) => {
    guard.close();
    next();
  });
  done();
};

/** Whether hooks added here are called for every request: an encapsulated context inherits from the one around it. */
function isRoot(fastify: FastifyInstance): boolean {
  return !("server" in Object.getPrototypeOf(fastify));
}

function decorate(fastify: FastifyInstance, guard: Guard): void {
  fastify.decorate("rayguard", guard);
  fastify.decorateRequest("rayguard", {
    getter(this: FastifyRequest) {
      return this.raw.rayguard as RequestContext;
    },
  });
}

/** In a runtime that is not supported: what handlers read is there, and nothing else. */
function passThrough(fastify: FastifyInstance, guard: AdapterGuard, usesFrameworkLogger: boolean, isNested: boolean) {
  if (usesFrameworkLogger) guard.useLogger(fastify.log);
  if (!isNested) decorate(fastify, guard);
  guard.attach(fastify.server);
  fastify.addHook("onRequest", (request, reply, next) => {
    if (guard.passThrough?.answers(request.raw, reply.raw)) reply.hijack();
    else next();
  });
  fastify.addHook("onClose", (_instance, next) => {
    guard.close();
    next();
  });
}

/** Versions it is tried with; package.json says the same of the peer. A plain range leaves the pre-releases of 6 out. */
const FASTIFY = ">=5 <7 || ^6.0.0-alpha.0";

/** The guard as a Fastify plugin: `await app.register(rayguard, options)`. */
export const rayguard: FastifyPluginCallback<GuardOptions> = fp(plugin, { fastify: FASTIFY, name: "rayguard" });

export default rayguard;

declare module "fastify" {
  interface FastifyInstance {
    rayguard: Guard;
  }
  interface FastifyRequest {
    rayguard: RequestContext;
  }
  interface FastifyContextConfig {
    rayguard?: Partial<RouteSettings>;
  }
}
