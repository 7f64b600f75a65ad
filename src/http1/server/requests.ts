import { EventEmitter } from "node:events";
import type { IncomingMessage } from "node:http";
import { tellFailure } from "../../containment.js";
import type { Overload } from "../../overload/overload.js";
import { anyExchangeOf } from "../connection/http1-exchange-of.js";
import type { Http1Exchange } from "../exchange/http1-exchange.js";
import type { Arriving } from "../methods/prototypes.js";
import { isSocket } from "../node/is-socket.js";
import type { NodeResponse } from "../node/node-internals.js";
import { callListener, callListeners, type Listener } from "./listeners.js";
import type { Http1Server, ServerGuard } from "./server-guard.js";

/**
 * Hands the requests of a server to whoever listens for them, each behind the look that the guard has at it.
 * @param below - emits the event where the guard does not
 * @param arriving - what the class of its responses has just opened
 * @returns what emits an event that hands over a request
 */
export function requestsOf(
  server: Http1Server,
  below: Http1Server["emit"],
  guard: ServerGuard,
  arriving: Arriving,
): (event: string, request: IncomingMessage, response: NodeResponse) => boolean {
  /** Nobody else overrides `emit`. */
  const isFirst = (below as unknown) === EventEmitter.prototype.emit;
  /** The listener that was called last: the guard has recognised what it is. */
  let recognised: Listener | undefined;

  function emitRequest(event: string, request: IncomingMessage, response: NodeResponse): boolean {
    let exchange: Http1Exchange;
    try {
      // Opened as its response was made; not one that an app has made itself.
      const { exchange: opened } = arriving;
      arriving.exchange = null;
      const known = opened?.response === response ? opened : (anyExchangeOf(response) as Http1Exchange | undefined);
      if (known === undefined && !isSocket(response.socket ?? request.socket)) return hand(event, request, response);
      exchange = known ?? guard.open(request, response);
      exchange.persists = response.shouldKeepAlive;
      if (exchange.connection.lingering) {
        exchange.passOver();
        return true;
      }
      const { overload } = guard;
      if (guard.answers(exchange)) return true;
      exchange.examined = true;
      if (overload !== undefined && !isAdmitted(event, exchange, overload)) return true;
    } catch (error) {
      // Whatever the guard cannot do, the app gets its request.
      tellFailure(guard.witness, error);
      return hand(event, request, response);
    }
    return callUp(event, exchange);
  }

  /** As it came: also where no connection stands behind it, which is for whoever sees it then. */
  function hand(...args: [event: string, request: IncomingMessage, response: NodeResponse]): boolean {
    return Reflect.apply(below, server, args) as boolean;
  }

  /** Whether the app is to get a request here and now, and need not wait. */
  function isAdmitted(event: string, exchange: Http1Exchange, overload: Overload): boolean {
    const enter = () => {
      if (exchange.connection.lingering) exchange.passOver();
      else callUp(event, exchange);
    };
    return overload.admits(exchange, enter, true);
  }

  function callUp(event: string, exchange: Http1Exchange): boolean {
    const args = [exchange.request, exchange.response];
    // A copy of the list for each request would cost more than everything else here.
    const listener = isFirst ? (server._events?.[event] as Listener | undefined) : undefined;
    if (typeof listener !== "function" || "listener" in listener)
      return callListeners(guard, server, below, event, args, exchange);
    if (listener !== recognised) {
      guard.recognise(listener, exchange);
      recognised = listener;
    }
    callListener(guard, exchange, server, event, listener, args);
    return true;
  }

  return emitRequest;
}
