import type { Socket } from "node:net";
import { contained } from "../../containment.js";
import { isDestroyed } from "./gone-socket.js";
import { onceClosed } from "./socket-close.js";

/** What Node keeps in a server of its connections, and waits for until it emits `close`. */
interface Counting {
  readonly listening?: boolean;
  _connections?: number;
  _emitCloseIfDrained?(): void;
}

/** A socket, or over TLS the one below it. */
type Counted = Socket & { _server?: (Counting & object) | null; _parent?: Counted | null };

/** Sockets of a server that are closed in the view of the app, while the guard keeps them. */
const gone = new WeakMap<object, Set<Counted>>();

/** A connection is gone, in the view of the app: a server that closes does not wait for it. */
export function leaveServer(socket: Socket): void {
  const counted = (socket as Counted)._server ? (socket as Counted) : (socket as Counted)._parent;
  const server = counted?._server;
  if (!counted || !server) return;
  if (server.listening === false) return leave(counted);
  const sockets = gone.get(server) ?? new Set();
  gone.set(server, sockets.add(counted));
  const closed = contained(undefined, () => void sockets.delete(counted));
  onceClosed(socket, closed);
}

/** A server has been closed, and waits for its connections. */
export function letGo(server: object): void {
  for (const counted of gone.get(server) ?? []) leave(counted);
  gone.delete(server);
}

/** Does what Node does when a socket is destroyed; that finds no server then. */
function leave(counted: Counted): void {
  const server = counted._server;
  if (isDestroyed(counted)) return; // Node no longer counts it
  if (typeof server?._connections !== "number" || typeof server._emitCloseIfDrained !== "function") return;
  counted._server = null;
  server._connections--;
  server._emitCloseIfDrained();
}
