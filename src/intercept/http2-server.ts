import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse, ServerHttp2Session } from "node:http2";
import type { Exchange } from "../exchange.js";
import { connectionOf } from "./connection.js";
import { callListener } from "./listeners.js";
import type { NodeResponse } from "./node-internals.js";
import type { ServerGuard } from "./server.js";

interface Http2Server {
  emit(event: string | symbol, ...args: unknown[]): boolean;
  rawListeners?(event: string): unknown[];
}

export interface Http2Guard extends ServerGuard {
  /** Sessions that are open. */
  readonly sessions: Set<ServerHttp2Session>;
  openHttp2(request: Http2ServerRequest, response: Http2ServerResponse): Exchange;
}

/** Stands in front of a `node:http2` server. One with `allowHTTP1` hands over requests of both kinds. */
export function interceptHttp2Server(server: Http2Server, guard: Http2Guard): () => void {
  const below = server.emit;
  function emit(this: Http2Server, event: string | symbol, ...args: unknown[]): boolean {
    if (event === "request" || event === "checkContinue" || event === "checkExpectation" || event === "connect") {
      const [request, response] = args as [Http2ServerRequest, Http2ServerResponse];
      const isHttp2 = request?.httpVersionMajor >= 2;
      if (!isHttp2 && event === "connect") return Reflect.apply(below, server, [event, ...args]) as boolean;
      if (
        isHttp2 &&
        event === "connect" &&
        (server as unknown as { listenerCount(event: string): number }).listenerCount("connect") === 0
      ) {
        return Reflect.apply(below, server, [event, ...args]) as boolean;
      }
      const exchange = isHttp2
        ? guard.openHttp2(request, response)
        : guard.open(request as unknown as IncomingMessage, response as unknown as NodeResponse);
      if (guard.answers(exchange)) return true;
      const enter = () => callUp(server, guard, event, args, exchange);
      if (guard.overload !== undefined && !guard.overload.admits(exchange, enter)) return true;
      return enter();
    }
    if (event === "session" && guard.enforces) {
      const session = args[0] as ServerHttp2Session;
      guard.sessions.add(session);
      session.once("close", () => guard.sessions.delete(session));
    }
    if (event === "secureConnection") {
      const socket = args[0] as { alpnProtocol?: string | false };
      if (socket.alpnProtocol !== "h2") connectionOf(socket);
    }
    return Reflect.apply(below, server, [event, ...args]) as boolean;
  }
  server.emit = emit;
  return () => {
    if (server.emit === emit) server.emit = below;
  };
}

/** Hands a request to whoever listens for it. */
function callUp(server: Http2Server, guard: Http2Guard, event: string, args: unknown[], exchange: Exchange): boolean {
  const listeners = (server.rawListeners?.(event) ?? []) as ((...args: unknown[]) => unknown)[];
  for (const listener of listeners) callListener(guard, exchange, server, listener, args);
  return listeners.length > 0;
}
