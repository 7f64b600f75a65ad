import type { ServerHttp2Stream } from "node:http2";
import { setTimeout } from "../clock.js";
import { contained, type Witness } from "../containment.js";
import { CANCEL, INTERNAL_ERROR, NO_ERROR } from "./codes.js";

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
