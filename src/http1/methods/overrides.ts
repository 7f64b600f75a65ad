import type { Exchange } from "../../exchange/exchange.js";
import { anyExchangeOf, hangOverHttp1, overrides } from "../connection/http1-exchange-of.js";
import type { Http1Exchange } from "../exchange/http1-exchange.js";
import { methodsBelow, type NativeMethods, RESPONSE_METHODS } from "../node/native-methods.js";
import type { NodeResponse, NodeSocket } from "../node/node-internals.js";
import { knownConnection } from "./connection-of.js";
import { guardedMethods } from "./guarded-methods.js";
import { watchedMethods } from "./watched-methods.js";

/** Methods in front of those of `below`: shared by every response of one prototype, so that a response costs no closure. */
export interface Overrides {
  readonly native: NativeMethods;
  readonly methods: NativeMethods;
}

/**
 * Builds the layer for responses whose methods are found on `source`: a prototype, or a single response.
 * Each method keeps the name, arguments, return value and callback of the one it overrides.
 */
export function createOverrides(source: NativeMethods): Overrides {
  const native = methodsBelow(source, RESPONSE_METHODS);
  const methods = overrides(
    native as never,
    guardedMethods(native) as never,
    watchedMethods(native) as never,
    exchangeBehind,
  ) as unknown as NativeMethods;
  if (native.writeInformation === undefined) delete methods.writeInformation;
  return { native, methods };
}

/** The exchange of a response on which a method is called. */
export function exchangeOfReceiver(response: object): Http1Exchange | undefined {
  const found = anyExchangeOf(response);
  return found === undefined ? exchangeBehind(response) : overHttp1(found);
}

/**
 * The exchange of a response that has no request of its own with one: an app has put another in its place. Or of a `Proxy`
 * of a response, or an object that inherits from one: it has the same socket.
 */
function exchangeBehind(response: object): Http1Exchange | undefined {
  const marked = anyExchangeOf(response);
  if (marked !== undefined) return overHttp1(marked);
  const socket = (response as NodeResponse).socket as NodeSocket | null | undefined;
  const message = socket?._httpMessage;
  if (!socket || !message) return undefined;
  // Without the guard Node sends nothing that is written to either of them.
  if (message !== response) return guarded(overHttp1(anyExchangeOf(message)));
  const first = overHttp1(knownConnection(socket)?.first);
  if (first?.response !== response) return undefined;
  hangOverHttp1(response, first);
  return first;
}

function guarded(exchange: Http1Exchange | undefined): Http1Exchange | undefined {
  return exchange?.isWatched ? undefined : exchange;
}

function overHttp1(exchange: Exchange | null | undefined): Http1Exchange | undefined {
  return exchange?.hasNodeResponse ? (exchange as Http1Exchange) : undefined;
}
