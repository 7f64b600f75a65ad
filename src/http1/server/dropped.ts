import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { anyExchangeOf } from "../connection/http1-exchange-of.js";
import type { WithResponse } from "../connection/on-connection.js";
import { connectionOf } from "../methods/connection-of.js";
import { callListeners } from "./listeners.js";
import type { Http1Server, ServerGuard } from "./server-guard.js";

/**
 * A request over `maxRequestsPerSocket`: Node tells the listeners, and answers 503 itself. Nothing a listener throws may
 * escape, and nothing it does to the socket may reach the responses under way.
 */
export function emitDropped(
  server: Http1Server,
  below: Http1Server["emit"],
  guard: ServerGuard,
  request: IncomingMessage,
  socket: Socket,
): boolean {
  const connection = connectionOf(socket);
  const exchange = anyExchangeOf(request) as WithResponse | undefined;
  if (!exchange?.hasNodeResponse) return Reflect.apply(below, server, ["dropRequest", request, socket]) as boolean;
  // A response before this one has announced the end, or is about to: what comes after it is not answered (CX-1).
  if (connection.first !== exchange || connection.lingering) exchange.passOver();
  const was = connection.culprit;
  connection.culprit = exchange;
  try {
    return callListeners(guard, server, below, "dropRequest", [request, socket], exchange);
  } finally {
    connection.culprit = was;
  }
}
