import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse, IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import type { Exchange } from "../exchange/exchange.js";
import { exchangeOf, hangOn } from "../exchange/exchange-of.js";
import { hangOverHttp1 } from "../http1/connection/http1-exchange-of.js";
import { GuardedExchange } from "../http1/exchange/guarded-exchange.js";
import type { Http1Exchange } from "../http1/exchange/http1-exchange.js";
import { SocketExchange } from "../http1/exchange/socket-exchange.js";
import { WatchedExchange } from "../http1/exchange/watched-exchange.js";
import { WatchedSocketExchange } from "../http1/exchange/watched-socket-exchange.js";
import { connectionOf } from "../http1/methods/connection-of.js";
import { guardPrototypes } from "../http1/methods/prototypes.js";
import type { NativeMethods } from "../http1/node/native-methods.js";
import type { NodeResponse } from "../http1/node/node-internals.js";
import { GuardedHttp2Exchange } from "../http2/guarded-exchange.js";
import type { Http2Exchange } from "../http2/http2-exchange.js";
import { coverCompatibility, coverStreams, hangOnStream } from "../http2/overrides.js";
import { WatchedHttp2Exchange } from "../http2/watched-exchange.js";
import type { Failure } from "../report/incidents.js";
import { SimulatedExchange } from "../simulated/simulated.js";
import type { GuardSupervisor } from "../supervisor.js";

/** What opens the exchanges of a guard, each of the class for its mode. */
export function openersOf(supervisor: GuardSupervisor) {
  const { enforces } = supervisor;
  const OverHttp2 = enforces ? GuardedHttp2Exchange : WatchedHttp2Exchange;
  return {
    http1: openHttp1.bind(undefined, enforces ? GuardedExchange : WatchedExchange, supervisor),
    stream: openStream.bind(undefined, OverHttp2, supervisor),
    http2: openHttp2.bind(undefined, OverHttp2, supervisor),
  };
}

/**
 * Opens the exchange of a request over HTTP/1.x.
 * @param OfMode - its class, for the mode of the guard
 */
function openHttp1(
  OfMode: new (...given: ConstructorParameters<typeof Http1Exchange>) => Http1Exchange,
  supervisor: GuardSupervisor,
  request: IncomingMessage,
  response: NodeResponse,
  native: NativeMethods = guardPrototypes().native,
): Http1Exchange {
  const { settings } = supervisor;
  const connection = connectionOf(request.socket);
  const exchange = new OfMode(supervisor, settings, request, response, native, connection);
  hangOverHttp1(request, exchange);
  if (response.req !== request) hangOverHttp1(response, exchange);
  connection.add(exchange);
  const { method } = request;
  supervisor.opened(exchange, method !== "GET" && method !== "HEAD");
  return exchange;
}

/**
 * Opens the exchange of a stream of HTTP/2, or finds the one it has.
 * @param OfMode - its class, for the mode of the guard
 */
function openStream(
  OfMode: new (...given: ConstructorParameters<typeof Http2Exchange>) => Http2Exchange,
  supervisor: GuardSupervisor,
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
): Http2Exchange {
  const known = exchangeOf(stream) as Http2Exchange | undefined;
  if (known !== undefined) return known;
  const exchange = new OfMode(supervisor, supervisor.settings, stream, headers, coverStreams(stream));
  hangOnStream(stream, exchange);
  supervisor.opened(exchange, !stream.endAfterHeaders);
  return exchange;
}

/** The same for the objects that the compatibility API makes of it. */
function openHttp2(
  OfMode: new (...given: ConstructorParameters<typeof Http2Exchange>) => Http2Exchange,
  supervisor: GuardSupervisor,
  request: Http2ServerRequest,
  response: Http2ServerResponse,
): Exchange {
  const known = exchangeOf(response);
  if (known !== undefined) return known;
  coverCompatibility(request, response);
  const exchange = openStream(OfMode, supervisor, request.stream, request.headers);
  exchange.link(request, response);
  return exchange;
}

/** Opens the exchange of an upgrade, a CONNECT or a request that could not be parsed. */
export function openSocket(
  supervisor: GuardSupervisor,
  request: IncomingMessage | null,
  socket: Socket,
  otherwise: Failure,
  method?: string,
): SocketExchange {
  const connection = connectionOf(socket);
  const OfMode = supervisor.enforces ? SocketExchange : WatchedSocketExchange;
  const exchange = new OfMode(supervisor, supervisor.settings, request, connection, otherwise, method);
  if (request !== null) showContext(request, exchange);
  supervisor.opened(exchange);
  return exchange;
}

/** Opens the exchange of a request without a connection. */
export function openSimulated(
  supervisor: GuardSupervisor,
  request: IncomingMessage,
  response: ServerResponse,
): Exchange {
  const exchange = new SimulatedExchange(supervisor, supervisor.settings, request, response);
  showContext(request, exchange);
  supervisor.opened(exchange);
  return exchange;
}

/**
 * Opens the exchange of an upgrade that no guard has seen as one, and that a library routes through the framework with a
 * response of its own making. Whatever is answered is on the library's stream: it is over at once.
 */
export function openUpgraded(
  supervisor: GuardSupervisor,
  request: IncomingMessage,
  response: ServerResponse,
): Exchange {
  const exchange = openSimulated(supervisor, request, response);
  exchange.quiet = true;
  exchange.settle(true);
  return exchange;
}

/** Gives a request `rayguard` where its prototype has none, or none for this one. */
function showContext(request: object, exchange: Exchange): void {
  hangOn(request, exchange);
  if ((request as { rayguard?: unknown }).rayguard === undefined)
    Reflect.defineProperty(request, "rayguard", { configurable: true, get: () => exchange.context });
}
