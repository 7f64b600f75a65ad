import type { IncomingMessage, ServerResponse } from "node:http";
import type { DrainOptions, Guard, GuardOptions } from "../src/index.js";
import {
  type Exchange,
  exchangeOf,
  GuardCore,
  kObserve,
  leadsTo,
  type Observer,
  searchInside,
} from "../src/internals.js";
import { answeredByExpress, type ExpressApp, prepareApp } from "./express/app.js";
import { handlersIn, isForAll } from "./express/handlers.js";

searchInside(handlersIn);

type Next = (error?: unknown) => void;
type Request = IncomingMessage & { app?: ExpressApp };

/** A guard that is also Express middleware. */
export interface ExpressGuard extends Guard {
  (request: IncomingMessage, response: ServerResponse, next: Next): void;
  /** Last middleware: adds the cause to the incident and answers with negotiated content. */
  readonly errorHandler: (error: unknown, request: IncomingMessage, response: ServerResponse, next: Next) => void;
}

/**
 * Makes a guard for Express 4 and 5: `app.use(guard)` before anything else.
 * @throws {RayguardError} when an option cannot be taken
 */
export function rayguard(options?: GuardOptions): ExpressGuard {
  const guard = new GuardCore(options);

  let known: ExpressApp | undefined;

  function rayguardMiddleware(request: Request, response: ServerResponse, next: Next): void {
    if (guard.passThrough !== undefined) {
      if (!guard.passThrough.answers(request, response)) next();
      return;
    }
    const { app } = request;
    if (app !== known && app !== undefined) {
      prepareApp(app, guard, rayguardMiddleware);
      known = app;
    }
    const exchange = guard.accept(request, response);
    if ((guard.rejectsDirect || !exchange.examined) && guard.answers(exchange)) return;
    if (guard.overload !== undefined && !guard.overload.admits(exchange, () => enter(exchange, next))) return;
    // Where the server is attached, the request has been entered in front of the app.
    if (exchange.trace === undefined) enter(exchange, next);
    else next();
  }

  function enter(exchange: Exchange, next: Next): void {
    guard.enter(exchange);
    next();
  }

  function rayguardErrorHandler(error: unknown, _request: IncomingMessage, response: ServerResponse, next: Next): void {
    const exchange = exchangeOf(response);
    if (exchange === undefined || !guard.enforces) next(error);
    else guard.failed(exchange, error, false, response.headersSent ? undefined : answeredByExpress(error));
  }

  if (guard.passThrough === undefined) leadsTo(rayguardMiddleware, guard);
  guard.seesAll = (request) => isForAll(request, rayguardMiddleware);
  guard.recognisesApp = (app) => prepareApp(app as unknown as ExpressApp, guard, rayguardMiddleware);

  return Object.defineProperties(rayguardMiddleware, {
    attach: { value: guard.attach },
    listener: { value: guard.listener },
    stats: { value: () => guard.stats() },
    drain: { value: (options?: DrainOptions) => guard.drain(options) },
    onDrained: { value: (hook: () => unknown, options?: { timeoutMs?: number }) => guard.onDrained(hook, options) },
    close: { value: () => guard.close() },
    health: { value: guard.health },
    state: { get: () => guard.state },
    errorHandler: { value: rayguardErrorHandler },
    [kObserve]: { value: (observer: Observer) => guard[kObserve](observer) },
  }) as unknown as ExpressGuard;
}

export default rayguard;
