import { nextTick } from "../clock.js";
import { contained } from "../containment.js";
import { NONE } from "../exchange/framing.js";
import { PHASES } from "../exchange/state.js";
import { NO_ERROR } from "./codes.js";
import type { Http2Exchange } from "./http2-exchange.js";
import { isShutDown } from "./internals.js";
import { octetsOf, type Piece } from "./pieces.js";

type Callback = (error?: Error | null) => void;

/** Hands content to the session. */
export function pass(exchange: Http2Exchange, pieces: Piece[], callback: Callback): void {
  const { stream, native } = exchange;
  let octets = 0;
  if (!exchange.passing) for (const { chunk, encoding } of pieces) octets += octetsOf(chunk, encoding) ?? 0;
  let isOver = false;
  const taken = (error?: Error | null) => {
    if (isOver) return;
    isOver = true;
    const { leavesYet } = exchange;
    const isCounted = leavesYet !== undefined && exchange.onItsWay !== taken;
    exchange.onItsWay = null;
    // Node calls back as well where a stream is gone, with whatever was still waiting for its window.
    const hasLeft =
      leavesYet === undefined
        ? !stream.closed || (stream.rstCode === NO_ERROR && !stream.aborted)
        : !stream.destroyed && stream.session?.socket?.writable === true;
    if (!error && !isCounted && hasLeft) exchange.left += octets;
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

/**
 * Sees to the end of a response behind which the app has written: a Writable that has failed never comes to its end. What
 * it was given before goes on to the session.
 */
export function endBehindError(exchange: Http2Exchange): void {
  const { stream, head, framing, phase } = exchange;
  if (exchange.isWatched || stream.errored === null) return;
  // Node destroys a closed stream behind the end of its request, of which one that has failed is not told.
  if (stream.closed && phase.isOver) nextTick(contained(exchange.supervisor, () => exchange.destroys()));
  if (stream.writableFinished || phase !== PHASES.ended) return;
  // With some header sections Node has sent the end at once.
  if (head === null || framing === NONE || head.options?.endStream || stream.destroyed || stream.closed) return;
  if (exchange.isHandedOver && isShutDown(stream) !== true) endContent(exchange);
}

/** Tells the session that the content is at its end, in the place of the Writable. */
export function endContent({ stream, native }: Http2Exchange): void {
  native._final.call(stream, (() => {}) as never);
}
