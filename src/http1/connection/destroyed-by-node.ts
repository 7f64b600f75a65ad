import { Socket } from "node:net";
import { runningFunctions } from "../../stack.js";
import type { NodeSocket } from "../node/node-internals.js";
import { isDestroyed, isWritable } from "./gone-socket.js";

/** Functions of Node that destroy a socket when its connection is gone. */
const NODE_REPORTS = /node:internal\/stream_base_commons|node:_tls_wrap|onwriteError|errorOrDestroy/;

/** Where Node keeps a stream of HTTP/2, or a Duplex made of two streams, in step with what is below. */
const BELOW = /node:internal\/(?:http2\/|streams\/duplexify)/;

interface Connection {
  readonly socket: NodeSocket;
  readonly lastResponse: object | null;
}

/**
 * Whether a destroy comes from the connection itself: the client is gone, and nothing can be answered any more.
 * @param error - what the socket is destroyed with
 */
export function isGone({ socket, lastResponse }: Connection, error?: unknown): boolean {
  if (isDestroyed(socket) || (!isWritable(socket) && lastResponse === null)) return true;
  // Node ends what stands in for a socket where that has ended which it is made of.
  if (
    !(socket instanceof Socket) &&
    runningFunctions()
      .slice(3, 6)
      .some((name) => BELOW.test(name))
  )
    return true;
  if (error === null || typeof error !== "object" || !("syscall" in error)) return false;
  // An app that destroys the socket with the error of its upstream hands over the very same codes; only the caller
  // tells the two apart.
  return runningFunctions().some((name) => NODE_REPORTS.test(name));
}
