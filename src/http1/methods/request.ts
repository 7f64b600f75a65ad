import type { IncomingMessage } from "node:http";
import type { RequestContext } from "../../exchange/request-context.js";
import { overrideMethod } from "../../override-method.js";
import { isGone } from "../connection/destroyed-by-node.js";
import { isDestroyed } from "../connection/gone-socket.js";
import { anyExchangeOf, destroyOf } from "../connection/http1-exchange-of.js";
import type { Http1Exchange } from "../exchange/http1-exchange.js";
import { methodsBelow } from "../node/native-methods.js";
import type { NodeSocket } from "../node/node-internals.js";

/** The exchange of a `Proxy` of a request, or an object that inherits from one. */
function exchangeBehind(request: object): Http1Exchange | undefined {
  const { socket, rawHeaders } = request as IncomingMessage;
  const message = (socket as NodeSocket | null | undefined)?._httpMessage;
  const exchange = message ? (anyExchangeOf(message) as Http1Exchange | undefined) : undefined;
  if (!exchange?.hasNodeResponse) return undefined;
  for (const one of exchange.connection) if (one.request.rawHeaders === rawHeaders) return one as Http1Exchange;
  return undefined;
}

/**
 * Gives every request of a prototype `rayguard`, and a `destroy` that ends only its own exchange: with pipelining the
 * socket alone cannot tell which request is meant.
 */
export function guardRequestPrototype(prototype: object): void {
  const native = methodsBelow(prototype as IncomingMessage, ["destroy"]);
  Object.defineProperties(prototype, {
    rayguard: {
      configurable: true,
      get(this: IncomingMessage): RequestContext | undefined {
        return (anyExchangeOf(this) ?? exchangeBehind(this))?.context;
      },
      set(this: IncomingMessage, value: unknown) {
        Reflect.defineProperty(this, "rayguard", { value, configurable: true, writable: true });
      },
    },
  });
  const guarded = (request: IncomingMessage, exchange: Http1Exchange, error?: Error) => {
    const { connection } = exchange;
    const below = native.destroy;
    if (connection.looksGone ? isDestroyed(connection.socket) : connection.socket.destroyed) {
      // Node tells every request of a connection that is gone, also those whose response never had its turn.
      const result = below.call(request, error);
      if (!exchange.phase.isSettled) exchange.closed();
      return result;
    }
    // Read to its end: this is the stream cleaning up after itself, and leaves the connection alone. So do
    // `pipeline()` and others that take the socket away first.
    if (request.destroyed || (request.complete && request.readableEnded) || (request.socket as unknown) === null)
      return below.call(request, error);
    if (connection.isOwn || isGone(connection, error)) return below.call(request, error);
    return exchange.destroyRequest(below, error);
  };
  overrideMethod(prototype, "destroy", destroyOf(native as never, guarded as never, exchangeBehind));
}
