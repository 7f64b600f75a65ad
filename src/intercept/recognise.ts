import type { Socket } from "node:net";
import type { Http1Server } from "./server.js";

const kGuards: unique symbol = Symbol.for("rayguard.guards") as never;

interface AnyServer {
  emit(event: string | symbol, ...args: unknown[]): boolean;
}

/** Whether this is a server of `node:http`, `node:https` or `node:http2`. */
export function isServer(server: unknown): server is AnyServer {
  if (server === null || typeof server !== "object" || !("listening" in server)) return false;
  // A plain net.Server listens as well, and speaks no HTTP.
  if (!("headersTimeout" in server) && !("updateSettings" in server)) return false;
  return typeof (server as Partial<AnyServer>).emit === "function";
}

/** The guards attached to a server; the first one does the work. */
export function guardsOf(server: object): Set<object> {
  const holder = server as { [kGuards]?: Set<object> };
  if (holder[kGuards] === undefined) Object.defineProperty(holder, kGuards, { value: new Set() });
  return holder[kGuards] as Set<object>;
}

/** Whether a server speaks HTTP/1.x alone; one of `node:http2` may as well speak both. */
export function isHttp1Server(server: object): server is Http1Server {
  return "headersTimeout" in server && !("updateSettings" in server);
}

/** Whether a connection stands behind a request, and not the make-believe of `inject()`. */
export function isSocket(socket: unknown): socket is Socket {
  return (
    socket !== null &&
    typeof socket === "object" &&
    typeof (socket as Socket).destroySoon === "function" &&
    "bytesWritten" in socket
  );
}
