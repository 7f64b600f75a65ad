import type { IncomingMessage } from "node:http";
import { kExchange } from "../exchange.js";
import type { RequestContext } from "../request-context.js";
import type { Http1Exchange } from "./http1-exchange.js";

type Guarded = IncomingMessage & { [kExchange]?: Http1Exchange };

const kGuarded: unique symbol = Symbol.for("rayguard.request") as never;

/** The exchange of a request, while it is under way. */
function exchangeOfRequest(request: IncomingMessage): Http1Exchange | undefined {
  return (request as Guarded)[kExchange];
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
        if (this.socket?.destroyed) {
          // Node tells every request of a connection that is gone, also those whose response never had its turn.
          const result = below.call(this, error);
          exchangeOfRequest(this)?.closed();
          return result;
        }
        // Read to its end: this is the stream cleaning up after itself, and leaves the connection alone.
        if (this.complete && this.readableEnded) return below.call(this, error);
        const exchange = exchangeOfRequest(this);
        if (exchange === undefined || exchange.connection.isOwn || exchange.connection.isGone(error)) {
          return below.call(this, error);
        }
        const { connection } = exchange;
        // Answered in full, and the connection has promised to persist: what is left is to read what is unread.
        if ((exchange.settled || exchange.isOver()) && exchange.supervisor.enforces && !awaitsContent(this)) {
          this.resume();
          return this;
        }
        if (exchange.settled) return below.call(this, error);
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
  if (request.complete) return false;
  const { headers } = request;
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}
