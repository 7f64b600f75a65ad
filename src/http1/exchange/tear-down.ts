import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { clearInterval, clearTimeout, performance, setInterval, setTimeout } from "../../clock.js";
import { contained } from "../../containment.js";
import type { Exchange } from "../../exchange/exchange.js";
import type { GuardedConnection } from "../connection/connection.js";
import { isDestroyed } from "../connection/gone-socket.js";
import { asOwn, onceClosed } from "../connection/socket-close.js";
import { leaveConnection, tellClientLeft } from "./departure.js";

/**
 * Longest time a connection stays half open so that a client that still sends can read its answer, in milliseconds.
 * Some proxies, Apache among them, read nothing until they have sent the whole request.
 */
const LINGER_MS = 30_000;

/** Longest silence of such a client, in milliseconds. */
const LINGER_SILENCE_MS = 2_000;

/** Longest silence of a client whose request has been answered early, in milliseconds: as long as Node would wait. */
const UNREAD_SILENCE_MS = 5_000;

/** Time for a client whose octets nobody reads to read its answer, in milliseconds. */
const LAST_READ_MS = 1_000;

/** Longest time nothing moves for a half-closed client, in milliseconds, until it counts as gone. */
const HALF_CLOSED_MS = 1_000;

/** Node wants the connection closed once its last response is flushed. */
export function closeSoon(connection: GuardedConnection): void {
  const { socket, unread } = connection;
  if (unread === null || socket.readableEnded || isDestroyed(socket)) {
    connection.own(() => connection.call("destroySoon", []));
    return;
  }
  connection.lingering = true;
  linger(connection, unread);
}

/**
 * Ends a connection whose client is still sending. Closing at once would answer its octets with RST, which can overtake
 * the response and wipe it out before it is read (RFC 9112, section 9.6): say that we are done, go on reading, then close.
 */
function linger(connection: GuardedConnection, request: IncomingMessage): void {
  const { socket, witness } = connection;
  connection.own(() => connection.call("end", []));
  const close = () => connection.abort(false);
  const closeNow = () => void connection.own(() => connection.call("destroySoon", []));
  const closeOnceFlushed = asOwn(contained(witness, closeNow));
  const until = performance.now() + LINGER_MS;
  let read = socket.bytesRead;
  const look = () => {
    if (socket.bytesRead === read || performance.now() > until) close();
    read = socket.bytesRead;
  };
  const timer = setInterval(contained(witness, look), LINGER_SILENCE_MS).unref();
  onceClosed(socket, () => clearInterval(timer));
  socket.once("end", closeOnceFlushed);
  request.once("end", closeOnceFlushed);
  if (request.destroyed) throwAway(request, socket);
  else request.resume();
}

/** Ends a connection that has its last answer, behind which the client may still be sending what could not be parsed. */
export function closeOnceRead(connection: GuardedConnection): void {
  const { socket, witness } = connection;
  const close = asOwn(contained(witness, () => connection.abort(false)));
  const timer = setTimeout(close, LAST_READ_MS).unref();
  onceClosed(socket, () => clearTimeout(timer));
  if (socket.readableEnded) close();
  else {
    socket.once("end", close);
    socket.resume();
  }
}

/**
 * The response is out and the connection is to persist, but the rest of the request is still to come. Where nobody reads
 * it, no other request can follow, and the connection ends. What an app has let go of is read for it: a client that still
 * sends has been promised the connection, and may use it right behind the last octet.
 */
export function awaitRest(connection: GuardedConnection, request: IncomingMessage): void {
  // That of a request in front of it is here.
  connection.forgetRest?.();
  if (request.complete) return;
  const { socket } = connection;
  const until = performance.now() + LINGER_MS;
  let read = socket.bytesRead;
  const look = () => {
    if (request.complete || connection.lingering || isDestroyed(socket)) return stop();
    if (socket.bytesRead === read || (request.destroyed && performance.now() > until)) closeSoon(connection);
    else if (request.destroyed) throwAway(request, socket);
    read = socket.bytesRead;
  };
  const timer = setInterval(contained(connection.witness, look), UNREAD_SILENCE_MS).unref();
  const stop = contained(connection.witness, () => {
    clearInterval(timer);
    socket.removeListener("close", stop);
    connection.forgetRest = undefined;
  });
  connection.forgetRest = stop;
  onceClosed(socket, stop);
  if (request.destroyed) throwAway(request, socket);
}

/** Reads what still arrives of a request that the app has destroyed. */
function throwAway(request: IncomingMessage, socket: Socket): void {
  leaveConnection(request);
  socket.resume();
}

/**
 * The client has ended its side. Many that do are gone, but RFC 9112 lets a client half-close and wait for its
 * answer; both look alike until something is written. The app is told what Node would tell it; what it answers all the
 * same gets a moment to move, and when nothing does, the connection ends as Node would have ended it at once.
 */
export function awaitAnswer(connection: GuardedConnection): void {
  const { socket } = connection;
  if (connection.isIdle || connection.lingering || connection.bare !== null) return;
  const { server } = socket as Socket & { readonly server?: { readonly httpAllowHalfOpen?: unknown } };
  if (server?.httpAllowHalfOpen === true && socket.allowHalfOpen) return; // as the app has set it
  socket.allowHalfOpen = true; // over TLS it is not, and Node would end its side now
  tellClientLeft(connection);
  let moved = connection.delivered;
  const look = () => {
    if (connection.isIdle) return; // Node closes it, behind what is on its way
    // Mostly its end says as much as a reset, and is what Node would have shown.
    if (connection.delivered === moved) connection.abort([...connection].some(looksWholeAtEnd));
    moved = connection.delivered;
  };
  const timer = setInterval(contained(connection.witness, look), HALF_CLOSED_MS).unref();
  onceClosed(socket, () => clearInterval(timer));
}

/** Whether the end of its connection would be the end of its content as well. */
function looksWholeAtEnd({ isOut, isDelimited, phase }: Exchange): boolean {
  return isOut && !isDelimited && !phase.isOver;
}
