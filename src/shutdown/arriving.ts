import { executionAsyncResource } from "node:async_hooks";
import type { Socket } from "node:net";
import type { Exchange } from "../exchange/exchange.js";
import { idleSocketsOf, socketsOf } from "../http1/connection/connection-lists.js";
import { isDestroyed } from "../http1/connection/gone-socket.js";
import { connectionOf } from "../http1/methods/connection-of.js";
import type { Failure } from "../report/incidents.js";

/** A guard, as far as requests concern it that nobody has seen yet. */
export interface Arriving {
  /** Servers it is attached to. */
  readonly servers: Iterable<object>;
  /** Opens the exchange of a request that has not arrived as a whole. */
  openArriving(socket: Socket, otherwise: Failure): Exchange;
}

/**
 * Connections of a server on which a part of a request header section has arrived, be it one octet, behind any number
 * of requests. Node counts them as active, but also those that have never sent anything, and those whose request still
 * brings content that its response did not wait for.
 */
export function arrivingAt(server: object): Set<Socket> {
  const idle = new Set(idleSocketsOf(server));
  const arriving = socketsOf(server).filter((socket) => {
    if (isDestroyed(socket) || socket.bytesRead === 0 || idle.has(socket)) return false;
    const connection = connectionOf(socket);
    return connection.isIdle && connection.unread === null && !connection.lingering && !connection.broken;
  });
  return new Set(arriving);
}

/**
 * Opens the exchange of the request that Node was making when something of the app threw, as a class that the app has for
 * requests or responses, or its `shouldUpgradeCallback`: Node has forgotten it, and never calls a listener for it.
 */
export function unmadeOf(guards: Iterable<Arriving>, otherwise: Failure): Exchange | undefined {
  // Of a parser, Node's resource names the connection.
  const { socket } = executionAsyncResource() as { readonly socket?: Socket };
  if (socket === undefined) return undefined;
  for (const guard of guards)
    for (const server of guard.servers)
      if (arrivingAt(server).has(socket)) return guard.openArriving(socket, otherwise);
  return undefined;
}
