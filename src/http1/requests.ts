import { EventEmitter } from "node:events";
import type { IncomingMessage } from "node:http";
import { tellFailure } from "../containment.js";
import type { Overload } from "../overload/overload.js";
import type { Http1Exchange } from "./http1-exchange.js";
import { anyExchangeOf } from "./http1-exchange-of.js";
import { callListener, callListeners, type Listener } from "./listeners.js";
import type { NodeResponse } from "./node-internals.js";
import type { Arriving } from "./prototypes.js";
import type { Http1Server, ServerGuard } from "./server-guard.js";

/** Hands the requests of a server to whoever listens for them, each behind the look that the guard has at it. */
export class Requests {
  /** Nobody else Overrides `emit`. */
  readonly #isFirst: boolean;
  /** The listener that was called last: the guard has recognised what it is. */
  #recognised: Listener | undefined;

  /**
   * @param below - emits the event where the guard does not
   * @param arriving - what the class of its responses has just opened
   */
  constructor(
    private readonly server: Http1Server,
    private readonly below: Http1Server["emit"],
    private readonly guard: ServerGuard,
    private readonly arriving: Arriving,
  ) {
    this.#isFirst = (below as unknown) === EventEmitter.prototype.emit;
  }

  /** Emits an event that hands over a request. @returns what `emit` does */
  emit(event: string, request: IncomingMessage, response: NodeResponse): boolean {
    let exchange: Http1Exchange;
    try {
      // Opened as its response was made; not one that an app has made itself.
      const { exchange: opened } = this.arriving;
      this.arriving.exchange = null;
      if (opened?.response === response) exchange = opened;
      else exchange = (anyExchangeOf(response) as Http1Exchange | undefined) ?? this.guard.open(request, response);
      exchange.persists = response.shouldKeepAlive;
      const { connection } = exchange;
      if (connection.lingering) {
        exchange.passOver();
        return true;
      }
      const { overload } = this.guard;
      if (this.guard.answers(exchange)) return true;
      exchange.examined = true;
      if (overload !== undefined && !this.#isAdmitted(event, exchange, overload)) return true;
    } catch (error) {
      // Whatever the guard cannot do, the app gets its request.
      tellFailure(this.guard.witness, error);
      return Reflect.apply(this.below, this.server, [event, request, response]) as boolean;
    }
    return this.#callUp(event, exchange);
  }

  /** Whether the app is to get a request here and now, and need not wait. */
  #isAdmitted(event: string, exchange: Http1Exchange, overload: Overload): boolean {
    const enter = () => {
      if (exchange.connection.lingering) exchange.passOver();
      else this.#callUp(event, exchange);
    };
    return overload.admits(exchange, enter, true);
  }

  #callUp(event: string, exchange: Http1Exchange): boolean {
    const server = this.server;
    const guard = this.guard;
    const args = [exchange.request, exchange.response];
    // A copy of the list for each request would cost more than everything else here.
    const listener = this.#isFirst ? (server._events?.[event] as Listener | undefined) : undefined;
    if (typeof listener !== "function" || "listener" in listener)
      return callListeners(guard, server, this.below, event, args, exchange);
    if (listener !== this.#recognised) {
      guard.recognise(listener, exchange);
      this.#recognised = listener;
    }
    callListener(guard, exchange, server, event, listener, args);
    return true;
  }
}
