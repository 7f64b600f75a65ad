import { nextTick, performance } from "../../clock.js";
import { contain } from "../../containment.js";
import { CHUNKED } from "../../exchange/framing.js";
import { EVENT_STREAM } from "../../exchange/heartbeat.js";
import { longContent } from "../../report/incidents.js";
import { countAsWritten, countNoMore } from "../connection/bytes-written.js";
import { lookAtContent } from "../message/coded-content.js";
import { callBack, copyOctets, discard, type Piece } from "../message/write-callbacks.js";
import { emitDrain, isFinishCallback, type NodeResponse, withoutDrain } from "../node/node-internals.js";
import type { Http1Exchange } from "./http1-exchange.js";
import { brokenChunks } from "./own-chunks.js";
import { dropRaw } from "./raw-writes.js";
import { switchProtocols } from "./switching.js";

/** `_send` of the response of an exchange. */
type Send = (exchange: Http1Exchange, ...args: Parameters<NodeResponse["_send"]>) => boolean;

/** Overrides `_send`, which every octet of content and every chunk frame passes. */
export const sendContent: Send = (exchange, data, encoding, callback, byteLength) => {
  if (exchange.phase.discards || exchange.capturing) return discard(exchange, callback);
  const octets =
    typeof data === "string"
      ? data.length === 0
        ? 0
        : (byteLength ?? Buffer.byteLength(data, encoding ?? "utf8"))
      : data.byteLength;
  if (exchange.sent + octets > exchange.framing.most) {
    const failure = longContent(exchange.framing.length, exchange.sent + octets);
    // What the app calls in this turn throws what Node throws, where that is strict about the length.
    if (exchange.inEnd || exchange.isAllOut) exchange.fail(failure);
    else exchange.failSoon(failure);
    return discard(exchange, callback);
  }
  if (exchange.framing === CHUNKED) {
    const broken = brokenChunks(exchange, data, encoding);
    if (broken !== null) {
      exchange.fail(broken);
      return discard(exchange, callback);
    }
  }
  // The callback of an `end()` that the guard has not seen: somebody calls the method that was below it.
  if (!exchange.inEnd && isFinishCallback(callback)) nextTick(() => exchange.ended());
  if (exchange.coded !== null && octets > 0 && !exchange.phase.isCommitted) lookAtContent(exchange, data, encoding);
  if (!exchange.phase.isCommitted) {
    // The usual answer: one `end()` with everything. It is complete, so there is nothing to wait for.
    const whole =
      exchange.inEnd &&
      exchange.held === null &&
      exchange.coded === null &&
      (exchange.framing.length < 0 || octets === exchange.framing.length);
    const flushed = data === "" && callback === undefined;
    if (!whole && !flushed && !commitsAtOnce(exchange))
      return hold(exchange, { data, encoding, callback, byteLength }, octets);
    if (flushed && !exchange.inEnd && exchange.decidedStatus !== 101) {
      exchange.held ??= [];
      exchange.held.push({ data, encoding, callback, byteLength });
      return commitSoon(exchange);
    }
    if (!whole || exchange.raw !== null) commit(exchange);
    else {
      exchange.phase = exchange.phase.after.commit;
      exchange.status = exchange.decidedStatus || exchange.response.statusCode;
      if (exchange.status === 101) switchAtTurn(exchange);
    }
  }
  exchange.sent += octets;
  if (!exchange.inEnd) exchange.activeAt = performance.now();
  const was = exchange.passing;
  exchange.passing = true;
  try {
    return exchange.native._send.call(exchange.response, data, encoding, callback, byteLength);
  } finally {
    exchange.passing = was;
  }
};

/** The same for a response that is only looked at. */
export const watchContent: Send = (exchange, data, encoding, callback, byteLength) => {
  const octets = typeof data === "string" ? Buffer.byteLength(data, encoding ?? "utf8") : data.byteLength;
  if (!exchange.inEnd && isFinishCallback(callback)) nextTick(() => exchange.ended());
  if (exchange.coded !== null && octets > 0) lookAtContent(exchange, data, encoding);
  const broken = exchange.framing === CHUNKED ? brokenChunks(exchange, data, encoding) : null;
  if (broken !== null) exchange.fail(broken);
  if (!exchange.phase.isCommitted) commit(exchange);
  exchange.sent += octets;
  exchange.activeAt = performance.now();
  return pass(exchange, data, encoding, callback, byteLength);
};

