import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import { exchangeOfReceiver } from "../exchange-of.js";
import { EVENTS, handlerError } from "../incidents.js";
import type { HeadersArgument } from "../validity/draft.js";
import { sendContent } from "./content.js";
import { asIfOpen, finishUnseen, isNeverFinished, markDestroyed } from "./departure.js";
import { detached } from "./detached.js";
import { writeEarlyHints, writeInformation } from "./early-hints.js";
import { storeHeader } from "./field-sections.js";
import { showGone } from "./gone-socket.js";
import type { Http1Exchange } from "./http1-exchange.js";
import { passInterim, sendWaiting } from "./interim-gate.js";
import {
  forgetContent,
  LOSES_CORKED_CHUNKS,
  type NodeResponse,
  type NodeSocket,
  type WriteCallback,
} from "./node-internals.js";
import { watchSource } from "./piped-source.js";
import { addTrailers } from "./trailers.js";

/** The methods of a response as they are below the guard. */
export interface NativeMethods {
  _storeHeader: NodeResponse["_storeHeader"];
  _send: NodeResponse["_send"];
  _writeRaw: NodeResponse["_writeRaw"];
  _flushOutput: NodeResponse["_flushOutput"];
  write: (this: NodeResponse, chunk: unknown, encoding?: unknown, callback?: unknown) => boolean;
  end: (this: NodeResponse, chunk?: unknown, encoding?: unknown, callback?: unknown) => NodeResponse;
  destroy: (this: NodeResponse, error?: Error) => NodeResponse;
  detachSocket: (this: NodeResponse, socket: Socket) => void;
  addTrailers: (this: NodeResponse, trailers: unknown) => void;
  writeEarlyHints: (this: NodeResponse, hints: unknown, callback?: WriteCallback) => unknown;
  /** From Node 26 on. */
  writeInformation?: (this: NodeResponse, status: unknown, fields?: unknown, callback?: WriteCallback) => unknown;
  emit: (this: NodeResponse, event: string | symbol, ...args: unknown[]) => boolean;
}

export type ResponseMethod = keyof NativeMethods;

/** The exchange of a response on which a method is called; none where no guard has seen it, or where it passes. */
function exchangeIn(response: NodeResponse, method: ResponseMethod): Http1Exchange | undefined {
  const exchange = exchangeOfReceiver(response) as Http1Exchange | undefined;
  return exchange?.isHttp1 && exchange.covered !== method ? exchange : undefined;
}

/** Methods in front of those of `below`: shared by every response of one prototype, so that a response costs no closure. */
export interface Layer {
  readonly native: NativeMethods;
  readonly methods: NativeMethods;
}

/**
 * Builds the layer for responses whose methods are found on `below`: a prototype, or a single response.
 * Each method keeps the name, arguments, return value and callback of the one it stands in front of, and passes
 * straight through where the response has no exchange.
 */
