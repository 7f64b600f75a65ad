import type { IncomingMessage } from "node:http";
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
  const until = performance.now() + LINGER_MS;
  let read = socket.bytesRead;
  const timer = setInterval(() => {
    if (socket.bytesRead === read || performance.now() > until) close();
    read = socket.bytesRead;
  }, LINGER_SILENCE_MS).unref();
  socket.once("close", () => clearInterval(timer));
  socket.once("end", close);
  request.once("end", close);
  request.resume();
}

/**
 * The client has ended its side. Many that do are gone, but RFC 9112 lets a client half-close and wait for its
 * answer; both look alike until something is written. So an answer gets a moment to begin, and if nothing has,
 * the connection ends as Node would have ended it at once.
 */
export function awaitAnswer(connection: GuardedConnection): void {
  const { socket } = connection;
  if (connection.isIdle || connection.lingering || connection.bare !== null) return;
  const written = socket.bytesWritten;
  const look = () => {
    if (connection.isIdle || socket.destroyed) return;
    if (socket.bytesWritten === written) connection.abort(true);
  };
  const timer = setTimeout(look, HALF_CLOSED_MS).unref();
  socket.once("close", () => clearTimeout(timer));
}
