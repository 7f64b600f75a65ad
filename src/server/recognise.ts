import type { Http1Server } from "../http1/server/server-guard.js";
import { shared } from "../shared.js";

const guards = shared("guards", () => new WeakMap<object, Set<object>>());

interface AnyServer {
  emit(event: string | symbol, ...args: unknown[]): boolean;
  listeners(event: string): unknown[];
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
  const known = guards.get(server);
  if (known !== undefined) return known;
  const none = new Set<object>();
  guards.set(server, none);
  return none;
}

/** Whether a server speaks HTTP/1.x alone; one of `node:http2` may as well speak both. */
export function isHttp1Server(server: object): server is Http1Server {
  return "headersTimeout" in server && !("updateSettings" in server);
}
