import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { Socket } from "node:net";
import { type Exchange, kExchange } from "../exchange.js";
import type { Failure } from "../incidents.js";
import type { Supervision } from "../supervision.js";
import { connectionOf } from "./connection.js";
import { Http1Exchange } from "./http1-exchange.js";
import { Http2Exchange } from "./http2.js";
import { layerFor } from "./layers.js";
import type { NodeResponse } from "./node-internals.js";
import { SimulatedExchange } from "./simulated.js";
import { SocketExchange } from "./socket-exchange.js";

/** Opens the exchange of a request over HTTP/1.x, or finds the one it has. */
export function openHttp1(supervision: Supervision, request: IncomingMessage, response: NodeResponse): Http1Exchange {
  const known = (response as { [kExchange]?: Http1Exchange })[kExchange];
  if (known !== undefined) return known;
  const { settings } = supervision;
  const connection = connectionOf(request.socket);
  const exchange = new Http1Exchange(supervision, settings, request, response, layerFor(response).native, connection);
  (response as { [kExchange]?: Http1Exchange })[kExchange] = exchange;
  (request as { [kExchange]?: Http1Exchange })[kExchange] = exchange;
  connection.add(exchange);
  supervision.opened(exchange);
  return exchange;
}

/** Opens the exchange of a stream of HTTP/2, or finds the one it has. */
export function openHttp2(
  supervision: Supervision,
  request: Http2ServerRequest,
  response: Http2ServerResponse,
): Exchange {
  const known = (response as { [kExchange]?: Exchange })[kExchange];
  if (known !== undefined) return known;
  const exchange = new Http2Exchange(supervision, supervision.settings, request, response);
  showContext(request, exchange);
  supervision.opened(exchange);
  return exchange;
}

/** Opens the exchange of an upgrade, a CONNECT or a request that could not be parsed. */
export function openSocket(
  supervision: Supervision,
  request: IncomingMessage | null,
  socket: Socket,
  otherwise: Failure,
  method?: string,
): SocketExchange {
  const connection = connectionOf(socket);
  const exchange = new SocketExchange(supervision, supervision.settings, request, connection, otherwise, method);
  if (request !== null) showContext(request, exchange);
  supervision.opened(exchange);
  return exchange;
}

/** Opens the exchange of a request without a connection. */
export function openSimulated(supervision: Supervision, request: IncomingMessage, response: ServerResponse): Exchange {
  const exchange = new SimulatedExchange(supervision, supervision.settings, request, response);
  showContext(request, exchange);
  supervision.opened(exchange);
  return exchange;
}

/** Gives a request `rayguard` where its prototype has none. */
function showContext(request: object, exchange: Exchange): void {
  if ((request as { rayguard?: unknown }).rayguard === undefined)
    Object.defineProperty(request, "rayguard", { configurable: true, get: () => exchange.context });
}
