import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import type { GuardedConnection } from "./connection.js";

/**
 * Longest time a connection stays half open so that a client that still sends can read its answer, in milliseconds.
 * Some proxies, Apache among them, read nothing until they have sent the whole request.
 */
const LINGER_MS = 30_000;

/** Longest silence of such a client, in milliseconds. */
const LINGER_SILENCE_MS = 2_000;

/** Longest time a half-closed client may wait for an answer to begin, in milliseconds, before it counts as gone. */
const HALF_CLOSED_MS = 1_000;

/**
 * Ends a connection whose client is still sending. Closing at once would answer its octets with RST, which can overtake
 * the response and wipe it out before it is read (RFC 9112, section 9.6): say that we are done, go on reading, then close.
 */
export function linger(connection: GuardedConnection, request: IncomingMessage): void {
  const { socket } = connection;
  connection.own(() => connection.call("end", []));
  const close = () => connection.abort(false);
  const closeOnceFlushed = () => connection.own(() => connection.call("destroySoon", []));
  const until = performance.now() + LINGER_MS;
  let read = socket.bytesRead;
  const timer = setInterval(() => {
    if (socket.bytesRead === read || performance.now() > until) close();
    read = socket.bytesRead;
  }, LINGER_SILENCE_MS).unref();
  socket.once("close", () => clearInterval(timer));
  socket.once("end", closeOnceFlushed);
  request.once("end", closeOnceFlushed);
  request.resume();
  // A request that the app has destroyed reads no more; the octets go to a parser that throws them away.
  if (request.destroyed) socket.resume();
}

/**
 * The client has ended its side. Many that do are gone, but RFC 9112 lets a client half-close and wait for its
 * answer; both look alike until something is written. So an answer gets a moment to begin, and if nothing has,
 * the connection ends as Node would have ended it at once.
 */
export function awaitAnswer(connection: GuardedConnection): void {
  const { socket } = connection;
  if (connection.isIdle || connection.lingering || connection.bare !== null) return;
  // Node tells the app of a client that has closed; so do we, though the answer still goes out if one comes.
  for (const { request, committed } of connection) if (!committed) tellAborted(request);
  const written = socket.bytesWritten;
  const look = () => {
    if (connection.isIdle || socket.destroyed) return;
    if (socket.bytesWritten === written) connection.abort(true);
  };
  const timer = setTimeout(look, HALF_CLOSED_MS).unref();
  socket.once("close", () => clearTimeout(timer));
}

/** What Node does to the requests of a connection that is gone, except that the socket stays. */
function tellAborted(request: IncomingMessage): void {
  if (request.destroyed || !request.complete) return;
  if (request.readableLength > 0) {
    // Content that the app is still reading is not lost.
    request.once("end", () => tellAborted(request));
    return;
  }
  const isAwaited = request.listenerCount("error") > 0;
  request.aborted = true;
  request.emit("aborted");
  Object.defineProperty(request, "_destroy", {
    configurable: true,
    writable: true,
    value: (error: Error | null, callback: (error?: Error | null) => void) => process.nextTick(callback, error),
  });
  Readable.prototype.destroy.call(
    request,
    isAwaited ? Object.assign(new Error("aborted"), { code: "ECONNRESET" }) : undefined,
  );
}
