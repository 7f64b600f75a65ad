import type { Socket } from "node:net";
import { overrides } from "../exchange/exchange-of.js";
import { guardedMethods } from "./guarded-methods.js";
import type { Http1Exchange } from "./http1-exchange.js";
import type { NodeResponse, WriteCallback } from "./node-internals.js";
import type { WatchedExchange } from "./watched-exchange.js";
import { watchedMethods } from "./watched-methods.js";

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
  writeInformation?: WriteInformation;
  emit: (this: NodeResponse, event: string | symbol, ...args: unknown[]) => boolean;
}

export type WriteInformation = (
  this: NodeResponse,
  status: unknown,
  fields?: unknown,
  callback?: WriteCallback,
) => unknown;

export type ResponseMethod = keyof NativeMethods;

/** Methods in front of those of `below`: shared by every response of one prototype, so that a response costs no closure. */
export interface Overrides {
  readonly native: NativeMethods;
  readonly methods: NativeMethods;
}

/**
 * Builds the layer for responses whose methods are found on `source`: a prototype, or a single response.
 * Each method keeps the name, arguments, return value and callback of the one it stands in front of.
 */
export function createOverrides(source: NativeMethods): Overrides {
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
  if (source.writeInformation !== undefined) native.writeInformation = source.writeInformation;
  const methods = overrides(
    native as never,
    guardedMethods(native) as never,
    watchedMethods(native) as never,
  ) as unknown as NativeMethods;
  if (native.writeInformation === undefined) delete methods.writeInformation;
  return { native, methods };
}

/** What they do to a response that has an exchange; `emit` returns undefined where the event goes on. */
export type ExchangeMethods<E extends Http1Exchange | WatchedExchange = Http1Exchange> = {
  readonly [K in ResponseMethod]-?: (
    this: NodeResponse,
    exchange: E,
    ...args: Parameters<NonNullable<NativeMethods[K]>>
  ) => unknown;
};
