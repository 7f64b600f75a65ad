import type { ServerHttp2Stream } from "node:http2";
import { nextTick, setTimeout } from "../clock.js";
import { contained, type Witness } from "../containment.js";
import { CANCEL, INTERNAL_ERROR, NO_ERROR } from "./codes.js";
import type { Http2Exchange } from "./http2-exchange.js";
import { stateOf } from "./internals.js";
import { resetsBehind } from "./reset.js";

/** Longest time between two looks at a stream whose recipient takes its time, in milliseconds. */
const LONGEST_LOOK_MS = 64;

/** How the app has ended a stream, of which it is told once the answer is out. */
export interface Leaving {
  readonly error: Error | undefined;
  /** What it finds as `rstCode`. */
  readonly code: number;
  /** By `destroy()`, which waits for nothing. */
  readonly destroys: boolean;
  /** By `close()` with a code, which waits for a reader only where the recipient knows the end already. */
  readonly waitsForReader?: boolean;
  /** What `destroy()` is to call back. */
  readonly callback?: unknown;
}

/** An end by `destroy()`. @param code - of the session, where that was ended with one */
export function destroyedWith(error: Error | undefined, code?: number): Leaving {
  const own = error === undefined || error === null ? NO_ERROR : error.name === "AbortError" ? CANCEL : INTERNAL_ERROR;
  return { error, code: code ?? own, destroys: true };
}

/**
 * What a recipient is told of an answer that is broken off. Of the codes of a session only CANCEL says something of a stream;
 * REFUSED_STREAM would promise that nothing has been done (RFC 9113, section 8.7).
 */
export function codeOfBreak({ code, destroys }: Leaving): number {
  return code === NO_ERROR || (destroys && code !== CANCEL) ? INTERNAL_ERROR : code;
}

/**
 * Waits until the session has sent the end of the content, which comes some time behind the end of the Writable and is
 * told by nothing; or until the stream is gone.
 */
export function whenSent(stream: ServerHttp2Stream, witness: Witness, act: () => void): void {
  let ms = 1;
  const look = contained(witness, () => {
    if (isSent(stream)) return act();
    setTimeout(look, ms);
    ms = Math.min(ms * 2, LONGEST_LOOK_MS);
  });
  look();
}

/** Whether the session has sent the end of the content, or never will. */
export function isSent(stream: ServerHttp2Stream): boolean {
  return stream.destroyed || stream.state.localClose !== 0;
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
