import type { Socket } from "node:net";
import { idleSocketsOf, socketsOf } from "../http1/connection/connection-lists.js";
import { isDestroyed } from "../http1/connection/gone-socket.js";
import { connectionOf } from "../http1/methods/connection-of.js";

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
