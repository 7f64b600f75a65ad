import { belongsToDomain } from "../../src/internals.js";

type Next = (error?: unknown) => void;

interface LayerPrototype {
  handle_request?: (this: { handle: Handler }, request: unknown, response: unknown, next: Next) => void;
  handle_error?: (this: { handle: Handler }, error: unknown, request: unknown, response: unknown, next: Next) => void;
}

type Handler = (...args: unknown[]) => unknown;

const patched = new WeakSet<object>();

/**
 * Express 4 ignores the promise a handler returns, so that a rejection ends the process and the request hangs.
 * Express 5 passes it to `next`; this gives the layers of Express 4 the same. They belong to the copy of Express in use.
 */
export function awaitLayers(layer: object): void {
  const prototype = Object.getPrototypeOf(layer) as LayerPrototype;
  const { handle_request, handle_error } = prototype;
  if (patched.has(prototype) || typeof handle_request !== "function" || typeof handle_error !== "function") return;
  patched.add(prototype);

  prototype.handle_request = function handle(request, response, next) {
    const { handle } = this;
    if (handle.length > 3) return handle_request.call(this, request, response, next);
    try {
      forward(handle(request, response, next), next);
    } catch (error) {
      next(error);
    }
  };

  prototype.handle_error = function handle_error_(error, request, response, next) {
    const { handle } = this;
    if (handle.length !== 4) return handle_error.call(this, error, request, response, next);
    try {
      forward(handle(error, request, response, next), next);
    } catch (thrown) {
      next(thrown);
    }
  };
}

interface RouterPrototype {
  process_params?: (this: { params?: Record<string, Handler[]> }, ...args: unknown[]) => unknown;
}

const awaited = new WeakSet<object>();

/** The same for the callbacks of `app.param()` and `router.param()`. */
export function awaitParams(router: object): void {
  const prototype = Object.getPrototypeOf(router) as RouterPrototype;
  const { process_params } = prototype;
  if (patched.has(prototype) || typeof process_params !== "function") return;
  patched.add(prototype);

  prototype.process_params = function (...args) {
    for (const callbacks of Object.values(this.params ?? {})) {
      for (const [i, callback] of callbacks.entries()) if (!awaited.has(callback)) callbacks[i] = awaitParam(callback);
    }
    return process_params.apply(this, args);
  };
}

function awaitParam(callback: Handler): Handler {
  const param: Handler = (request, response, next, ...rest) => {
    const result = callback(request, response, next, ...rest);
    forward(result, next as Next);
    return result;
  };
  awaited.add(param);
  return param;
}

/** Errors of promises that nobody but the guard has looked at. */
const rejections = new WeakSet<object>();

/** Whether an error is that of a promise which Express 4 would have left alone, to end the process. */
export function isRejection(error: unknown): boolean {
  return typeof error === "object" && error !== null && rejections.has(error);
}

function forward(result: unknown, next: Next): void {
  if (result === null || result === undefined || typeof (result as PromiseLike<unknown>).then !== "function") return;
  if (belongsToDomain(result)) return;
  (result as PromiseLike<unknown>).then(undefined, (reason) => {
    const error = reason || new Error("Rejected promise");
    if (typeof error === "object") rejections.add(error);
    next(error);
  });
}
