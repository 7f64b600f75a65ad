import type { ServerHttp2Stream } from "node:http2";
import { nextTick } from "../clock.js";
import { contained } from "../containment.js";
import { NONE } from "../exchange/framing.js";
import { PHASES } from "../exchange/state.js";
import { type Failure, prematureClose } from "../report/incidents.js";
import { CANCEL, NO_ERROR, statusInsteadOf } from "./codes.js";
import { commit } from "./content.js";
import type { Http2Exchange } from "./http2-exchange.js";
import { isAskedForTrailers, isDestroyed, isGone, keepOpen, stateOf, unended } from "./internals.js";
import { destroyedWith, isSent, type Leaving, whenSent } from "./leaving.js";
import { OVERTAKES, resetsBehind } from "./reset.js";
import { type Head, hasNoContent } from "./section.js";
import { endContent } from "./to-session.js";

/** Overrides `destroy()`, which Node calls as well: for a client that is gone, and behind a response. */
export function destroy(exchange: Http2Exchange, error?: Error, callback?: unknown): ServerHttp2Stream {
  const { stream } = exchange;
  const pass = () => {
    // What the app has ended it with is what its listeners are told, whoever comes to end it.
    exchange.destroys(error ?? exchange.leaving?.error, callback);
    return stream;
  };
  // `pipeline()` destroys a stream while that is being closed, and Node would forget the code it has yet to send.
  if (exchange.isClosing && !stream.destroyed && exchange.phase === PHASES.cut) {
    nextTick(contained(exchange.supervisor, pass));
    return stream;
  }
  if (exchange.passing || exchange.phase.isSettled || exchange.isTunnel || isGone(stream)) return pass();
  // The compatibility API destroys a stream to which it would have had to write behind its end.
  if (exchange.phase.isOver && (error as NodeJS.ErrnoException | undefined)?.code === "ERR_STREAM_WRITE_AFTER_END") {
    exchange.wroteLate();
    // The reset would come in front of the end of the content, which the Writable has handed over already.
    if (stream.writableFinished && !exchange.flushing && !isSent(stream)) {
      exchange.leaving ??= { ...destroyedWith(error), callback };
      whenSent(stream, exchange.supervisor, () => exchange.leave());
      return stream;
    }
  }
  const leaving = { ...destroyedWith(error), callback };
  if (!isFailedWrite(error)) return ends(exchange, leaving, "stream.destroy") ? stream : pass();
  // A write that failed is Node's to tell, or an error of the app's upstream. Node's own is known to the stream in a moment.
  const decide = () => {
    if (stream.errored === error || isGone(stream) || !ends(exchange, leaving, "stream.destroy")) pass();
  };
  nextTick(contained(exchange.supervisor, decide));
  return stream;
}

/** Overrides `close()`, which Node calls for a socket that is gone, and behind a response. */
export function close(exchange: Http2Exchange, code: unknown = 0, callback?: unknown): void {
  const { stream } = exchange;
  const pass = () => exchange.closes(code, callback);
  if (exchange.passing || exchange.phase.isSettled || exchange.isTunnel || isGone(stream)) {
    const isClosed = stream.closed;
    pass();
    // Node calls nobody back who closes a stream once more, which the app does not know it does.
    if (!isClosed || !exchange.isVoid || exchange.leaving !== null || typeof callback !== "function") return;
    if (stream.destroyed) nextTick(callback as () => void);
    else stream.once("close", callback as () => void);
    return;
  }
  // Node refuses them, to whoever has called.
  if (!isCode(code) || (callback !== undefined && typeof callback !== "function")) return pass();
  if (code === NO_ERROR) endsEmpty(exchange);
  const leaving = { error: undefined, code: code as number, destroys: false };
  if (!ends(exchange, leaving, "stream.close")) return pass();
  if (callback !== undefined) stream.once("close", callback as () => void);
}

