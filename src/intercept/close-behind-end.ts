import { constants } from "node:os";
import { finishUnseen, tellDeparture } from "./departure.js";
import type { Http1Exchange } from "./http1-exchange.js";
import { FINISH_HEEDS_ERRORS } from "./node-internals.js";
import { awaitsContent } from "./request.js";
import { endInView, showError } from "./socket-error.js";
import { takeFinish } from "./take-over.js";

/**
 * The app destroys the connection behind the end of its response. Where nobody loses anything by it, it is gone as without
 * a guard; otherwise the recipient gets the response to its end, and the app is told at once.
 * @returns true where the guard takes over
 */
export function closeBehindEnd(exchange: Http1Exchange, how: string, error: unknown): boolean {
  const { connection, response } = exchange;
  // A reset would overtake what the recipient has not read.
  if (how !== "socket.resetAndDestroy" && canCloseAtOnce(exchange)) return false;
  response._last = true;
  if (connection.socket.destroyed) return true; // told already
  endInView(connection, error);
  if (hasLeft(exchange)) {
    // Its `finish` is on the way, and Node tells of it or not.
    if (error) showError(connection.socket, error);
    setImmediate(departFinished, exchange);
  } else {
    exchange.goneBy = "app";
    exchange.departs = true;
    setImmediate(departUnfinished, exchange, error);
  }
  return true;
}

/** Whether a connection can close behind an exchange without anybody losing octets that were meant for them. */
export function canCloseAtOnce(exchange: Http1Exchange): boolean {
  const { connection, request } = exchange;
  if (awaitsContent(request)) return false; // closing would answer it with a reset
  if (exchange.settled) return connection.isIdle;
  return !exchange.inert && exchange.isOver() && exchange.following === null && hasLeft(exchange);
}

/** All of a response is with the operating system. */
function hasLeft({ response, connection }: Http1Exchange): boolean {
  return response.socket !== null && response.outputData.length === 0 && connection.socket.writableLength === 0;
}

function departFinished(exchange: Http1Exchange): void {
  const isWithheld = !exchange.finishing;
  if (isWithheld) exchange.goneBy = "app";
  tellDeparture(exchange);
  if (!isWithheld) return;
  exchange.finishing = true;
  finishUnseen(exchange);
}

function departUnfinished(exchange: Http1Exchange, error: unknown): void {
  if (FINISH_HEEDS_ERRORS) tellUnfinished(exchange, error ?? canceled());
  tellDeparture(exchange);
}

/** Calls what waits for the end of a response with the reason why that never comes. */
function tellUnfinished(exchange: Http1Exchange, reason: unknown): void {
  const { response } = exchange;
  const { destroyed, strictContentLength, _headerSent } = response;
  const finish = takeFinish(exchange, null, []);
  Object.assign(response, { destroyed, strictContentLength, _headerSent });
  finish?.(reason as Error);
}

/** What Node makes of octets that are still queued as a socket is destroyed. */
function canceled(): Error {
  const errno = -constants.errno.ECANCELED;
  return Object.assign(new Error("write ECANCELED"), { errno, code: "ECANCELED", syscall: "write" });
}