export function createLayer(below: object): Layer {
  const source = below as NativeMethods;
  const native: NativeMethods = {
    _storeHeader: source._storeHeader,
    _send: source._send,
    _writeRaw: source._writeRaw,
    _flushOutput: source._flushOutput,
    write: source.write,
    end: source.end,
    destroy: source.destroy,
    detachSocket: source.detachSocket,
    writeEarlyHints: source.writeEarlyHints,
    addTrailers: source.addTrailers,
    emit: source.emit,
  };
  const methods: NativeMethods = {
    _storeHeader(this: NodeResponse, firstLine: string, headers: HeadersArgument) {
      const exchange = exchangeIn(this, "_storeHeader");
      if (exchange === undefined) native._storeHeader.call(this, firstLine, headers);
      else storeHeader(exchange, firstLine, headers);
    },

    _send(
      this: NodeResponse,
      data: string | Uint8Array,
      encoding?: BufferEncoding | null,
      callback?: WriteCallback,
      byteLength?: number,
    ) {
      const exchange = exchangeIn(this, "_send");
      if (exchange === undefined || exchange.passing)
        return native._send.call(this, data, encoding, callback, byteLength);
      return sendContent(exchange, data, encoding, callback, byteLength);
    },

    _writeRaw(
      this: NodeResponse,
      data: string | Uint8Array,
      encoding?: BufferEncoding | WriteCallback,
      callback?: WriteCallback,
      size?: number,
    ) {
      const exchange = exchangeIn(this, "_writeRaw");
      if (exchange === undefined || exchange.passing || exchange.isBypassed())
        return native._writeRaw.call(this, data, encoding as BufferEncoding, callback, size);
      if (typeof encoding === "function") return passInterim(exchange, data, null, encoding);
      return passInterim(exchange, data, encoding, callback);
    },

    _flushOutput(this: NodeResponse, socket: Socket) {
      const exchange = exchangeIn(this, "_flushOutput");
      if (exchange === undefined) return native._flushOutput.call(this, socket);
      const was = exchange.passing;
      exchange.passing = true;
      if (exchange.interims !== null) sendWaiting(exchange);
      try {
        return native._flushOutput.call(this, socket);
      } finally {
        exchange.passing = was;
        // An app that corked its response while it waited for its turn, and has ended it, will never uncork the socket.
        if (this.finished) for (let n = socket.writableCorked; n > 0; n--) socket.uncork();
      }
    },

    write(this: NodeResponse, chunk: unknown, encoding?: unknown, callback?: unknown) {
      const exchange = exchangeIn(this, "write");
      if (exchange === undefined) return native.write.call(this, chunk, encoding, callback);
      if (exchange.goneBy !== null && !exchange.reopened)
        return asIfOpen(exchange, () => methods.write.call(this, chunk, encoding, callback)) && !this.destroyed;
      if (this.finished) lateWrite(this, exchange);
      else checkEncoding(chunk, encoding);
      if (!exchange.isHttp11) leaveUnchunked(exchange);
      if (exchange.settings.heartbeatMs !== false) exchange.lastChunk = chunk;
      try {
        return native.write.call(this, chunk, encoding, callback);
      } catch (error) {
        if (this._header === null) forgetContent(this);
        if (exchange.unattended === 0 || !exchange.supervisor.enforces) throw error;
        exchange.fail(handlerError(error));
        return false;
      }
    },

    end(this: NodeResponse, chunk?: unknown, encoding?: unknown, callback?: unknown) {
      const exchange = exchangeIn(this, "end");
      if (exchange === undefined) return native.end.call(this, chunk, encoding, callback);
      if (exchange.goneBy !== null && !exchange.reopened)
        return asIfOpen(exchange, () => methods.end.call(this, chunk, encoding, callback));
      if (this.finished) {
        if (chunk && typeof chunk !== "function") lateWrite(this, exchange);
        return native.end.call(this, chunk, encoding, callback);
      }
      checkEncoding(chunk, encoding);
      if (!exchange.isHttp11) leaveUnchunked(exchange);
      if (LOSES_CORKED_CHUNKS && this.chunkedEncoding && exchange.supervisor.enforces)
        if (this.writableCorked !== 0) {
          // Below zero too: an `uncork()` without `cork()` makes Node keep every later chunk until after the last one.
          while (this.writableCorked < 1) this.cork();
          while (this.writableCorked > 0) this.uncork();
        }
      exchange.ends();
      try {
        native.end.call(this, chunk, encoding, callback);
      } catch (error) {
        exchange.endThrew();
        if (exchange.unattended === 0 || !exchange.supervisor.enforces) throw error;
        exchange.fail(handlerError(error));
        return this;
      }
      exchange.ended();
      return this;
    },

    destroy(this: NodeResponse, error?: Error) {
      const exchange = exchangeIn(this, "destroy");
      if (exchange === undefined || exchange.settled || isGone(exchange, error))
        return native.destroy.call(this, error);
      const { destroyed } = this;
      // Node heeds the first one alone.
      if (!exchange.closing("res.destroy", destroyed ? undefined : error)) native.destroy.call(this, error);
      else {
        // What the app has asked for is what it finds, while the guard answers in its place.
        if (!destroyed) markDestroyed(this, error);
        if (this.socket !== null && exchange.goneBy !== null) showGone(this.socket);
      }
      return this;
    },

    detachSocket(this: NodeResponse, socket: Socket) {
      const exchange = exchangeIn(this, "detachSocket");
      // Node detaches the socket itself when it emits `finish`, and ends the process where the app was first.
      if (exchange?.supervisor.enforces && !exchange.finishing && !this.writableFinished) {
        if (this.socket !== socket || exchange.isOver() || exchange.inert) return;
      }
      // An app was first, after its response had been flushed: Node's own call would end the process.
      if (exchange?.supervisor.enforces && (socket as NodeSocket)._httpMessage !== this) return;
      native.detachSocket.call(this, socket);
      if (exchange !== undefined) detached(exchange);
    },

    addTrailers(this: NodeResponse, trailers: unknown) {
      if (exchangeIn(this, "addTrailers")?.supervisor.enforces) addTrailers(this, native.addTrailers, trailers);
      else native.addTrailers.call(this, trailers);
    },

    writeEarlyHints(this: NodeResponse, hints: unknown, callback?: WriteCallback) {
      const exchange = exchangeIn(this, "writeEarlyHints");
      if (exchange === undefined) return native.writeEarlyHints.call(this, hints, callback);
      return writeEarlyHints(exchange, native.writeEarlyHints, hints, callback);
    },

    emit(this: NodeResponse, event: string | symbol, argument?: unknown) {
      // A listener for `pipe` on every response would cost more, and be seen by whoever counts listeners.
      if (event === "finish") {
        const exchange = exchangeIn(this, "emit");
        if (exchange !== undefined) exchange.finishing = true;
        if (exchange !== undefined && exchange.goneBy !== null && finishUnseen(exchange)) return true;
        const emitted = native.emit.call(this, event);
        // Node has detached the socket, past an override that is no longer asked.
        if (exchange !== undefined && !exchange.settled && this.socket === null && !exchange.isDetached)
          detached(exchange);
        return emitted;
      }
      if (event === "prefinish") {
        const exchange = exchangeIn(this, "emit");
        if (exchange !== undefined && exchange.goneBy !== null && isNeverFinished(exchange)) return false;
      } else if (event === "close") {
        exchangeIn(this, "emit")?.closed();
      } else if (event === "pipe") {
        const exchange = exchangeIn(this, "emit");
        if (exchange !== undefined) watchSource(exchange, argument as Readable);
      } else if (event === "error" && this.listenerCount("error") === 0) {
        // With nobody listening, an error of the response would end the process; Node's own and the app's alike.
        const exchange = exchangeIn(this, "emit");
        if (exchange?.supervisor.enforces) {
          if (!exchange.fail(handlerError(argument))) lateWrite(this, exchange, argument);
          return true;
        }
      }
      // biome-ignore lint/complexity/noArguments: forwarded without a copy, for every event of every response
      return Reflect.apply(native.emit, this, arguments);
    },
  } as unknown as NativeMethods;
  if (source.writeInformation !== undefined) addInformation(native, methods, source.writeInformation);
  return { native, methods };
}

