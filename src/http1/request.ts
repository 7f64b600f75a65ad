import type { IncomingMessage } from "node:http";
import { exchangeOf } from "../exchange/exchange-of.js";
import type { RequestContext } from "../exchange/request-context.js";
import { announcesContent } from "../http/message.js";
import { putInFront } from "../put-in-front.js";
import { isDestroyed } from "./gone-socket.js";
import type { Http1Exchange } from "./http1-exchange.js";
import type { NodeSocket } from "./node-internals.js";

/** The exchange of a `Proxy` of a request, or an object that inherits from one. */
function exchangeBehind(request: IncomingMessage): Http1Exchange | undefined {
  const message = (request.socket as NodeSocket | null | undefined)?._httpMessage;
  const exchange = message ? (exchangeOf(message) as Http1Exchange | undefined) : undefined;
  if (!exchange?.hasNodeResponse) return undefined;
  for (const one of exchange.connection) if (one.request.rawHeaders === request.rawHeaders) return one;
  return undefined;
}

/**
 * Gives every request of a prototype `rayguard`, and a `destroy` that ends only its own exchange: with pipelining the
 * socket alone cannot tell which request is meant.
 */
export function guardRequestPrototype(prototype: object): void {
  const below = (prototype as IncomingMessage).destroy;
  Object.defineProperties(prototype, {
    rayguard: {
      configurable: true,
      get(this: IncomingMessage): RequestContext | undefined {
        return (exchangeOf(this) ?? exchangeBehind(this))?.context;
      },
      set(this: IncomingMessage, value: unknown) {
        Object.defineProperty(this, "rayguard", { value, configurable: true, writable: true });
      },
    },
  });
  putInFront(prototype, "destroy", function destroy(this: IncomingMessage, error?: Error) {
    const exchange = (exchangeOf(this) ?? exchangeBehind(this)) as Http1Exchange | undefined;
    if (!exchange?.hasNodeResponse) return below.call(this, error);
    const { connection } = exchange;
    if (connection.looksGone ? isDestroyed(connection.socket) : connection.socket.destroyed) {
      // Node tells every request of a connection that is gone, also those whose response never had its turn.
      const result = below.call(this, error);
      if (!exchange.phase.isSettled) exchange.closed();
      return result;
    }
    // Read to its end: this is the stream cleaning up after itself, and leaves the connection alone. So do
    // `pipeline()` and others that take the socket away first.
    if (this.destroyed || (this.complete && this.readableEnded) || (this.socket as unknown) === null)
      return below.call(this, error);
    if (connection.isOwn || connection.isGone(error)) return below.call(this, error);
    return exchange.destroyRequest(below as IncomingMessage["destroy"], error);
  });
}

/** Whether content of the request is still to come. `complete` alone does not tell inside the request listener. */
export function awaitsContent(request: IncomingMessage): boolean {
  return !request.complete && announcesContent(request.headers);
}
