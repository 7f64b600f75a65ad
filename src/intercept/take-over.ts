import type { Piece } from "./content.js";
import type { Http1Exchange } from "./http1-exchange.js";
import { isFinishCallback, versionOf, type WriteCallback } from "./node-internals.js";
import { silence } from "./silence.js";

/** Whether another request can follow on this connection once this one is answered. */
export function canPersist(exchange: Http1Exchange): boolean {
  const { request, response } = exchange;
  if (versionOf(request) !== "1.1" || response._last || exchange.isDetached || endsConnection(exchange)) return false;
  if (/(?:^|[\s,])close(?:$|[\s,])/i.test(request.headers.connection ?? "")) return false;
  if (response.maxRequestsOnConnectionReached) return false;
  // Content that is still to come, and that nobody will read, would be taken for the next request.
  const hasContent =
    request.headers["transfer-encoding"] !== undefined || Number(request.headers["content-length"] ?? 0) > 0;
  return (request.complete || !hasContent) && !exchange.connection.broken;
}

/** Whether the server lets its connections end, and no request is known to follow on this one. */
export function endsConnection({ supervisor, connection, following }: Http1Exchange): boolean {
  if (supervisor.closing.size === 0 || following !== null) return false;
  const { server } = connection.socket as { server?: object };
  return server !== undefined && supervisor.closing.has(server);
}

/** Writes a whole message in the place of whatever the app had in mind, and settles Node's own bookkeeping. */
export function takeOver(exchange: Http1Exchange, octets: Buffer, head: string, closes: boolean): void {
  const { response, native } = exchange;
  const dropped = exchange.held;
  exchange.held = null;
  exchange.committed = true;
  if (exchange.isDetached) {
    exchange.connection.finishDetached(exchange, octets);
    silence(exchange);
    return;
  }
  const queued = response.outputData;
  if (queued.length > 0) {
    // Waiting for its turn: take back what was queued.
    response.outputData = [];
    response._onPendingData(-response.outputSize);
    response.outputSize = 0;
  }
  const finish = takeFinish(exchange, dropped, queued);
  response.shouldKeepAlive = !closes;
  response._last = closes;
  response._header = head;
  response._headerSent = true;
  silence(exchange);
  exchange.passing = true;
  native._writeRaw.call(response, octets, null, finish);
  exchange.passing = false;
  const { socket } = response;
  // A method that threw may have left the socket corked for good.
  if (socket !== null) for (let n = socket.writableCorked; n > 0; n--) socket.uncork();
  if (dropped !== null)
    for (const { callback } of dropped)
      if (typeof callback === "function" && !isFinishCallback(callback)) process.nextTick(callback, null);
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
      exchange.connection.socket.once("finish", () => exchange.connection.abort(false));
    }
    exchange.capturing = false;
  }
  return exchange.finishCallback;
}
