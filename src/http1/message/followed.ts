import type { IncomingMessage } from "node:http";
import { endOfSection } from "../../http/message.js";
import type { NodeSocket } from "../node/node-internals.js";

/** What is being parsed; empty where nothing is. */
interface Parser {
  getCurrentBuffer?(): Uint8Array | undefined;
}

/**
 * Whether octets have arrived behind a request that is being parsed at this moment: Node gives the app every request that
 * arrived in one piece, one after the other, and what they are is not known yet.
 */
export function isFollowed(request: IncomingMessage, socket: NodeSocket): boolean {
  const parser = (socket as { parser?: Parser | null }).parser;
  const octets = parser?.getCurrentBuffer?.();
  if (octets === undefined || octets.byteLength === 0) return false;
  const end = endOfSection(Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength));
  // The end of the header section may have come in two pieces.
  const rest = octets.byteLength - (end === -1 ? 3 : end);
  return rest > Number(request.headers["content-length"] ?? 0);
}
