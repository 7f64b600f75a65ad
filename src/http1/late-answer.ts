import { setImmediate, setTimeout } from "../clock.js";
import { contained } from "../containment.js";
import { prematureClose } from "../report/incidents.js";
import { tellDeparture } from "./departure.js";
import { showGone } from "./gone-socket.js";
import type { Http1Exchange } from "./http1-exchange.js";
import { endWithError } from "./socket-error.js";

/** How long an app that has destroyed its request may take to answer it after all, in milliseconds. */
const LATE_ANSWER_MS = 100;

/**
 * An app that destroys a request in mid-content often answers behind that, most likely with a 413, which says more than
 * the guard could. It is told what Node would have told, and gets a moment.
 */
export function awaitLateAnswer(exchange: Http1Exchange, error: unknown): void {
  const failure = prematureClose("req.destroy", error);
  exchange.goneBy = "app";
  exchange.lateAnswer = failure;
  // Reading has stopped where the app had not kept up; a client that only sends would never come to read its answer.
  exchange.connection.socket.resume();
  endWithError(exchange.connection, error);
  if (!exchange.isQueued) showGone(exchange.connection);
  setImmediate(tellDeparture, exchange);
  const answer = () => {
    if (!exchange.phase.isCommitted) exchange.fail(failure);
  };
  setTimeout(contained(exchange.supervisor, answer), LATE_ANSWER_MS).unref();
}
