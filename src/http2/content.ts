import { types } from "node:util";
import { nextTick, performance, setImmediate } from "../clock.js";
import { tailOf } from "../exchange/heartbeat.js";
import { PHASES } from "../exchange/state.js";
import { checkCoding } from "../http1/message/coded-content.js";
import { handlerError, longContent, shortContent, sourceFailed } from "../report/incidents.js";
import { NO_ERROR } from "./codes.js";
import { judgeHead } from "./fields.js";
import { isClosedByClient, openAgain, passHeld, wouldBeTaken } from "./held.js";
import type { Http2Exchange } from "./http2-exchange.js";
import { copyOf, octetsOf, type Piece } from "./pieces.js";
import { byName, type Head, hasNoContent } from "./section.js";
import { endBehindError, endContent, pass } from "./to-session.js";

type Callback = (error?: Error | null) => void;

/** Overrides `write()`, where the app's octets are counted. */
export function write(exchange: Http2Exchange, chunk: unknown, encoding?: unknown, callback?: unknown): boolean {
  const { stream, native } = exchange;
  const octets = octetsOf(chunk, encoding);
  // What is no content Node refuses, to whoever has called.
  if (octets !== null && exchange.isVoid && !exchange.passing) {
    exchange.wroteLate();
    const done = typeof encoding === "function" ? encoding : callback;
    if (typeof done === "function") nextTick(done as Callback, null);
    return true;
  }
  if (octets !== null && !exchange.passing && !stream.writableEnded && !stream.destroyed && !stream.closed) {
    if (exceeds(exchange, octets)) {
      const done = typeof encoding === "function" ? encoding : callback;
      if (typeof done === "function") nextTick(done as Callback, null);
      return true;
    }
    exchange.sent += octets;
    exchange.activeAt = performance.now();
    if (exchange.settings.heartbeatMs !== false)
      exchange.tail = tailOf(exchange.tail, chunk as string | NodeJS.ArrayBufferView);
  }
  const goesOn = native.write.call(stream, ...([chunk, encoding, callback] as never[])) as boolean;
  endBehindError(exchange);
  return goesOn;
}

/** Overrides `end()`: what the app has in mind is known, and nothing of it may be out yet. */
export function end(exchange: Http2Exchange, chunk?: unknown, encoding?: unknown, callback?: unknown) {
  const { stream, native, onItsWay } = exchange;
  // Node ends a stream that the client has closed, and calls nobody back whose write was on its way.
  if (onItsWay !== null && isClosedByClient(exchange)) nextTick(onItsWay, null);
  const pass = () => {
    native.end.call(stream, ...([chunk, encoding, callback] as never[]));
    endBehindError(exchange);
    return stream;
  };
  const done = [chunk, encoding, callback].find((argument) => typeof argument === "function");
  const failed = () => {
    // The app has ended its response, and is told of the end of the guard's.
    exchange.pass(() => void native.end.call(stream, done as never));
    return stream;
  };
  // With the header section of the guard's answer Node would end what the app has not ended.
  if (exchange.passing) return exchange.flushing ? stream : pass();
  const isNothing = chunk === undefined || chunk === null || typeof chunk === "function";
  const given = isNothing ? 0 : octetsOf(chunk, encoding);
  // Node refuses it, to whoever has called.
  if (given === null) return pass();
  if (exchange.isVoid) {
    // Node closes the stream, behind the end of the guard's answer.
    if (exchange.flushing && stream.closed && stream.rstCode === NO_ERROR) exchange.leave();
    if (done !== undefined) nextTick(done as Callback, null);
    return stream;
  }
  // Node has the file, and has sent the header section.
  if (exchange.fromFile && exchange.head === null && stream.headersSent) {
    exchange.file(byName({ ...stream.sentHeaders }));
    return pass();
  }
  // Node ends a stream that the client has reset.
  if (exchange.ended || exchange.isTunnel || stream.closed || stream.destroyed) return pass();
  const octets = stream.writableEnded ? 0 : given;
  if (exceeds(exchange, octets)) return failed();
  exchange.sent += octets;
  if (failsSource(exchange)) return failed();
  if (failsLength(exchange)) return failed();
  // An empty chunk is content as well, for which Node responds.
  const isAnswer = exchange.head !== null || exchange.sent > 0 || (!isNothing && !stream.writableEnded);
  // Whoever answers otherwise has no more use for the file that Node still looks for.
  if (isAnswer) exchange.fromFile = false;
  exchange.ends();
  if (!exchange.phase.isCommitted && isAnswer && !commit(exchange, pieceOf(chunk, encoding))) return stream;
  return pass();
}

/** Overrides `_write()` and `_writev()`, where the Writable hands its content to the session. */
export function writePieces(exchange: Http2Exchange, pieces: Piece[], callback: Callback): void {
  if (exchange.phase.isVoid || exchange.stream.destroyed || isClosedByClient(exchange)) nextTick(callback, null);
  else if (!exchange.phase.isCommitted && !exchange.passing) hold(exchange, pieces, callback);
  else if (exchange.isPassingHeld) exchange.behindHeld = () => writePieces(exchange, pieces, callback);
  else pass(exchange, pieces, callback);
}

