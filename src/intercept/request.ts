import type { IncomingMessage } from "node:http";
import { kExchange } from "../exchange.js";
import type { RequestContext } from "../request-context.js";
import { connectionOf } from "./connection.js";
import type { Http1Exchange } from "./http1-exchange.js";

type Guarded = IncomingMessage & { res?: { [kExchange]?: Http1Exchange } };

const kGuarded: unique symbol = Symbol.for("rayguard.request") as never;

/** The exchange of a request, while it is under way. */
export function exchangeOfRequest(request: IncomingMessage): Http1Exchange | undefined {
  const viaExpress = (request as Guarded).res?.[kExchange];
  if (viaExpress !== undefined && viaExpress.request === request) return viaExpress;
  return request.socket === null || request.socket === undefined
    ? undefined
    : connectionOf(request.socket).find(request);
}

/**
 * Gives every request of a prototype `rayguard`, and a `destroy` that ends only its own exchange: with pipelining the
 * socket alone cannot tell which request is meant.
 */
export function guardRequestPrototype(prototype: object): void {
  if (Object.hasOwn(prototype, kGuarded)) return;
  const below = (prototype as IncomingMessage).destroy;
  Object.defineProperties(prototype, {
    [kGuarded]: { value: true },
    rayguard: {
      configurable: true,
      get(this: Guarded): RequestContext | undefined {
        const context = (this as { [kExchange]?: Http1Exchange })[kExchange]?.context;
        // Kept on the request, since it is often asked again after the exchange has settled.
        if (context !== undefined)
          Object.defineProperty(this, "rayguard", { value: context, configurable: true, writable: true });
        return context;
      },
      set(this: Guarded, value: unknown) {
        Object.defineProperty(this, "rayguard", { value, configurable: true, writable: true });
      },
    },
    destroy: {
      configurable: true,
      writable: true,
      value: function destroy(this: Guarded, error?: Error) {
        const exchange = exchangeOfRequest(this);
        // Answered, and the connection is on to other requests.
        if (
          (exchange === undefined || exchange.settled) &&
          !awaitsContent(this) &&
          this.socket &&
          !this.socket.destroyed &&
          !connectionOf(this.socket).isOwn &&
          !connectionOf(this.socket).isGone(error)
        ) {
          this.resume();
          return this;
        }
        if (exchange === undefined || exchange.settled || exchange.connection.isOwn) return below.call(this, error);
        const { connection } = exchange;
        // Complete, and the connection has promised to persist: there is nothing left to end.
        if (exchange.isOver() && !awaitsContent(this) && exchange.supervisor.enforces) {
          this.resume();
          return this;
        }
        connection.culprit = exchange;
        try {
          return below.call(this, error);
        } finally {
          connection.culprit = null;
        }
      },
    },
  });
}

/** Whether content of the request is still to come. `complete` alone does not tell inside the request listener. */
export function awaitsContent(request: IncomingMessage): boolean {
  const { headers, complete } = request;
  return !complete && (headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0);
}
