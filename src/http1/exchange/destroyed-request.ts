import type { IncomingMessage } from "node:http";
import { setTimeout } from "../../clock.js";
import { contained } from "../../containment.js";
import { awaitsContent } from "../../http/message.js";
import { prematureClose } from "../../report/incidents.js";
import { showGone } from "../connection/gone-socket.js";
import { endWithError } from "../connection/socket-error.js";
import { leaveConnection, tellDeparture } from "./departure.js";
import type { Http1Exchange } from "./http1-exchange.js";
import { closeSoon } from "./tear-down.js";

/** How long an app that has destroyed its request may take to answer it after all, in milliseconds. */
const LATE_ANSWER_MS = 100;

/** The app destroys its request. @returns what `below`, the method to do so, does */
export function destroyRequest(
  exchange: Http1Exchange,
  below: IncomingMessage["destroy"],
  error?: Error,
): IncomingMessage {
  const { connection, request } = exchange;
  leaveConnection(request);
  const result = below.call(request, error);
  // Answered in full, and the connection has promised to persist: it does, where all of the request has arrived.
  if (!exchange.phase.isSettled) destroyed(exchange, error);
  else if (awaitsContent(request)) closeSoon(connection);
  return result;
}

/** The app has destroyed its request, and with it, as far as it knows, the connection. */
function destroyed(exchange: Http1Exchange, error: unknown): void {
  const { connection, request, response } = exchange;
  if (exchange.phase.isOver) {
    if (!awaitsContent(request)) return;
    response._last = true;
    endWithError(connection, error);
    showGone(connection);
  } else if (response._header === null && exchange.raw === null && !exchange.isDetached) awaitAnswer(exchange, error);
  else {
    connection.culprit = exchange;
    exchange.closing("req.destroy", error);
    connection.culprit = null;
    if (exchange.goneBy !== null && !exchange.isQueued) showGone(connection);
  }
}

/**
 * An app that destroys a request in mid-content often answers behind that, most likely with a 413, which says more than
 * the guard could. It is told what Node would have told, and gets a moment.
 */
function awaitAnswer(exchange: Http1Exchange, error: unknown): void {
  const failure = prematureClose("req.destroy", error);
  exchange.goneBy = "app";
  exchange.lateAnswer = failure;
  // Reading has stopped where the app had not kept up; a client that only sends would never come to read its answer.
  exchange.connection.socket.resume();
  endWithError(exchange.connection, error);
  if (!exchange.isQueued) showGone(exchange.connection);
  tellDeparture(exchange);
  const answer = () => {
    if (!exchange.phase.isCommitted) exchange.fail(failure);
  };
  setTimeout(contained(exchange.supervisor, answer), LATE_ANSWER_MS).unref();
}

/** The app answers though the connection is gone in its view. */
export function answersAfterAll(exchange: Http1Exchange): void {
  const { lateAnswer } = exchange;
  if (lateAnswer === undefined) return;
  exchange.lateAnswer = undefined;
  exchange.repaired(lateAnswer);
}