const pass: Send = (exchange, data, encoding, callback, byteLength) => {
  const was = exchange.passing;
  exchange.passing = true;
  try {
    return exchange.native._send.call(exchange.response, data, encoding, callback, byteLength);
  } finally {
    exchange.passing = was;
  }
};

/** Asked only where content comes in pieces. */
function commitsAtOnce(exchange: Http1Exchange): boolean {
  if (exchange.held !== null) return false;
  const { response, settings } = exchange;
  if (settings.holdBackOctets === 0 || response.statusCode === 101) return true;
  return EVENT_STREAM.test(response._header ?? "");
}

/** Lets what is held go, header section first. */
export function commit(exchange: Http1Exchange): boolean {
  exchange.phase = exchange.phase.after.commit;
  if (exchange.raw !== null) dropRaw(exchange);
  exchange.status = exchange.decidedStatus || exchange.response.statusCode;
  const held = exchange.held;
  if (held !== null) {
    exchange.held = null;
    exchange.shownLength = 0;
  }
  if (!exchange.inEnd) exchange.supervisor.committed(exchange);
  if (exchange.status === 101) switchAtTurn(exchange);
  if (held === null) return true;
  const { response } = exchange;
  const { socket } = response;
  let wantsMore = true;
  if (socket !== null) countNoMore(socket);
  socket?.cork();
  withoutDrain(response, () => {
    for (const { data, encoding, callback, byteLength } of held) {
      wantsMore = pass(exchange, data, encoding, callback, byteLength);
    }
  });
  socket?.uncork();
  return wantsMore;
}

/** Behind other responses it has still to come to that. */
function switchAtTurn(exchange: Http1Exchange): void {
  if (exchange.connection.first === exchange) switchProtocols(exchange);
}

/** Keeps a piece of content back, so that a late failure can still be replaced. @returns whether the app may go on */
function hold(exchange: Http1Exchange, piece: Piece, octets: number): boolean {
  if (exchange.held === null) {
    exchange.held = [];
    if (!exchange.inEnd) exchange.supervisor.holdBack(exchange);
  }
  showAsWritten(exchange, piece, octets);
  exchange.held.push(piece);
  exchange.sent += octets;
  exchange.heldOctets += octets;
  if (exchange.inEnd) return true;
  const { response, settings } = exchange;
  if (exchange.heldOctets >= settings.holdBackOctets) commitSoon(exchange);
  // A source that never leaves the tick stops where it would with Node, or the tick in which its content goes out never comes.
  return response.writableLength < response.writableHighWaterMark;
}

/** What is held counts as written to the socket, in the units of Node, for as long as Node would keep it in its own queue. */
function showAsWritten(exchange: Http1Exchange, { data }: Piece, octets: number): void {
  const { held, response } = exchange;
  const { socket } = response;
  const section = held?.length === 0 ? (response._header?.length ?? 0) : 0;
  if (exchange.shownLength === 0) nextTick(leaveTick, exchange);
  exchange.shownLength += section + data.length;
  if (socket !== null) countAsWritten(socket, section + octets);
}

/** Node hands what was written in one tick to the operating system behind it, and lets the app write on. */
function leaveTick(exchange: Http1Exchange): void {
  const { response, held, commitsSoon } = exchange;
  // Behind another response, or corked, it would stay where it is.
  if (held === null || commitsSoon || response.socket === null || response.writableCorked > 0) return;
  exchange.shownLength = 0;
  copyOctets(held);
  emitDrain(response);
  callBack(held, null);
}

/** Node keeps what is written in one tick in a corked socket anyway: until then a failure can still be replaced. */
function commitSoon(exchange: Http1Exchange): boolean {
  if (exchange.commitsSoon) return true;
  exchange.commitsSoon = true;
  nextTick(() => {
    let wantsMore = false;
    contain(exchange.supervisor, () => {
      exchange.commitsSoon = false;
      const { phase, held } = exchange;
      if (!phase.isCommitted && !phase.discards && held !== null) wantsMore = commit(exchange);
    });
    // Where Node did not take over the waiting, nobody else would tell the app that it may go on.
    if (wantsMore) emitDrain(exchange.response);
  });
  return true;
}
