import { performance } from "../clock.js";
import { prematureClose } from "../report/incidents.js";
import { NO_ERROR } from "./codes.js";
import { failsLength, failsSource } from "./content.js";
import { endsEmpty, failureOf, isCode, isFailedWrite, noteBreak } from "./ending.js";
import { repairInterim, repairTrailers } from "./fields.js";
import { wrongLength } from "./file.js";
import type { Http2Exchange } from "./http2-exchange.js";
import { isGone } from "./internals.js";
import { octetsOf, type Piece } from "./pieces.js";
import { byName, type Fields, type RespondOptions } from "./section.js";
import { pass } from "./to-session.js";
import type { WatchedHttp2Exchange } from "./watched-exchange.js";

type Callback = (error?: Error | null) => void;

/** Whether the stream is at its end already, or what is done to it is Node's own. */
function isOver({ passing, phase, isTunnel, stream }: Http2Exchange): boolean {
  return passing || phase.isSettled || isTunnel || isGone(stream);
}

/** What a method does to a stream that is only looked at: it goes on to the one below, with what it was given. */
export const WATCHED_METHODS = {
  respond(exchange: WatchedHttp2Exchange, headers?: object, options?: RespondOptions) {
    const { stream, native } = exchange;
    exchange.pass(() => native.respond.call(stream, ...([headers, options] as never[])));
    exchange.fromFile = false;
    exchange.lookAtHead(options);
  },

  respondWithFD(exchange: WatchedHttp2Exchange, ...args: unknown[]) {
    respondFrom(exchange, "respondWithFD", args);
    const [from, , options] = args as [unknown, unknown, RespondOptions?];
    const wrong = exchange.head && wrongLength(from, exchange.head.fields, options);
    if (wrong) exchange.fail(wrong);
  },

  respondWithFile(exchange: WatchedHttp2Exchange, ...args: unknown[]) {
    respondFrom(exchange, "respondWithFile", args);
  },

  additionalHeaders(exchange: WatchedHttp2Exchange, headers: object) {
    const { stream, native } = exchange;
    native.additionalHeaders.call(stream, headers as never);
    // What has been sent, since to read a field anew may be to change it.
    const sent = stream.sentInfoHeaders?.at(-1);
    if (sent !== undefined) repairInterim(exchange, byName({ ...sent } as Fields));
    exchange.interims++;
  },

  pushStream({ stream, native }: WatchedHttp2Exchange, ...args: unknown[]) {
    return native.pushStream.call(stream, ...(args as never[]));
  },

  sendTrailers(exchange: WatchedHttp2Exchange, headers: object) {
    const { stream, native } = exchange;
    native.sendTrailers.call(stream, headers as never);
    repairTrailers(exchange, stream.sentTrailers ?? {});
  },

  write(exchange: WatchedHttp2Exchange, chunk: unknown, encoding?: unknown, callback?: unknown) {
    const { stream, native } = exchange;
    const isOpen = !exchange.passing && !stream.writableEnded && !stream.destroyed && !stream.closed;
    if (isOpen) exchange.sent += octetsOf(chunk, encoding) ?? 0;
    if (isOpen && exchange.sent > exchange.framing.most) failsLength(exchange);
    exchange.activeAt = performance.now();
    return native.write.call(stream, ...([chunk, encoding, callback] as never[]));
  },

  end(exchange: WatchedHttp2Exchange, ...args: unknown[]) {
    const { stream, native } = exchange;
    // Who answers otherwise has no more use for the file that Node looks for.
    if (!stream.headersSent) exchange.fromFile = false;
    exchange.lookAtHead();
    if (!exchange.passing && !exchange.ended && !exchange.isTunnel && !stream.closed && !stream.destroyed) {
      const isNothing = args[0] === undefined || args[0] === null || typeof args[0] === "function";
      if (!stream.writableEnded && !isNothing) exchange.sent += octetsOf(args[0], args[1]) ?? 0;
      if (!failsSource(exchange)) failsLength(exchange);
      exchange.ends();
    }
    native.end.call(stream, ...(args as never[]));
    return stream;
  },

  destroy(exchange: WatchedHttp2Exchange, error?: Error, callback?: unknown) {
    const { stream, native } = exchange;
    if (!isOver(exchange)) {
      exchange.lookAtFile();
      const isLate = (error as NodeJS.ErrnoException | undefined)?.code === "ERR_STREAM_WRITE_AFTER_END";
      if (exchange.phase.isOver && isLate) exchange.wroteLate();
      // A write that failed is Node's to tell, or an error of the app's upstream: nobody can say which.
      else if (!isFailedWrite(error)) exchange.fail(prematureClose("stream.destroy", error));
      noteBreak(exchange);
    }
    native.destroy.call(stream, ...([error, callback] as never[]));
    return stream;
  },

  close(exchange: WatchedHttp2Exchange, code: unknown = NO_ERROR, callback?: unknown) {
    const { stream, native } = exchange;
    if (!isOver(exchange) && isCode(code)) {
      exchange.lookAtFile();
      if (code === NO_ERROR) endsEmpty(exchange);
      exchange.fail(failureOf({ code, error: undefined }, "stream.close"));
      noteBreak(exchange);
    }
    native.close.call(stream, ...([code, callback] as never[]));
  },

  _write(exchange: WatchedHttp2Exchange, chunk: unknown, encoding: BufferEncoding, callback: Callback) {
    writePieces(exchange, [{ chunk, encoding } as Piece], callback);
  },

  _writev(exchange: WatchedHttp2Exchange, pieces: Piece[], callback: Callback) {
    writePieces(exchange, pieces, callback);
  },

  _final(exchange: WatchedHttp2Exchange, callback: Callback) {
    exchange.native._final.call(exchange.stream, callback as never);
    // Node has responded where the app has not.
    exchange.lookAtHead();
    if (exchange.ended && exchange.phase.isCommitted) exchange.ends();
  },
};

function writePieces(exchange: WatchedHttp2Exchange, pieces: Piece[], callback: Callback): void {
  pass(exchange, pieces, callback);
  exchange.fromFile = false;
  exchange.lookAtHead();
  exchange.lookAtFirst(pieces[0]);
}

/** Node responds once it has the file, and tells by `end()`. */
function respondFrom(exchange: WatchedHttp2Exchange, how: "respondWithFD" | "respondWithFile", args: unknown[]): void {
  const { stream, head } = exchange;
  exchange.fromFile = head === null && !exchange.passing && !stream.closed && !stream.destroyed;
  try {
    exchange.native[how].call(stream, ...(args as never[]));
  } catch (error) {
    exchange.fromFile = false;
    throw error;
  }
}
