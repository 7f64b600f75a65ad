import { METHODS } from "node:http";
import type { Socket } from "node:net";
import { EVENTS, type Failure } from "../incidents.js";
import { connectionOf } from "./connection.js";
import { callListeners } from "./listeners.js";
import type { Http1Server, ServerGuard } from "./server.js";

/** How long a listener for `clientError` may take until the guard answers in its place, in milliseconds. */
const CLIENT_ERROR_PATIENCE_MS = 1_000;

const CLIENT_ERROR_STATUS: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
};

const LONGEST_METHOD = Math.max(...METHODS.map(({ length }) => length));

/** What Node adds to an error of its parser; `rawPacket` is what came from the socket in one piece. */
export type ClientError = NodeJS.ErrnoException & { reason?: string; bytesParsed?: number; rawPacket?: Buffer };

/** Hands on octets that are no request, and sees that they get one answer, in its turn. */
export function emitClientError(
  server: Http1Server,
  below: Http1Server["emit"],
  guard: ServerGuard,
  error: ClientError,
  socket: Socket,
): boolean {
  if (typeof (socket as Partial<Socket> | undefined)?.destroySoon !== "function") {
    // Emitted by hand, with something that is no socket.
    return Reflect.apply(below, server, ["clientError", error, socket]) as boolean;
  }
  const connection = connectionOf(socket);
  if (connection.broken) return true;
  if (connection.isGone(error) || error.code === "ECONNRESET" || error.code === "EPIPE") {
    return Reflect.apply(below, server, ["clientError", error, socket]) as boolean;
  }
  connection.broken = true;
  if (error.code === "HPE_HEADER_OVERFLOW") guard.requestHeadersTooLarge(server);
  const otherwise: Failure = {
    code: "CLIENT_ERROR",
    message: EVENTS.CLIENT_ERROR,
    prevented: 520,
    status: CLIENT_ERROR_STATUS[error.code ?? ""] ?? 400,
    err: withoutPacket(error),
    closes: true,
    // The octets end in the middle of a message: whoever sent them has closed.
    clientGone: error.code === "HPE_INVALID_EOF_STATE",
  };
  const method = methodIn(error);
  const answer = () => {
    if (socket.destroyed || !socket.writable) return;
    const exchange = guard.openSocket(null, socket, otherwise, method);
    if (server.listenerCount("clientError") > 0) {
      callListeners(guard, server, below, "clientError", [error, socket], exchange);
      if (exchange.isAnswered) return;
      // A listener may answer later; one that does nothing at all must not leave the client waiting.
      const timer = setTimeout(() => exchange.unanswered(), CLIENT_ERROR_PATIENCE_MS).unref();
      socket.once("close", () => clearTimeout(timer));
    } else exchange.unanswered();
  };
  const waiting = [...connection];
  const last = waiting.at(-1);
  if (last === undefined) {
    // What is malformed is the rest of a request that has been answered: another answer would be one too many.
    if (connection.owesContent) connection.abort(false);
    else answer();
    return true;
  }
  if (otherwise.clientGone && last.isOut()) {
    connection.abort(false);
    return true;
  }
  // Responses are under way. The malformed octets belong to the content of the last request, or come after it: in its
  // place nothing else may be answered, and after it the connection cannot go on.
  if (!last.request.complete && !last.isOver()) last.fail(otherwise);
  else last.whenSettled = () => setImmediate(answer);
  return true;
}

/**
 * The method of a request that could not be parsed: known where it begins with the octets that Node hangs on the error,
 * and no other message does. A request in pieces has the error in a later one.
 */
function methodIn({ rawPacket, bytesParsed }: ClientError): string | undefined {
  const parsed = rawPacket?.subarray(0, bytesParsed);
  if (parsed === undefined || parsed.includes("\n\r\n") || parsed.includes("\n\n")) return undefined;
  const [token = ""] = parsed.toString("latin1", 0, LONGEST_METHOD + 1).split(" ", 1);
  return METHODS.includes(token) ? token : undefined;
}

/** Node hangs the octets it could not parse on the error; they may hold cookies and credentials. */
function withoutPacket(error: ClientError): Error {
  const { code, reason, bytesParsed, stack } = error;
  return Object.assign(new Error(error.message), { code, reason, bytesParsed, stack });
}
