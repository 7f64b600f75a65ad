import type { Socket } from "node:net";
import { isDestroyed } from "./gone-socket.js";

/** What Node keeps in a server of its connections, and waits for until it emits `close`. */
interface Counting {
  _connections?: number;
  _emitCloseIfDrained?(): void;
}

/** A socket, or over TLS the one below it. */
type Counted = Socket & { _server?: Counting | null; _parent?: Counted | null };

/**
 * A connection is gone, in the view of the app, while the guard keeps it: a server that closes does not wait for it, and
 * it takes the place of no other (`maxConnections`). Does what Node does when a socket is destroyed; that finds no server
 * then.
 */
export function leaveServer(socket: Socket): void {
  const counted = (socket as Counted)._server ? (socket as Counted) : (socket as Counted)._parent;
  const server = counted?._server;
  if (!counted || isDestroyed(counted)) return; // Node no longer counts it
  if (typeof server?._connections !== "number" || typeof server._emitCloseIfDrained !== "function") return;
  counted._server = null;
  server._connections--;
  server._emitCloseIfDrained();
}
