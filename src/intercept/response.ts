import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import { kExchange } from "../exchange.js";
import { EVENTS, handlerError } from "../incidents.js";
import type { HeadersArgument } from "../validity/draft.js";
import { sendContent } from "./content.js";
import { detached } from "./detached.js";
import { storeHeader } from "./field-sections.js";
import type { Http1Exchange } from "./http1-exchange.js";
import { passInterim } from "./interim-gate.js";
import { forgetContent, LOSES_CORKED_CHUNKS, type NodeResponse, type WriteCallback } from "./node-internals.js";
import { watchSource } from "./piped-source.js";

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
  emit: (this: NodeResponse, event: string | symbol, ...args: unknown[]) => boolean;
}

type Guarded = NodeResponse & { [kExchange]?: Http1Exchange | undefined };

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
    emit: source.emit,
  };
  const methods = {
    _storeHeader(this: Guarded, firstLine: string, headers: HeadersArgument) {
      const exchange = this[kExchange];
      if (exchange === undefined) native._storeHeader.call(this, firstLine, headers);
      else storeHeader(exchange, firstLine, headers);
    },

    _send(
      this: Guarded,
      data: string | Uint8Array,
      encoding?: BufferEncoding | null,
      callback?: WriteCallback,
      byteLength?: number,
    ) {
      const exchange = this[kExchange];
      if (exchange === undefined || exchange.passing)
        return native._send.call(this, data, encoding, callback, byteLength);
      return sendContent(exchange, data, encoding, callback, byteLength);
    },

    _writeRaw(
      this: Guarded,
      data: string | Uint8Array,
      encoding?: BufferEncoding | null,
      callback?: WriteCallback,
      size?: number,
    ) {
      const exchange = this[kExchange];
      if (exchange === undefined || exchange.passing)
        return native._writeRaw.call(this, data, encoding, callback, size);
      return passInterim(exchange, data, encoding, callback);
    },

    _flushOutput(this: Guarded, socket: Socket) {
      const exchange = this[kExchange];
      if (exchange === undefined) return native._flushOutput.call(this, socket);
      const was = exchange.passing;
      exchange.passing = true;
      try {
        return native._flushOutput.call(this, socket);
      } finally {
        exchange.passing = was;
        // An app that corked its response while it waited for its turn, and has ended it, will never uncork the socket.
        if (this.finished) for (let n = socket.writableCorked; n > 0; n--) socket.uncork();
      }
    },

    write(this: Guarded, chunk: unknown, encoding?: unknown, callback?: unknown) {
      const exchange = this[kExchange];
      if (exchange === undefined) return native.write.call(this, chunk, encoding, callback);
      if (this.finished) lateWrite(this, exchange);
      else checkEncoding(chunk, encoding);
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

    end(this: Guarded, chunk?: unknown, encoding?: unknown, callback?: unknown) {
      const exchange = this[kExchange];
      if (exchange === undefined) return native.end.call(this, chunk, encoding, callback);
      if (this.finished) {
        if (chunk && typeof chunk !== "function") lateWrite(this, exchange);
        return native.end.call(this, chunk, encoding, callback);
      }
      checkEncoding(chunk, encoding);
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

    destroy(this: Guarded, error?: Error) {
      const exchange = this[kExchange];
      if (exchange === undefined || exchange.settled || isGone(exchange, error))
        return native.destroy.call(this, error);
      if (!exchange.closing("res.destroy", error)) native.destroy.call(this, error);
      // What the app has asked for is what it finds, while the guard answers in its place.
      else this.destroyed = true;
      return this;
    },

    detachSocket(this: Guarded, socket: Socket) {
      const exchange = this[kExchange];
      // Node detaches the socket itself when it emits `finish`, and ends the process where the app was first.
      if (exchange?.supervisor.enforces && !exchange.finishing) {
        if (this.socket !== socket || exchange.isOver() || exchange.inert) return;
      }
      native.detachSocket.call(this, socket);
      if (exchange !== undefined) detached(exchange);
    },

    emit(this: Guarded, event: string | symbol, argument?: unknown) {
      // A listener for `pipe` on every response would cost more, and be seen by whoever counts listeners.
      if (event === "finish") {
        const exchange = this[kExchange];
        if (exchange !== undefined) exchange.finishing = true;
      } else if (event === "close") {
        this[kExchange]?.closed();
      } else if (event === "pipe") {
        const exchange = this[kExchange];
        if (exchange !== undefined) watchSource(exchange, argument as Readable);
      } else if (event === "error" && this.listenerCount("error") === 0) {
        // With nobody listening, an error of the response would end the process; Node's own and the app's alike.
        const exchange = this[kExchange];
        if (exchange?.supervisor.enforces) {
          if (!exchange.fail(handlerError(argument))) lateWrite(this, exchange, argument);
          return true;
        }
      }
      // biome-ignore lint/complexity/noArguments: forwarded without a copy, for every event of every response
      return Reflect.apply(native.emit, this, arguments);
    },
  } as unknown as NativeMethods;
  return { native, methods };
}

function isGone(exchange: Http1Exchange, error: unknown): boolean {
  return exchange.connection.isGone(error);
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
