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
        const context = exchangeOfRequest(this)?.context;
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
        if (exchange === undefined || exchange.settled || exchange.connection.isOwn) return below.call(this, error);
        const { connection } = exchange;
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
