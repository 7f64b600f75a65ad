import { clearInterval, nextTick, setInterval } from "../clock.js";
import { contained } from "../containment.js";
import type { Http2Exchange } from "./http2-exchange.js";
import { isShutDown, keepOpen } from "./internals.js";
import type { Piece } from "./pieces.js";
import { pass } from "./to-session.js";

/** Node tells nobody that the client has closed a stream while a write is on its way; how soon that is seen, in milliseconds. */
const LOOK_MS = 100;

type Callback = (error?: Error | null) => void;

/**
 * Whether the session would have sent what is held at once, so that the app may go on as if it had. Where it would not, the
 * app waits as it would for the recipient.
 */
export function wouldBeTaken({ stream, heldOctets }: Http2Exchange): boolean {
  const { session } = stream;
  if (session === undefined || session.destroyed || stream.destroyed) return true;
  const { _handle } = session.socket as { _handle?: { writeQueueSize?: number } | null };
  // Of a Duplex that stands in for a socket nobody can tell.
  if (_handle?.writeQueueSize !== 0 || isShutDown(stream) !== false) return false;
  const { initialWindowSize = 0 } = session.remoteSettings;
  return heldOctets <= Math.min(initialWindowSize, session.state.remoteWindowSize ?? 0);
}

/**
 * Hands what was held to the session as the session would have got it: one write at a time, each behind the one before.
 * @param callback - of the last one, where the Writable still waits for that
 */
export function passHeld(exchange: Http2Exchange, writes: Piece[][], callback: Callback | null): void {
  const { stream } = exchange;
  const [next, ...rest] = writes;
  const isLast = rest.length === 0 && callback !== null;
  exchange.isPassingHeld = next !== undefined && !isLast;
  exchange.unsentWrites = rest.length;
  // Node ends the stream behind whatever it writes once the app has ended it, and does not know of what is still to come.
  if (!exchange.hasLeft) keepOpen(stream, exchange.isPassingHeld);
  if (next === undefined || stream.destroyed || exchange.phase.isVoid || isClosedByClient(exchange))
    passed(exchange, callback);
  else if (callback !== null && isLast) {
    passLast(exchange, next, callback);
  } else {
    exchange.isHeldApart = false;
    // What is written while the session calls back leaves at once, and the end of the stream behind it in a frame of its own.
    let isOver = false;
    const goOn: Callback = (error) => {
      if (isOver) return;
      isOver = true;
      clearInterval(timer);
      if (error) passed(exchange, callback, error);
      else nextTick(passHeld, exchange, rest, callback);
    };
    const look = () => {
      if (stream.destroyed || isClosedByClient(exchange)) goOn();
    };
    const timer = setInterval(contained(exchange.supervisor, look), LOOK_MS).unref();
    pass(exchange, next, goOn);
  }
}

/**
 * Node sends the end of a stream with what is written in the same turn, and then tells nobody that the stream has finished
 * where the client has sent all of its request. An app that has ended its stream later is told.
 */
function passLast(exchange: Http2Exchange, pieces: Piece[], callback: Callback): void {
  const { stream, isHeldApart, hasLeft } = exchange;
  exchange.isHeldApart = isHeldApart && !hasLeft && isShutDown(stream) === false;
  if (exchange.isHeldApart) keepOpen(stream, true);
  pass(exchange, pieces, callback);
  if (exchange.isHeldApart) nextTick(openAgain, exchange);
}

/** What was held has been handed over: the end of the stream may follow. */
export function openAgain(exchange: Http2Exchange): void {
  if (!exchange.isHeldApart) return;
  exchange.isHeldApart = false;
  keepOpen(exchange.stream, false);
}

/** Nothing of the response leaves any more, and what is on its way is not called back. */
export function isClosedByClient({ stream, leaving }: Http2Exchange): boolean {
  return stream.closed && stream.aborted && leaving === null;
}

function passed(exchange: Http2Exchange, callback: Callback | null, error?: Error): void {
  const { behindHeld: act } = exchange;
  exchange.isPassingHeld = false;
  exchange.unsentWrites = 0;
  exchange.behindHeld = undefined;
  callback?.(error);
  act?.();
}
