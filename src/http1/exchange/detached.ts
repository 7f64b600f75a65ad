import { setImmediate } from "../../clock.js";
import { contained } from "../../containment.js";
import { PHASES } from "../../exchange/state.js";
import { endOfSection } from "../../http/message.js";
import { isDestroyed } from "../connection/gone-socket.js";
import { onceClosed } from "../connection/socket-close.js";
import { discardCalls } from "../message/discarded-calls.js";
import type { Http1Exchange } from "./http1-exchange.js";
import { finishDetached } from "./last-response.js";
import { awaitRest } from "./tear-down.js";

/** Node detaches the socket when the response has been flushed; an app that does it takes the connection over. */
export function detached(exchange: Http1Exchange): void {
  const { connection, request, response, isWatched } = exchange;
  // An app may have ended an object that inherits from the response, which Node then takes for that.
  if (response.finished || exchange.phase === PHASES.ended) {
    connection.remove(exchange);
    // Node takes a response whose connection has broken for finished, too.
    const { looksGone, socket } = connection;
    const isGone = looksGone ? isDestroyed(socket) : socket.destroyed;
    exchange.settle(!isGone || connection.unsent === 0);
    // Node turns to the next request first, or closes the connection.
    if (!request.complete && connection.unread !== null && !isWatched)
      setImmediate(contained(exchange.supervisor, () => awaitRest(connection, request)));
  } else {
    exchange.wasOut = exchange.isOut;
    exchange.isDetached = true;
    connection.detached = exchange;
    // Node would hand the socket to the next request, and with it the rest of this response.
    connection.lingering = !isWatched;
    const closed = contained(exchange.supervisor, () => connection.closed());
    onceClosed(connection.socket, closed);
  }
}

/** An app has given the response its socket back. */
export function reattached(exchange: Http1Exchange): void {
  const { connection, following, response } = exchange;
  if (!exchange.isDetached || response.socket !== connection.socket) return;
  exchange.isDetached = false;
  connection.detached = null;
  // What has arrived meanwhile was not served.
  if (following === null) connection.lingering = false;
  else if (!exchange.isWatched) response.shouldKeepAlive = false;
}

/** Without its socket, Node keeps a response queued for ever. */
export function sendDetached(exchange: Http1Exchange): void {
  const { response } = exchange;
  const pieces = response.outputData.map(({ data, encoding }) =>
    typeof data === "string" ? Buffer.from(data, (encoding ?? "utf8") as BufferEncoding) : data,
  );
  response.outputData = [];
  exchange.phase = exchange.phase.after.replace;
  finishDetached(exchange, announcingClose(Buffer.concat(pieces)));
  discardCalls(exchange);
}

/** A rendered message whose connection will not be kept after all. */
function announcingClose(octets: Buffer): Buffer {
  const end = endOfSection(octets);
  if (end === -1) return octets;
  const head = octets.toString("latin1", 0, end);
  const closing = head.replace(
    /\r\nConnection: keep-alive(?:\r\nKeep-Alive: [^\r]*)?\r\n/i,
    "\r\nConnection: close\r\n",
  );
  return Buffer.concat([Buffer.from(closing, "latin1"), octets.subarray(end)]);
}
