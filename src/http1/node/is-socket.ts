import type { Socket } from "node:net";
import { Duplex } from "node:stream";

/** Whether a connection stands behind a request, and not the make-believe of `inject()`: any stream with a parser on it. */
export function isSocket(socket: unknown): socket is Socket {
  if (socket === null || typeof socket !== "object") return false;
  if (typeof (socket as Socket).destroySoon === "function" && "bytesWritten" in socket) return true;
  return socket instanceof Duplex && (socket as { parser?: object | null }).parser != null;
}
