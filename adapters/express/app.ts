import type { IncomingMessage, ServerResponse } from "node:http";
import { clearTimeout, setTimeout } from "../../src/clock.js";
import {
  type AdapterGuard,
  contained,
  coverPrototypes,
  exchangeOf,
  MESSAGES,
  validateHeaderName,
  validateHeaderValue,
} from "../../src/internals.js";
import { awaitLayers, awaitParams, isRejection } from "./async-layers.js";
import { dropLostFields, fieldsRefusedOf } from "./lost-fields.js";
import { leaveUnattended } from "./unattended.js";

type Next = (error?: unknown) => void;
type Request = IncomingMessage & { readonly route?: unknown };

interface Layer {
  readonly handle: unknown;
  readonly name?: string;
  /** That of a route. */
  readonly route?: unknown;
  match(path: string): unknown;
}

/** What the adapter needs of an Express application. */
export interface ExpressApp {
  readonly parent?: ExpressApp;
  readonly request: object;
  readonly response: object;
  readonly _router?: { readonly stack: Layer[] };
  readonly router?: { readonly stack: Layer[] };
  use(...handlers: unknown[]): unknown;
}

/** How long an error waits for the rest of an unfinished upload before it is answered, in milliseconds. */
const UPLOAD_PATIENCE_MS = 500;

const prepared = new WeakSet<object>();

/**
 * Done once for each application, at its first request, when all of it is in place: follows every response of
 * the application to its prototype, and appends an observer behind everything else.
 */
export function prepareApp(app: ExpressApp, guard: AdapterGuard, middleware: unknown): void {
  if (prepared.has(app)) return;
  prepared.add(app);
  let root = app;
  while (root.parent !== undefined) root = root.parent;
  coverPrototypes(root.response);
  const stack = stackOf(root);
  if (guard.enforces && stack?.[0] !== undefined) awaitLayers(stack[0]);
  if (guard.enforces && root._router !== undefined) awaitParams(root._router);
  if (stack !== undefined && isMountedLate(stack, middleware)) guard.witness.warn({}, MESSAGES.mountedLate);
  if (prepared.has(root) && root !== app) return;
  prepared.add(root);
  appendObservers(root, guard);
}

function stackOf(app: ExpressApp): Layer[] | undefined {
  // Express 4 has `_router`, and a `router` that throws.
  return (app._router ?? app.router)?.stack;
}

function isMountedLate(stack: Layer[], middleware: unknown): boolean {
  const own = stack.filter((layer) => layer.name !== "query" && layer.name !== "expressInit");
  return own.findIndex((layer) => layer.handle === middleware) > 0;
}

/** Errors nobody has handled, and requests nobody has answered, are about to reach Express's own final handler. */
function appendObservers(app: ExpressApp, guard: AdapterGuard): void {
  const last = stackOf(app)?.findLast(({ name }) => name !== "rayguardErrorHandler");
  let current: Request | undefined;
  app.use(function rayguardUnhandledError(error: unknown, request: Request, response: ServerResponse, next: Next) {
    current = request;
    const exchange = exchangeOf(response);
    if (exchange === undefined) return next(error);
    exchange.cause = error;
    if (!guard.enforces) {
      // Why the final handler destroys the socket.
      if (response.headersSent) guard.failed(exchange, error);
      return next(error);
    }
    // The final handler would destroy the socket, and with it whatever else is under way on this connection.
    if (response.headersSent || exchange.phase.isVoid) return guard.failed(exchange, error);
    if (!isPresentable(error)) return guard.failed(exchange, error);
    if (!Number.isInteger(response.statusCode)) response.statusCode = 500;
    const status = statusOf(error);
    if (status >= 500) dropLostFields(response, status);
    leaveUnattended(exchange, request, response, fieldsRefusedOf(error, status));
    answerInTime(guard, request, response, error);
    next(error);
  });
  app.use(function rayguardUnanswered(request: Request, response: ServerResponse, next: Next) {
    current = request;
    const exchange = exchangeOf(response);
    if (exchange !== undefined) {
      if (guard.enforces && !request.complete) leaveUnattended(exchange, request, response, () => false);
      answerInTime(guard, request, response, { status: 404 });
    }
    next();
  });
  if (last !== undefined) standInFor(last, app, () => current);
}

/**
 * Express calls its final handler a turn later where the last layer of all was entered, and else at once. So the one
 * behind the observers matches where the last of the app was entered.
 */
function standInFor(last: Layer, app: ExpressApp, current: () => Request | undefined): void {
  app.use(function rayguardLast(_request: Request, _response: ServerResponse, next: Next) {
    next();
  });
  const own = stackOf(app)?.at(-1) as Layer;
  const { match } = own;
  own.match = (path) => {
    const isEntered = (!last.route || last.route === current()?.route) && matches(last, path);
    return isEntered && match.call(own, path);
  };
}

/** Whether a layer takes a path; it may be one that cannot be decoded. */
function matches(layer: Layer, path: string): boolean {
  try {
    return Boolean(layer.match(path));
  } catch {
    return false;
  }
}

/**
 * The status that the final handler takes of an error. Fields of a 4xx, such as the Accept-Ranges of a 416, belong to the
 * answer as much as to the content.
 */
function statusOf(error: unknown): number {
  const { status, statusCode } = Object(error) as Record<string, unknown>;
  const isOfError = (value: unknown): value is number => typeof value === "number" && value >= 400 && value < 600;
  return [status, statusCode].find(isOfError) ?? 500;
}

/**
 * Whether Express can show and log an error. It reads these of it, and sets the fields, where nobody catches what that
 * throws.
 */
function isPresentable(error: unknown): boolean {
  try {
    const { status, statusCode, headers, stack, message } = Object(error) as Record<string, unknown>;
    void [status, statusCode, message];
    String(stack || (error as object).toString());
    for (const [name, value] of Object.entries(Object(headers ?? {}))) {
      validateHeaderName(name);
      validateHeaderValue(name, value as string);
    }
    return true;
  } catch {
    return false;
  }
}

/**
 * What the edge shows of an error that Express is left alone with: nothing, since its final handler answers completely.
 * An error that it cannot show ends the process, and so does a promise rejected under Express 4.
 */
export function answeredByExpress(error: unknown): null | undefined {
  return isPresentable(error) && !isRejection(error) ? null : undefined;
}

/** The final handler answers only when the whole request content has arrived, which may be never. */
function answerInTime(guard: AdapterGuard, request: IncomingMessage, response: ServerResponse, error: unknown): void {
  if (request.complete) return;
  const answer = contained(guard.witness, () => {
    const exchange = exchangeOf(response);
    if (exchange !== undefined && !response.headersSent) guard.failed(exchange, error, false, null);
  });
  const timer = setTimeout(answer, UPLOAD_PATIENCE_MS).unref();
  response.once("close", () => clearTimeout(timer));
}
