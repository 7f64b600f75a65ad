import type { Socket } from "node:net";
import type { NodeResponse, WriteCallback } from "./node-internals.js";

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

/** Methods of a response that the guard overrides. */
export const RESPONSE_METHODS = [
  "_storeHeader",
  "_send",
  "_writeRaw",
  "_flushOutput",
  "write",
  "end",
  "destroy",
  "detachSocket",
  "addTrailers",
  "writeEarlyHints",
  "writeInformation",
  "emit",
] as const satisfies readonly ResponseMethod[];

/** What they do to a response that has an exchange; `emit` returns undefined where the event goes on. */
export type ExchangeMethods<E> = {
  readonly [K in ResponseMethod]-?: (
    this: NodeResponse,
    exchange: E,
    ...args: Parameters<NonNullable<NativeMethods[K]>>
  ) => unknown;
};

/** Methods of a socket that the guard overrides. */
export const SOCKET_METHODS = ["destroy", "destroySoon", "resetAndDestroy", "end", "write", "push"] as const;

export type SocketMethod = (typeof SOCKET_METHODS)[number];

export type Native = (this: object, ...args: unknown[]) => unknown;

/**
 * The methods below the guard: own ones as they are, those that are inherited as they are found in each call. An app may
 * replace them where they stand, as `node:domain` replaces `emit` of every emitter.
 */
export function methodsBelow<T extends object>(source: T, names: readonly string[]): T {
  const native = Object.create(Object.getPrototypeOf(source) as object) as Record<string, unknown>;
  for (const name of names) if (Object.hasOwn(source, name)) native[name] = (source as typeof native)[name];
  return native as T;
}

/** A Duplex in the place of a socket has only some of them. */
export type NativeSocketMethods = { [K in SocketMethod]?: Native | undefined } & Record<
  "destroy" | "end" | "write" | "push",
  Native
>;
