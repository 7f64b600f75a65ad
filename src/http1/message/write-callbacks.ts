import { nextTick } from "../../clock.js";
import { isFinishCallback, type WriteCallback } from "../node/node-internals.js";

/** Content that the app has written and that has not gone out. */
export interface Piece {
  data: string | Uint8Array;
  readonly encoding: BufferEncoding | null | undefined;
  /** Undefined from when it has been called. */
  callback: WriteCallback;
  readonly byteLength: number | undefined;
  /** Its octets are a copy: the app may have other octets where they were. */
  isCopy?: boolean;
}

/** Keeps the octets of what is held, before whoever has written them is told that they have left. */
export function copyOctets(held: readonly Piece[]): void {
  for (const piece of held) {
    if (typeof piece.data === "string" || piece.isCopy) continue;
    piece.data = Buffer.from(piece.data);
    piece.isCopy = true;
  }
}

/** Tells whoever has written something that it has left, or why it never will; once each, and not that all of it has. */
export function callBack(held: readonly Piece[], error: Error | null): void {
  for (const piece of held) {
    const { callback } = piece;
    if (typeof callback !== "function" || isFinishCallback(callback)) continue;
    piece.callback = undefined;
    nextTick(callback, error);
  }
}

/** What Node answers whoever writes to a stream that is destroyed. */
export function writeAfterDestroy(): Error {
  return Object.assign(new Error("Cannot call write after a stream was destroyed"), { code: "ERR_STREAM_DESTROYED" });
}

/** Takes octets that will never go out; whoever wrote them must not wait. */
export function discard(exchange: { finishCallback: WriteCallback }, callback: WriteCallback): boolean {
  if (isFinishCallback(callback)) exchange.finishCallback = callback;
  else if (typeof callback === "function") nextTick(callback, null);
  return true;
}
