import type { ServerHttp2Stream } from "node:http2";
import { performance } from "../clock.js";
import { exchangeOf } from "../exchange/exchange-of.js";
import { prematureClose } from "../report/incidents.js";
import { NO_ERROR } from "./codes.js";
import { failsLength, failsSource } from "./content.js";
import { endsEmpty, failureOf, isCode, isFailedWrite } from "./ending.js";
import { repairInterim, repairTrailers } from "./fields.js";
import type { Http2Exchange } from "./http2-exchange.js";
import { isGone } from "./internals.js";
import { octetsOf, type Piece } from "./pieces.js";
import { byName, type Fields, type RespondOptions } from "./section.js";
import { pass } from "./to-session.js";
import type { WatchedHttp2Exchange } from "./watched-exchange.js";

type Callback = (error?: Error | null) => void;

const exchangeBehind = exchangeOf as (stream: ServerHttp2Stream) => WatchedHttp2Exchange;

/** Whether the stream is at its end already, or what is done to it is Node's own. */
function isOver({ passing, phase, isTunnel, stream }: Http2Exchange): boolean {
  return passing || phase.isSettled || isTunnel || isGone(stream);
}

/** Methods of a stream that is only looked at: each goes on to the one below, with what it was given. */
export const WATCHED_METHODS = {
  respond(this: ServerHttp2Stream, headers?: object, options?: RespondOptions) {
    const exchange = exchangeBehind(this);
    exchange.pass(() => exchange.native.respond.call(this, ...([headers, options] as never[])));
    exchange.lookAtHead(options);
  },

  respondWithFD(this: ServerHttp2Stream, ...args: unknown[]) {
    respondFrom(exchangeBehind(this), "respondWithFD", args);
  },

  respondWithFile(this: ServerHttp2Stream, ...args: unknown[]) {
    respondFrom(exchangeBehind(this), "respondWithFile", args);
  },

  additionalHeaders(this: ServerHttp2Stream, headers: object) {
    const exchange = exchangeBehind(this);
    exchange.native.additionalHeaders.call(this, headers as never);
    // What has been sent, since to read a field anew may be to change it.
    const sent = this.sentInfoHeaders?.at(-1);
    if (sent !== undefined) repairInterim(exchange, byName({ ...sent } as Fields));
    exchange.interims++;
  },

  sendTrailers(this: ServerHttp2Stream, headers: object) {
    const exchange = exchangeBehind(this);
    exchange.native.sendTrailers.call(this, headers as never);
    repairTrailers(exchange, this.sentTrailers ?? {});
  },

  write(this: ServerHttp2Stream, chunk: unknown, encoding?: unknown, callback?: unknown) {
    const exchange = exchangeBehind(this);
    const isOpen = !exchange.passing && !this.writableEnded && !this.destroyed && !this.closed;
    if (isOpen) exchange.sent += octetsOf(chunk, encoding) ?? 0;
    if (isOpen && exchange.sent > exchange.framing.most) failsLength(exchange);
    exchange.activeAt = performance.now();
    return exchange.native.write.call(this, ...([chunk, encoding, callback] as never[]));
  },

  end(this: ServerHttp2Stream, ...args: unknown[]) {
    const exchange = exchangeBehind(this);
    exchange.lookAtHead();
    if (!exchange.passing && !exchange.ended && !exchange.isTunnel && !this.closed && !this.destroyed) {
      const isNothing = args[0] === undefined || args[0] === null || typeof args[0] === "function";
      if (!this.writableEnded && !isNothing) exchange.sent += octetsOf(args[0], args[1]) ?? 0;
      if (!failsSource(exchange)) failsLength(exchange);
      exchange.ends();
    }
    exchange.native.end.call(this, ...(args as never[]));
    return this;
  },

  destroy(this: ServerHttp2Stream, error?: Error, callback?: unknown) {
    const exchange = exchangeBehind(this);
    if (!isOver(exchange)) {
      exchange.lookAtFile();
      const isLate = (error as NodeJS.ErrnoException | undefined)?.code === "ERR_STREAM_WRITE_AFTER_END";
      if (exchange.phase.isOver && isLate) exchange.wroteLate();
      // A write that failed is Node's to tell, or an error of the app's upstream: nobody can say which.
      else if (!isFailedWrite(error)) exchange.fail(prematureClose("stream.destroy", error));
    }
    exchange.native.destroy.call(this, ...([error, callback] as never[]));
    return this;
  },

  close(this: ServerHttp2Stream, code: unknown = NO_ERROR, callback?: unknown) {
    const exchange = exchangeBehind(this);
    if (!isOver(exchange) && isCode(code)) {
      exchange.lookAtFile();
      if (code === NO_ERROR) endsEmpty(exchange);
      exchange.fail(failureOf({ code, error: undefined }, "stream.close"));
    }
    exchange.native.close.call(this, ...([code, callback] as never[]));
  },

  _write(this: ServerHttp2Stream, chunk: unknown, encoding: BufferEncoding, callback: Callback) {
    writePieces(exchangeBehind(this), [{ chunk, encoding } as Piece], callback);
  },

  _writev(this: ServerHttp2Stream, pieces: Piece[], callback: Callback) {
    writePieces(exchangeBehind(this), pieces, callback);
  },

  _final(this: ServerHttp2Stream, callback: Callback) {
    const exchange = exchangeBehind(this);
    exchange.native._final.call(this, callback as never);
    // Node has responded where the app has not.
    exchange.lookAtHead();
    if (exchange.ended && exchange.phase.isCommitted) exchange.ends();
  },
};

function writePieces(exchange: WatchedHttp2Exchange, pieces: Piece[], callback: Callback): void {
  pass(exchange, pieces, callback);
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
