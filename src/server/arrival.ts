import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse, ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import type { Exchange } from "../exchange/exchange.js";
import { hangOn } from "../exchange/exchange-of.js";
import { anyExchangeOf } from "../http1/connection/http1-exchange-of.js";
import { isSocket } from "../http1/node/is-socket.js";
import { hasInternals } from "../http1/node/node-internals.js";
import { guardSession } from "../http2/session.js";
import { type AttachingGuard, type Attachments, yieldsToAny } from "./attachments.js";
import { openSimulated, openUpgraded } from "./open-exchange.js";

/** A guard to which a request has come: in a listener, a middleware or a hook. */
interface Here extends AttachingGuard {
  readonly attachments: Attachments;
}

/** Opens the exchange of a request that has none, or whose response is not the one it was opened for. */
export function openHere(guard: Here, request: IncomingMessage, response: ServerResponse): Exchange {
  const asked = anyExchangeOf(request);
  if (asked !== undefined) {
    // An upgrade that a library routes through the framework, or a request that an app asks itself for: the response is
    // of their own making. The one exchange of a request is there already, and may even be over.
    if (asked.isBeside) asked.comesTo(guard.supervisor);
    if (!asked.hasNodeResponse) hangOn(response, asked);
    return asked;
  }
  if (request.httpVersionMajor >= 2) {
    const { session } = (request as unknown as Http2ServerRequest).stream;
    guard.attachments.addAt(request, serverOf(request));
    if (session !== undefined) guardSession(session as ServerHttp2Session, undefined, guard);
    return guard.openHttp2(request as unknown as Http2ServerRequest, response as unknown as Http2ServerResponse);
  }
  const { supervisor } = guard;
  if ((request as { upgrade?: unknown }).upgrade === true) return openUpgraded(supervisor, request, response);
  if (!hasInternals(response) || !isSocket(response.socket ?? request.socket)) {
    const open = response.socket && request.headers.upgrade ? openUpgraded : openSimulated;
    return open(supervisor, request, response);
  }
  guard.attachments.addAt(request, serverOf(request));
  return guard.open(request, response);
}

/** An exchange comes here that another guard has opened, or this one for a part of the app that it is not mounted for. */
export function comesHere(guard: Here, request: IncomingMessage, exchange: Exchange): void {
  const { supervisor } = guard;
  if (exchange.isBeside) return exchange.comesTo(supervisor);
  if (exchange.supervisor === supervisor) return;
  const server = serverOf(request);
  if (server !== undefined && yieldsToAny(server)) guard.attachments.addAt(request, server);
  // A guard inside another one: the outer keeps the exchange, this one's numbers count.
  exchange.settings = supervisor.settings;
  exchange.supervisor.watch(exchange);
}

/** The server that a request has come to, where Node knows it. */
function serverOf(request: IncomingMessage): object | undefined {
  if (request.httpVersionMajor < 2) return (request.socket as (Socket & { server?: object }) | null)?.server;
  const { session } = (request as unknown as Http2ServerRequest).stream;
  return (session as ServerHttp2Session | undefined)?.server;
}