/** Overrides `_final()`: a response without a header section is none yet, whatever the app is told of its end. */
export function final(exchange: Http2Exchange, callback: Callback): void {
  const { stream, native } = exchange;
  // Node ends what it closes, and the recipient would see the end of the content before the reset. Behind the guard's
  // answer it has seen that already.
  if (exchange.phase === PHASES.cut || exchange.hasLeft) return callback();
  // What was held has been called back for a stream that is gone, of which Node no longer knows the session.
  if (stream.destroyed) return callback();
  if (exchange.phase.isCommitted || exchange.passing || stream.closed) {
    openAgain(exchange);
    if (exchange.isPassingHeld && !isClosedByClient(exchange)) exchange.behindHeld = () => final(exchange, callback);
    else native._final.call(stream, callback as never);
    return;
  }
  exchange.isFinal = true;
  callback();
}

/**
 * Keeps content back, so that a late failure can still be replaced. To the app it looks as if the session had taken it:
 * the Writable goes on, and tells when there is room again.
 */
function hold(exchange: Http2Exchange, pieces: Piece[], callback: Callback): void {
  if (exchange.head === null) {
    exchange.supervisor.holdBack(exchange);
    // The app may write without ever having responded: Node does that for it, with 200.
    const head = judgeHead(exchange, { fields: {}, given: {}, options: undefined });
    if (head === null) return void nextTick(callback, null);
    exchange.head = head;
  }
  exchange.held ??= [];
  exchange.held.push(pieces.map(({ chunk, encoding }) => ({ chunk, encoding })));
  for (const { chunk, encoding } of pieces) exchange.heldOctets += octetsOf(chunk, encoding) ?? 0;
  exchange.heldCallback = callback;
  exchange.isHeldApart = false;
  const take = () => {
    const { held } = exchange;
    if (held === null || exchange.heldCallback !== callback || !wouldBeTaken(exchange)) return;
    exchange.heldCallback = null;
    // Whoever has written may use its buffers for something else from here on.
    held.push((held.pop() as Piece[]).map(copyOf));
    callback();
  };
  nextTick(() => {
    exchange.isHeldApart = !exchange.stream.writableEnded;
    // Most responses have ended, and left, by now.
    if (exchange.heldCallback === callback) setImmediate(take);
  });
  // What is to come of a file is not sent where there is an answer already, which Node asks itself.
  if (exchange.heldOctets >= exchange.settings.holdBackOctets || exchange.fromFile) {
    exchange.fromFile = false;
    commit(exchange);
    return;
  }
}

/** Lets what is held go, header section first. @returns false where the response has failed instead */
export function commit(exchange: Http2Exchange, next?: Piece): boolean {
  const { stream, native } = exchange;
  // The app may end without ever having responded: Node does that for it, with 200.
  const head = exchange.head ?? judgeHead(exchange, { fields: {}, given: {}, options: undefined });
  if (head === null) return false;
  exchange.head = head;
  const { fields, options } = head;
  lookAtContent(exchange, head, exchange.held?.[0]?.[0] ?? next);
  try {
    exchange.pass(() => native.respond.call(stream, ...([head.given, options] as never[])));
  } catch (error) {
    // Node refuses some fields only now, where nobody but the guard can catch what it throws.
    exchange.head = null;
    exchange.fail(handlerError(error));
    exchange.head = head;
    return false;
  }
  exchange.commits(fields);
  const { held, heldCallback, isFinal } = exchange;
  exchange.held = exchange.heldCallback = null;
  exchange.isFinal = false;
  if (held !== null) {
    if (hasNoContent(fields, exchange.method)) {
      // Node has ended the stream with the header section.
      exchange.sent = 0;
      heldCallback?.();
    } else passHeld(exchange, held, heldCallback);
  }
  if (isFinal) endContent(exchange);
  return true;
}

function pieceOf(chunk: unknown, encoding: unknown): Piece | undefined {
  if (typeof chunk !== "string" && !types.isUint8Array(chunk)) return undefined;
  return { chunk, encoding: typeof encoding === "string" ? (encoding as BufferEncoding) : "utf8" };
}

/** Takes Content-Encoding away where the first octets of the content prove that it is wrong. */
export function lookAtContent(exchange: Http2Exchange, head: Head, first: Piece | undefined): void {
  const { fields } = head;
  const { "content-encoding": coding } = fields;
  if (coding === undefined || first === undefined) return;
  if (hasNoContent(fields, exchange.method) || Number(fields[":status"]) === 206) return;
  const failure = checkCoding(String(coding), first.chunk, first.encoding);
  if (failure === null) return;
  if (!exchange.repaired(failure)) return;
  delete fields["content-encoding"];
  head.given = fields;
}

/** Forgets what is held; whoever wrote it must not wait. */
export function dropHeld(exchange: Http2Exchange): void {
  const { heldCallback } = exchange;
  exchange.held = exchange.heldCallback = null;
  if (heldCallback !== null) nextTick(heldCallback, null);
}

function exceeds(exchange: Http2Exchange, octets: number): boolean {
  const { framing, sent } = exchange;
  if (sent + octets <= framing.most) return false;
  return exchange.fail(longContent(framing.length, sent + octets));
}

/** Breaks off a response whose content lacks what its source has not given. */
export function failsSource(exchange: Http2Exchange): boolean {
  const { sourceError, framing, sent } = exchange;
  if (sourceError === undefined || sent === framing.length) return false;
  return exchange.fail(sourceFailed(sourceError.error));
}

/** Ends a response whose content is not as long as was announced. */
export function failsLength(exchange: Http2Exchange): boolean {
  const { sent } = exchange;
  const { length } = exchange.framing;
  if (length < 0 || sent === length) return false;
  return exchange.fail((sent > length ? longContent : shortContent)(length, sent));
}
