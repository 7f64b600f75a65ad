import { PHASES, remedyFor } from "../../exchange/state.js";
import { endWithError } from "../connection/socket-error.js";
import { tellDeparture } from "./departure.js";
import type { Http1Exchange } from "./http1-exchange.js";
import { closeRaw, type RawExchange } from "./raw-writes.js";

/**
 * The app closes the connection of a response, by that or by the socket.
 * @param how - the method that it calls: `res.destroy`, `socket.end`, …
 * @returns whether the guard closes it, at its time; else the app does so now
 */
export function closesFor(exchange: Http1Exchange & RawExchange, how: string, error: unknown): boolean {
  const { connection, phase, response } = exchange;
  if (phase.isSettled || phase === PHASES.cut || connection.released) return false;
  const isSocket = how.startsWith("socket.");
  // A complete response that promised a persistent connection: closing it would cost the next request its answer.
  if (phase.isOver && !isSocket) return true;
  const isComplete = phase.isOver || remedyFor(phase, exchange) === "finish";
  // Nor may the next request find a connection that looks destroyed.
  if (isSocket || !isComplete) endWithError(connection, error);
  // Perhaps not flushed: Node closes the connection once it is.
  if (isComplete && isSocket) response._last = true;
  if (!phase.isOver) return closeRaw(exchange, how, error);
  if (how !== "socket.end" && !response.finished && exchange.goneBy === null) {
    exchange.goneBy = "app";
    tellDeparture(exchange);
  }
  return true;
}
