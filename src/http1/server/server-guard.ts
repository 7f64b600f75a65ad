import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Witness } from "../../containment.js";
import type { Exchange } from "../../exchange/exchange.js";
import type { Overload } from "../../overload/overload.js";
import type { Failure } from "../../report/incidents.js";
import type { Http1Exchange } from "../exchange/http1-exchange.js";
import type { SocketExchange } from "../exchange/socket-exchange.js";
import type { NativeMethods } from "../node/native-methods.js";
import type { NodeResponse } from "../node/node-internals.js";

/** A `node:http` or `node:https` server, as far as the guard needs it. */
export interface Http1Server {
  emit(event: string | symbol, ...args: unknown[]): boolean;
  /** Where Node keeps what listens, a list of its own for more than one. */
  readonly _events?: Readonly<Record<string, unknown>>;
  on(event: string, listener: (...args: never[]) => void): unknown;
  removeListener(event: string, listener: (...args: never[]) => void): unknown;
  rawListeners(event: string): unknown[];
  listenerCount(event: string, ...listener: unknown[]): number;
  httpAllowHalfOpen?: boolean | 1;
}

/** What the interception of a server asks of its guard. */
export interface ServerGuard {
  /** False in report mode: everything is looked at, nothing is changed. */
  readonly enforces: boolean;
  /** Says which requests can be taken; undefined where nobody limits them. */
  readonly overload: Overload | undefined;
  /** Told of what fails in the guard itself. */
  readonly witness: Witness;
  /** Opens the exchange of a request that has none. @param native - the methods below the guard's, which are in their place */
  open(request: IncomingMessage, response: NodeResponse, native?: NativeMethods): Http1Exchange;
  openSocket(request: IncomingMessage | null, socket: Socket, otherwise: Failure, method?: string): SocketExchange;
  /** Answers what the guard itself answers, such as the health check. @returns true where it has */
  answers(exchange: Exchange): boolean;
  /** Refuses a request that did not come through the edge, where that is asked for. @returns true where it has */
  refusesDirect(exchange: Exchange): boolean;
  /** The app is about to get a request: what it throws later can be told to belong to it. */
  enter(exchange: Exchange): void;
  /** A listener is about to be called. */
  recognise(listener: object, exchange: Exchange): void;
  /** A request header section was larger than the server takes. */
  requestHeadersTooLarge(server: object): void;
  /** Something threw on behalf of an exchange. @param rethrows - nobody else has seen the error */
  failed(exchange: Exchange, error: unknown, rethrows?: boolean): void;
}
