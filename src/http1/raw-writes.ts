import { setImmediate } from "../clock.js";
import { CHUNKED, CLOSE } from "../exchange/framing.js";
import { PHASES } from "../exchange/state.js";
import { endOfSection } from "../http/message.js";
import { prematureClose, rawWrite } from "../report/incidents.js";
import { tellDeparture } from "./departure.js";
import { discardCalls } from "./discarded-calls.js";
import type { Http1Exchange } from "./http1-exchange.js";
import { sendInterim } from "./interim-gate.js";
import { passThrough, sendLast } from "./last-response.js";
import { type RawAnswer, RawResponse, type RawStream } from "./raw-response.js";
import { endWithError } from "./socket-error.js";
import { canPersist, takeOver } from "./take-over.js";

/**
 * The app writes to the socket itself.
 * @param last - it ends the connection with these octets
 * @returns false where they go out as they are
 */
export function writeRaw(exchange: Http1Exchange, octets: Buffer, last: boolean): boolean {
  const { rawStream } = exchange;
  if (rawStream === null || exchange.phase.isOver) collect(exchange, octets, last);
  else {
    const belong = rawStream.content.take(octets);
    exchange.sent = rawStream.content.octets;
    if (rawStream.content.state === "open") return false;
    endStream(exchange, rawStream, octets.subarray(0, belong), belong < octets.length);
  }
  return true;
}

function collect(exchange: Http1Exchange, octets: Buffer, last: boolean): void {
  if (exchange.phase.isVoid || exchange.phase.isCommitted) {
    exchange.late(rawWrite());
    return;
  }
  if (exchange.raw === null) {
    exchange.raw = new RawResponse(exchange.request);
    exchange.supervisor.holdBack(exchange);
  }
  exchange.raw.add(octets);
  for (const section of exchange.raw.takeInterims()) sendInterim(exchange, section, undefined);
  if (exchange.raw.isEmpty) {
    exchange.raw = null;
    return;
  }
  const answer = exchange.raw.answer(last ? "fin" : "open", last || !canPersist(exchange));
  if (answer !== null) adopt(exchange, answer, answer.closes);
  else if (exchange.raw.isLarge) releaseRaw(exchange);
}

/** The app ends or destroys the connection. @returns true where the guard takes over */
export function closeRaw(exchange: Http1Exchange, how: string, error: unknown): boolean {
  if (exchange.phase.isSettled || exchange.connection.released) return false;
  if (exchange.phase.isOver) {
    if (exchange.phase === PHASES.cut) return false;
    // A complete response that promised a persistent connection: closing it would cost the next request its answer.
    if (!how.startsWith("socket.")) return true;
    // Complete, but perhaps not flushed: Node closes the connection once it is.
    exchange.response._last = true;
    endWithError(exchange.connection, error);
    if (how !== "socket.end" && !exchange.response.finished && exchange.goneBy === null) {
      exchange.goneBy = "app";
      setImmediate(tellDeparture, exchange);
    }
    return true;
  }
  endWithError(exchange.connection, error);
  const answer = exchange.raw?.answer("fin") ?? null;
  if (answer !== null && !exchange.phase.isCommitted) {
    adopt(exchange, answer, true);
    return true;
  }
  if (exchange.raw !== null && !exchange.phase.isCommitted) {
    return exchange.fail(rawWrite({ err: error, closes: true }));
  }
  return exchange.fail(prematureClose(how, error));
}

/** Lets a raw response go, once its header section is whole: the rest of it goes out as it comes. */
export function releaseRaw(exchange: Http1Exchange): void {
  const stream = exchange.raw?.stream(!canPersist(exchange)) ?? null;
  if (stream === null) return;
  const { connection } = exchange;
  if (stream.repair !== null) exchange.repaired(stream.repair);
  exchange.raw = null;
  exchange.rawStream = stream;
  exchange.phase = exchange.phase.after.commit;
  exchange.status = stream.status;
  exchange.framing = stream.framing;
  exchange.sent = stream.content.octets;
  exchange.supervisor.committed(exchange);
  if (stream.framing === CLOSE) {
    // Without framing of its own it ends with the connection, and everything else is the app's.
    exchange.response._last = true;
    passThrough(exchange, stream.octets);
  } else if (stream.content.state === "open") {
    discardCalls(exchange);
    connection.own(() => connection.call("write", [stream.octets]));
  } else endStream(exchange, stream, stream.octets, false);
}

/** Its content has come to its end, or cannot be read. @param isMore - there is something behind that */
function endStream(exchange: Http1Exchange, stream: RawStream, rest: Buffer, isMore: boolean): void {
  const { connection } = exchange;
  const failure = rawWrite({ prevented: null, status: exchange.status });
  if (stream.content.state === "broken") {
    connection.own(() => connection.call("write", [rest]));
    exchange.fail(failure);
    return;
  }
  if (isMore) exchange.repaired(failure);
  exchange.phase = exchange.phase.after.replace;
  send(exchange, rest, stream.head, stream.closes);
}

/** The app has answered through the response object after all. */
export function dropRaw(exchange: Http1Exchange): void {
  exchange.raw = null;
  exchange.repaired(rawWrite());
}

/** A raw response that is complete and valid takes the place of one through the response object. */
function adopt(exchange: Http1Exchange, { octets, status, repair }: RawAnswer, closes: boolean): void {
  if (repair !== null) exchange.repaired(repair);
  exchange.raw = null;
  exchange.phase = exchange.phase.after.replace;
  exchange.status = status;
  exchange.framing = CHUNKED;
  send(exchange, octets, octets.toString("latin1", 0, endOfSection(octets)), closes);
}

/** Sends the last octets of a response, behind which the connection is free for the next request, or ends. */
function send(exchange: Http1Exchange, octets: Buffer, head: string, closes: boolean): void {
  if (closes && exchange.held === null && !exchange.isDetached) {
    // Nothing follows: Node need not take its response for answered, and the app sees no `finish`, as without the guard.
    discardCalls(exchange);
    sendLast(exchange, octets);
  } else {
    // What the app has begun through the response object never ends, in its view.
    if (closes && !exchange.response.finished) exchange.goneBy ??= "app";
    takeOver(exchange, octets, head, closes);
  }
}
