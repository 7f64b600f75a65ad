import { NO_ERROR } from "./codes.js";
import { endBehindError } from "./content.js";
import type { Http2Exchange } from "./http2-exchange.js";

type Callback = (error?: Error | null) => void;

/** Content on its way from the Writable to the session. */
export interface Piece {
  readonly chunk: string | Uint8Array;
  readonly encoding: BufferEncoding | "buffer";
}

/** Hands content to the session. */
export function pass(exchange: Http2Exchange, pieces: Piece[], callback: Callback): void {
  const { stream, native } = exchange;
  let octets = 0;
  if (!exchange.passing) for (const { chunk, encoding } of pieces) octets += octetsOf(chunk, encoding) ?? 0;
  let isOver = false;
  const taken = (error?: Error | null) => {
    if (isOver) return;
    isOver = true;
    exchange.onItsWay = null;
    // Node calls back as well where a stream is gone, with whatever was still waiting for its window.
    if (!error && (!stream.closed || (stream.rstCode === NO_ERROR && !stream.aborted))) exchange.left += octets;
    callback(error);
    // Nobody will uncork what has come to its end.
    while (exchange.ended && stream.writableCorked > 0 && !exchange.isWatched) stream.uncork();
    endBehindError(exchange);
  };
  exchange.onItsWay = taken;
  const [piece] = pieces;
  if (pieces.length === 1 && piece !== undefined)
    native._write.call(stream, ...([piece.chunk, piece.encoding, taken] as never[]));
  else native._writev.call(stream, ...([pieces, taken] as never[]));
}

/** Octets of a chunk; `null` where Node refuses it. */
export function octetsOf(chunk: unknown, encoding: unknown): number | null {
  if (typeof chunk !== "string") return ArrayBuffer.isView(chunk) ? chunk.byteLength : null;
  if (typeof encoding !== "string" || encoding === "buffer") return Buffer.byteLength(chunk);
  return Buffer.isEncoding(encoding) ? Buffer.byteLength(chunk, encoding) : null;
}