/** The app ends the stream. @returns false where there is nothing to be said before that */
function ends(exchange: Http2Exchange, given: Leaving, how: string): boolean {
  const { stream } = exchange;
  exchange.lookAtFile();
  const failure = failureOf(given, how);
  if (exchange.phase === PHASES.cut || exchange.hasLeft) return false;
  exchange.leaving ??= { ...given, waitsForReader: endsFirst(exchange, given) };
  if (exchange.phase.isOver || completes(exchange)) {
    if (stream.writableFinished && !exchange.flushing) return leaveSent(exchange);
    leaveBehind(exchange);
    return true;
  }
  if (!exchange.fail(failure)) return false;
  if (exchange.flushing) leaveBehind(exchange);
  return true;
}

/** The app has ended a stream, or the session, in place of an answer: that says what the code of the end says. */
export function failureOf({ code, error }: Pick<Leaving, "code" | "error">, how: string): Failure {
  return { ...prematureClose(how, error), status: statusInsteadOf(code) };
}

/** Ends a stream whose whole answer is with Node. @returns false where Node does so as it has been asked to */
function leaveSent(exchange: Http2Exchange): boolean {
  const { stream, supervisor, isUploading, framing, head, sent, phase } = exchange;
  const wasSent = isSent(stream);
  // Who gives the answer up does not wait for a recipient that does not take it; trailers are the app's to send.
  const waitsForApp = isAskedForTrailers(stream) && stream.sentTrailers === undefined;
  const isBare = framing === NONE || head?.options?.endStream === true;
  if (!isUploading) {
    // Its end waits for trailers, of which the compatibility API sends none: RST_STREAM would come in front of all of it.
    // The Writable knows nothing of the guard's answer.
    const waitsForNone = OVERTAKES && (sent === 0 || phase.isVoid) && !waitsForApp && fitsWindow(exchange);
    if (!wasSent && waitsForNone && !isBare) {
      whenSent(stream, supervisor, () => exchange.leave());
      return true;
    }
    if (!wasSent && !isBare) return false;
    exchange.hasLeft = true;
    if (wasSent) return false;
    exchange.leave();
    return true;
  }
  if (!wasSent && (!fitsWindow(exchange) || waitsForApp)) return false;
  // A recipient that is sending could take a code for the fate of the answer (RFC 9113, section 8.1).
  whenSent(stream, supervisor, () => exchange.leave());
  return true;
}

/** Closes the stream behind the answer: at once, where all of that goes out in front of it. */
export function leaveBehind(exchange: Http2Exchange): void {
  const { stream, native, supervisor, head, phase } = exchange;
  // They come with the end of the content, and end the answer. Who ends the stream when asked for them has none.
  if (!phase.isVoid && head !== null && hasTrailers(exchange, head) && !isAskedForTrailers(stream)) return;
  if (exchange.isHandedOver && hasRoom(exchange)) {
    if (exchange.isPassingHeld) keepOpen(stream, false);
    exchange.pass(() => endContent(exchange));
    exchange.leave();
  } else if (!exchange.flushing) {
    stream.once(
      "finish",
      contained(supervisor, () => exchange.leave()),
    );
    if (!stream.writableEnded) exchange.pass(() => void native.end.call(stream));
  }
}

/** Whether Node asks for trailers once the content has come to its end. */
function hasTrailers({ method }: Http2Exchange, { fields, options }: Head): boolean {
  return options?.waitForTrailers === true && !options.endStream && !hasNoContent(fields, method);
}

/** Whether Node would have ended the response in front of the reset: the stream then goes as after any other. */
function endsFirst({ head, sent, ended, isUploading }: Http2Exchange, { code }: Leaving): boolean {
  if (head === null || isUploading) return false;
  if (sent === 0) return ended || !head.options?.waitForTrailers;
  return ended && code === CANCEL;
}

/** Lets a response go all of whose announced content is there, and which the app has not ended. @returns false where it is another */
function completes(exchange: Http2Exchange): boolean {
  const { ended, framing, head, isWhole } = exchange;
  // Trailers may still come; who gives up the stream has not said that there are none.
  if (ended || framing.kind !== "length" || !isWhole || head?.options?.waitForTrailers) return false;
  exchange.ends();
  return exchange.phase.isCommitted || commit(exchange);
}

/** A code as Node takes it (RFC 9113, section 7). */
export function isCode(code: unknown): code is number {
  return Number.isInteger(code) && (code as number) >= 0 && (code as number) <= 0xffff_ffff;
}