function addInformation(
  native: NativeMethods,
  methods: NativeMethods,
  below: NonNullable<NativeMethods["writeInformation"]>,
): void {
  native.writeInformation = below;
  methods.writeInformation = function (this: NodeResponse, ...args) {
    const exchange = exchangeIn(this, "writeInformation");
    return exchange === undefined ? below.apply(this, args) : writeInformation(exchange, below, args);
  };
}

function isGone(exchange: Http1Exchange, error: unknown): boolean {
  return exchange.connection.isGone(error);
}

/** An app that turns chunks on behind the header section would have an HTTP/1.0 client take their sizes for content. */
function leaveUnchunked({ response, supervisor }: Http1Exchange): void {
  if (supervisor.enforces && response._header !== null) response.chunkedEncoding = false;
}

/** Node throws for an unknown encoding only when the octets leave, which under hold-back is too late for the caller. */
function checkEncoding(chunk: unknown, encoding: unknown): void {
  if (typeof encoding === "string" && encoding !== "" && typeof chunk === "string" && !Buffer.isEncoding(encoding)) {
    throw Object.assign(new TypeError(`Unknown encoding: ${encoding}`), { code: "ERR_UNKNOWN_ENCODING" });
  }
}

function lateWrite(response: NodeResponse, exchange: Http1Exchange, err?: unknown): void {
  exchange.late({ code: "LATE_WRITE", message: EVENTS.LATE_WRITE, prevented: null, status: response.statusCode, err });
}
