import { setImmediate } from "../../clock.js";
import { contained } from "../../containment.js";
import { awaitsContent } from "../../http/message.js";
import { countNoMore } from "../connection/bytes-written.js";
import { asOwn } from "../connection/socket-close.js";
import { discardCalls } from "../message/discarded-calls.js";
import { isFollowed } from "../message/followed.js";
import { callBack, type Piece, writeAfterDestroy } from "../message/write-callbacks.js";
import { isFinishCallback, versionOf, type WriteCallback } from "../node/node-internals.js";
import { tellDeparture, tellDepartureAtTurn } from "./departure.js";
import type { Http1Exchange } from "./http1-exchange.js";
import { finishDetached } from "./last-response.js";

/** Whether another request can follow on this connection once this one is answered. */
export function canPersist(exchange: Http1Exchange): boolean {
  const { request, response } = exchange;
  // The app has given up the connection: what is pipelined behind it has been told so, and is not answered.
  if (exchange.goneBy === "app") return false;
  if (versionOf(request) !== "1.1" || response._last || exchange.isDetached || endsConnection(exchange)) return false;
  if (/(?:^|[\s,])close(?:$|[\s,])/i.test(request.headers.connection ?? "")) return false;
  if (response.maxRequestsOnConnectionReached) return false;
  // Content that is still to come, and that nobody will read, would be taken for the next request.
  return !awaitsContent(request) && !exchange.connection.broken;
}

/**
 * Whether the server lets its connections end, and this response can say so: one that waits for its turn cannot, since the
 * app may be given more requests until then, nor can one behind whose request another has arrived. A connection on which
 * nobody has said it is closed once it has been quiet.
 */
export function endsConnection({ supervisor, connection, following, request, response }: Http1Exchange): boolean {
  if (following !== null) return false;
  const { server } = connection.socket as { server?: object };
  if (server === undefined || !supervisor.closing.has(server)) return false;
  return response.socket !== null && !isFollowed(request, connection.socket);
}

/**
 * Writes a whole message in the place of whatever the app had in mind, and settles Node's own bookkeeping.
 * @param unseen - the app has not got hold of the response: nobody is left to be silenced, which takes longer than the rest
 */
export function takeOver(exchange: Http1Exchange, octets: Buffer, head: string, closes: boolean, unseen = false): void {
  const { response, native } = exchange;
  const dropped = exchange.held;
  exchange.held = null;
  exchange.shownLength = 0;
  if (dropped !== null) countNoMore(exchange.connection.socket);
  if (exchange.isDetached) {
    finishDetached(exchange, octets);
    discardCalls(exchange);
    return;
  }
  const queued = response.outputData;
  if (queued.length > 0) {
    // Waiting for its turn: take back what was queued.
    response.outputData = [];
    response._onPendingData(-response.outputSize);
    response.outputSize = 0;
  }
  const { finished, destroyed, _header: header, shouldKeepAlive, strictContentLength } = response;
  const finish = takeFinish(exchange, dropped, queued);
  response.shouldKeepAlive = !closes;
  response._last = closes;
  response._header = head;
  response._headerSent = true;
  if (!unseen) discardCalls(exchange);
  exchange.passing = true;
  native._writeRaw.call(response, octets, null, exchange.goneBy === null ? finish : depart(exchange, finish));
  exchange.passing = false;
  if (exchange.goneBy !== null) {
    // As the app knows it: nothing of what has gone out is of its making, and nobody could have got it.
    response.finished = finished;
    response._header = header;
    response._headerSent = header !== null;
    response.shouldKeepAlive = shouldKeepAlive;
    response.strictContentLength = strictContentLength;
    response.destroyed = destroyed;
  }
  const { socket } = response;
  // A method that threw may have left the socket corked for good.
  if (socket !== null) for (let n = socket.writableCorked; n > 0; n--) socket.uncork();
  if (dropped !== null) callBack(dropped, exchange.goneBy === null ? null : writeAfterDestroy());
}

/** Tells the app of the end of the connection when Node would have told it, before Node turns to what follows. */
function depart(exchange: Http1Exchange, finish: WriteCallback): WriteCallback {
  if (exchange.isQueued) tellDepartureAtTurn(exchange);
  else tellDeparture(exchange);
  return (...args) => setImmediate(() => finish?.(...args));
}

/**
 * The callback that `end()` hangs on its last octet: it emits `finish`, after which Node turns to the next request.
 * Where the app never ended its response, `end()` is run for it alone, with nothing going out.
 */
function takeFinish(
  exchange: Http1Exchange,
  dropped: readonly Piece[] | null,
  queued: readonly { callback: unknown }[],
): WriteCallback {
  const { response, native } = exchange;
  for (const { callback } of [...(dropped ?? []), ...queued])
    if (isFinishCallback(callback)) exchange.finishCallback = callback as WriteCallback;
  if (exchange.finishCallback === null) {
    response.finished = false; // an app may have set it without ending anything
    exchange.capturing = true;
    response.strictContentLength = false;
    response.destroyed = false;
    response._header ??= "HTTP/1.1 500\r\n\r\n";
    response._headerSent = false;
    try {
      native.end.call(response);
    } catch {
      // Without the callback Node never turns to the next request: the connection is closed instead.
      const close = contained(exchange.supervisor, () => exchange.connection.abort(false));
      exchange.connection.socket.once("finish", asOwn(close));
    }
    exchange.capturing = false;
  }
  return exchange.finishCallback;
}