/**
 * Lets a header section go behind which there is no content. Node ends what it closes, and where nothing has been
 * announced, that is a whole answer.
 */
export function endsEmpty(exchange: Http2Exchange): void {
  const { head, sent, framing, ended, phase, fromFile } = exchange;
  if (head === null || head.options?.waitForTrailers || ended || phase.isVoid || fromFile) return;
  if (sent > 0 || framing.length > 0) return;
  exchange.ends();
  if (!exchange.phase.isCommitted) commit(exchange);
}

export function isFailedWrite(error: unknown): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).syscall === "write";
}

/** The client takes all of the response without being asked: it goes out in front of the end of the stream. */
function hasRoom(exchange: Http2Exchange): boolean {
  const { session } = exchange.stream;
  if (session === undefined || isDestroyed(session) || session.encrypted) return false;
  // A stream that is closed while a write of the connection is under way, as each is where Node encrypts, may keep the
  // session from its end.
  const { _handle } = session.socket as { _handle?: { writeQueueSize?: number } | null };
  return _handle?.writeQueueSize === 0 && fitsWindow(exchange);
}

/** All of the response fits into what the client takes without being asked. */
function fitsWindow({ stream, sent, left }: Http2Exchange): boolean {
  const { session } = stream;
  if (session === undefined || isDestroyed(session)) return false;
  const { remoteSettings, state } = unended(session);
  const { initialWindowSize = 0 } = remoteSettings;
  return sent <= initialWindowSize && sent - left <= (state.remoteWindowSize ?? 0);
}

/**
 * Notes which octets of a response still leave as its stream is broken off: Node calls back whether or not they have.
 * @param drops - so is what the session has not sent yet
 */
export function noteBreak(exchange: Http2Exchange, drops = false): void {
  const { stream, sent, left, fromFile } = exchange;
  if (exchange.leavesYet !== undefined || isGone(stream)) return;
  const leaves = !fromFile && !drops && fitsWindow(exchange);
  exchange.leavesYet = leaves || stream.state.localClose === 1 || (!fromFile && sent === left);
  if (!leaves && !drops) return;
  // Without what the Writable has not handed to the session.
  if (leaves) exchange.left += stream.bufferSize - stream.writableLength;
  exchange.onItsWay = null;
}

/** Ends a stream, so that the app is told of the end it asked for, and the recipient of the one that its answer has. */
export function endAs(exchange: Http2Exchange, leaving: Leaving, code: number): void {
  const { stream, native } = exchange;
  const { error, destroys, callback, waitsForReader } = leaving;
  const state = stateOf(stream);
  const isKnown = resetsBehind(exchange, code) && state !== undefined && "rstCode" in state;
  const isClosing = stream.closed;
  // A stream that is closed with a code waits for no reader, and tells of the code. Node sees to it where it sends one.
  const isBroken = !destroys && !waitsForReader && leaving.code !== NO_ERROR && code === NO_ERROR;
  const end = () => exchange.pass(() => exchange.destroys(error));
  exchange.pass(() => {
    if (isBroken) Object.defineProperties(stream, UNREAD);
    if (!isClosing && !(destroys && isKnown)) exchange.closes(isKnown ? leaving.code : code);
    if (isBroken) for (const name of Object.keys(UNREAD)) Reflect.deleteProperty(stream, name);
    if (destroys) exchange.destroys(error, callback);
    if (isKnown) state.rstCode = leaving.code;
    // Node is closing it, behind the end of the answer.
    if (isClosing) native.end.call(stream);
  });
  if (!isBroken) return;
  // What the app has ended itself comes to its end first.
  if (exchange.phase.isVoid || stream.writableFinished) nextTick(contained(exchange.supervisor, end));
  else stream.once("finish", contained(exchange.supervisor, end));
}

/** By these Node comes to the end of what nobody has read, as soon as the session has sent the end of the answer. */
const UNREAD: PropertyDescriptorMap = {
  resume: {
    configurable: true,
    value(this: ServerHttp2Stream) {
      return this;
    },
  },
  read: { configurable: true, value: () => null },
};
