import { captureRejectionSymbol, EventEmitter } from "node:events";
import { Server as NetServer } from "node:net";
import { types } from "node:util";
import { nextTick } from "../../clock.js";
import { belongsToDomain, isInDomain } from "../../exchange/domain.js";
import type { Exchange } from "../../exchange/exchange.js";
import { Server as HttpServer } from "../../node-http.js";
import type { Http1Server, ServerGuard } from "./server-guard.js";

type Handler = (this: object, error: unknown, event: string, ...args: unknown[]) => unknown;
type Capturing = { [captureRejectionSymbol]?: Handler } & Record<symbol, unknown>;

/** Where an emitter keeps whether it captures rejections. */
const kCapture = Object.getOwnPropertySymbols(EventEmitter.prototype).find((s) => s.description === "kCapture");

/** Handlers of Node's own: they answer a `request`, and of anything else tell only an `error` of the server. */
const NODES_OWN: ReadonlySet<unknown> = new Set(
  [HttpServer.prototype, NetServer.prototype].map(
    (prototype: object) => (prototype as Capturing)[captureRejectionSymbol],
  ),
);

/**
 * Watches what an async listener returned, unless a domain does. Where nothing is changed, only what nobody else can have:
 * a rejection that the app has caught would go on its way from here, and end the process.
 */
export function watchPromise(guard: ServerGuard, exchange: Exchange, listener: unknown, result: unknown): void {
  if (!guard.enforces && !types.isAsyncFunction(listener)) return;
  if (typeof (result as PromiseLike<unknown>).then !== "function") return;
  if (isInDomain() || belongsToDomain(result as object)) return;
  (result as PromiseLike<unknown>).then(undefined, (error) => guard.failed(exchange, error, true));
}

/** Whether an emitter catches the rejections of its async listeners: by an option of its own, or by that of all. */
export function capturesRejections(emitter: unknown): emitter is Http1Server {
  if (kCapture === undefined || !(emitter instanceof EventEmitter)) return false;
  return (emitter as object as Capturing)[kCapture] === true;
}

/** Watches it where the server captures rejections, as `emit` does: they go to the server's handler for them. */
export function captureRejection(
  guard: ServerGuard,
  exchange: Exchange,
  server: Http1Server,
  event: string,
  args: unknown[],
  result: unknown,
): void {
  if (typeof (result as PromiseLike<unknown>).then !== "function") return;
  const hand = (error: unknown) => {
    exchange.cause ??= error;
    try {
      const handled = handOn(server, event, args, error);
      if (handled !== undefined && handled !== null)
        watchPromise(guard, exchange, (server as object as Capturing)[captureRejectionSymbol], handled);
    } catch (thrown) {
      guard.failed(exchange, thrown, true);
      return;
    }
    const isOpen = !exchange.phase.isOver;
    // Nobody else will answer.
    if (isOpen && NODES_OWN.has((server as object as Capturing)[captureRejectionSymbol])) guard.failed(exchange, error);
  };
  (result as PromiseLike<unknown>).then(undefined, (error) => nextTick(hand, error));
}

function handOn(server: object, event: string, args: unknown[], error: unknown): unknown {
  const emitter = server as Capturing & EventEmitter;
  const handler = emitter[captureRejectionSymbol];
  if (typeof handler === "function") return handler.call(server, error as Error, event as never, ...args);
  // An async listener that rejects in its turn must not come here again.
  const captures = emitter[kCapture as symbol];
  try {
    emitter[kCapture as symbol] = false;
    emitter.emit("error", error);
  } finally {
    emitter[kCapture as symbol] = captures;
  }
  return undefined;
}
