import type { IncomingMessage } from "node:http";
import type {
  Http2ServerRequest,
  Http2ServerResponse,
  IncomingHttpHeaders,
  ServerHttp2Session,
  ServerHttp2Stream,
} from "node:http2";
import type { Socket } from "node:net";
import { contain, tellFailure } from "../containment.js";
import { belongsToDomain } from "../exchange/domain.js";
import type { Exchange } from "../exchange/exchange.js";
import { withList } from "../http1/connection/connection-lists.js";
import { anyExchangeOf } from "../http1/connection/http1-exchange-of.js";
import { connectionOf } from "../http1/methods/connection-of.js";
import type { NodeResponse } from "../http1/node/node-internals.js";
import { connectionEvents } from "../http1/server/connection-events.js";
import { callListeners } from "../http1/server/listeners.js";
import type { Http1Server, ServerGuard } from "../http1/server/server-guard.js";
import { hearsUpgrades } from "../http1/server/upgrades.js";
import { overrideOwn } from "../override-method.js";
import type { Http2Exchange } from "./http2-exchange.js";
import { guardSession, type SessionGuard } from "./session.js";

export interface Http2Guard extends ServerGuard, SessionGuard {
  /** Opens the exchange of a stream, or finds the one it has. */
  openStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Http2Exchange;
  /** The same for the objects that the compatibility API makes of it. */
  openHttp2(request: Http2ServerRequest, response: Http2ServerResponse): Exchange;
}

/**
 * Overrides `emit` of a `node:http2` server. One with `allowHTTP1` hands over requests of both kinds.
 * @param listening - told when it has something to listen with
 */
export function interceptHttp2Server(server: Http1Server, guard: Http2Guard, listening?: () => void): () => void {
  const below = server.emit;
  const events = connectionEvents(server, below, guard);
  let arriving: unknown;
  const pass = (event: string | symbol, args: unknown[]) => Reflect.apply(below, server, [event, ...args]) as boolean;

  function emit(this: Http1Server, event: string | symbol, ...args: unknown[]): boolean {
    const [a] = args;
    switch (event) {
      case "stream":
        return emitStream(server, below, guard, args);
      case "request":
      case "checkContinue":
      case "checkExpectation":
        return emitRequest(server, below, guard, event, args);
      case "connect":
        if (!isHttp2(a)) break;
        // Without a listener Node answers 405.
        return server.listenerCount("connect") === 0
          ? pass(event, args)
          : emitRequest(server, below, guard, event, args);
      case "listening":
        listening?.();
        break;
      case "session":
        contain(guard.witness, () => guardSession(a as ServerHttp2Session, arriving, guard));
        break;
      case "connection":
      case "secureConnection": {
        if (event === "secureConnection" && (a as { alpnProtocol?: unknown } | undefined)?.alpnProtocol !== "h2")
          contain(guard.witness, () => void connectionOf(a as Socket));
        // Node makes the session of it before this is over.
        const was = arriving;
        arriving = a;
        try {
          return withList(server, a, () => pass(event, args));
        } finally {
          arriving = was;
        }
      }
    }
    return events.get(event)?.(args) ?? pass(event, args);
  }
  const undo = [
    overrideOwn(server, "emit", emit),
    overrideOwn(server, "listenerCount", hearsUpgrades(server.listenerCount)),
  ];
  return () => {
    for (const step of undo) step();
  };
}

function isHttp2(request: unknown): request is Http2ServerRequest {
  return (request as Partial<Http2ServerRequest> | undefined)?.httpVersionMajor === 2;
}

/** A request as Node first tells of it: to apps of the core API, and to the compatibility API, which is a listener too. */
function emitStream(server: Http1Server, below: Http1Server["emit"], guard: Http2Guard, args: unknown[]): boolean {
  const [stream, headers] = args as [ServerHttp2Stream, IncomingHttpHeaders];
  const pass = () => Reflect.apply(below, server, ["stream", ...args]) as boolean;
  // Emitted by hand, with something that is no stream.
  if (typeof (stream as Partial<ServerHttp2Stream> | undefined)?.respond !== "function") return pass();
  let exchange: Http2Exchange;
  try {
    exchange = guard.openStream(stream, headers);
    if (guard.answers(exchange)) return true;
    exchange.examined = true;
  } catch (error) {
    // Whatever the guard cannot do, the app gets its request.
    tellFailure(guard.witness, error);
    return pass();
  }
  const enter = () => {
    const emitted = callListeners(guard, server, below, "stream", args, exchange);
    // With nobody listening, an error of the stream would end the process: of the client's making as well. Each `pipe()`
    // listens, and throws it at whoever is left.
    const isHeard = stream.listenerCount("error") > stream.listenerCount("unpipe");
    if (!exchange.isWatched && !isHeard && !belongsToDomain(stream)) stream.on("error", ignore);
    return emitted;
  };
  if (guard.overload !== undefined && !guard.overload.admits(exchange, enter)) return true;
  return enter();
}

function emitRequest(
  server: Http1Server,
  below: Http1Server["emit"],
  guard: Http2Guard,
  event: string,
  args: unknown[],
): boolean {
  const [request, response] = args as [unknown, unknown];
  let exchange: Exchange;
  try {
    exchange = isHttp2(request)
      ? guard.openHttp2(request, response as Http2ServerResponse)
      : (anyExchangeOf(response as NodeResponse) ?? guard.open(request as IncomingMessage, response as NodeResponse));
  } catch (error) {
    // Emitted by hand, or of a server that is not Node's: the app gets it all the same.
    tellFailure(guard.witness, error);
    return Reflect.apply(below, server, [event, ...args]) as boolean;
  }
  const enter = () => callListeners(guard, server, below, event, args, exchange);
  if (exchange.examined) return enter();
  if (guard.answers(exchange)) return true;
  if (guard.overload !== undefined && !guard.overload.admits(exchange, enter)) return true;
  return enter();
}

function ignore(): void {}
