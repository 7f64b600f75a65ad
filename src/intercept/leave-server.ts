import type { Socket } from "node:net";
import { isDestroyed } from "./gone-socket.js";

/** What Node keeps in a server of its connections, and waits for until it emits `close`. */
interface Counting {
  readonly listening?: boolean;
  _connections?: number;
  _emitCloseIfDrained?(): void;
}

/** A socket, or over TLS the one below it. */
type Counted = Socket & { _server?: (Counting & object) | null; _parent?: Counted | null };

/** Sockets that are closed in the view of the app, while the guard keeps them. */
const gone = new WeakSet<Socket>();

/** A connection is gone, in the view of the app: a server that closes does not wait for it. */
export function isGoneForApp(socket: Socket): void {
  gone.add(socket);
  const counted = countedSocket(socket);
  if (counted?._server?.listening === false) leave(counted);
}

/** A server has been closed, and waits for its connections. */
export function letGo(sockets: readonly Socket[]): void {
  for (const socket of sockets) {
    const counted = gone.has(socket) ? countedSocket(socket) : undefined;
    if (counted !== undefined) leave(counted);
  }
}

function countedSocket(socket: Counted): Counted | undefined {
  const counted = socket._server ? socket : socket._parent;
  return counted?._server ? counted : undefined;
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
