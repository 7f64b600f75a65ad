import type { Socket } from "node:net";
import { type IncomingMessage, OutgoingMessage, type ServerResponse } from "../../node-http.js";
import type { HeadersArgument } from "../../validity/draft.js";

/**
 * What `node:http` keeps in properties that are not documented. They have kept name and meaning from Node 20 to 26;
 * `test/node-contract.test.ts` holds each fact the guard relies on, so that a new release fails there by name.
 */
export interface ResponseInternals {
  _header: string | null;
  _headerSent: boolean;
  _hasBody: boolean;
  _last: boolean;
  _closed: boolean;
  _contentLength: number | null;
  _removedTE: boolean;
  _removedConnection: boolean;
  _removedContLen: boolean;
  _trailer: string;
  maxRequestsOnConnectionReached: boolean;
  outputData: { data: string | Uint8Array; encoding: string | null; callback: unknown }[];
  outputSize: number;
  _onPendingData(delta: number): void;
  _storeHeader(firstLine: string, headers: HeadersArgument): void;
  _send(
    data: string | Uint8Array,
    encoding?: BufferEncoding | null,
    callback?: WriteCallback,
    byteLength?: number,
  ): boolean;
  _writeRaw(
    data: string | Uint8Array,
    encoding?: BufferEncoding | null,
    callback?: WriteCallback,
    size?: number,
  ): boolean;
  _flushOutput(socket: Socket): unknown;
}

export type WriteCallback = ((error?: Error | null) => void) | null | undefined;

export type NodeResponse = ServerResponse & ResponseInternals;

export interface SocketInternals {
  _readableState?: { errorEmitted: boolean };
  _writableState?: { errorEmitted: boolean };
  _httpMessage?: NodeResponse | null;
  _handle?: { writeQueueSize?: number; getpeername?(out: { address?: string }): number } | null;
  /** Octets handed to the handle, some of which may still be queued there. */
  _bytesDispatched?: number;
}

export type NodeSocket = Socket & SocketInternals;

/** Methods of a response that the guard overrides, on every prototype. */
export const LAYERED = [
  "_storeHeader",
  "_send",
  "_writeRaw",
  "_flushOutput",
  "write",
  "end",
  "destroy",
  "detachSocket",
] as const;

/** Whether this `ServerResponse` has the methods that every octet passes through. */
export function hasInternals(response: object): response is NodeResponse {
  if (kOutHeaders === undefined) return false;
  return (
    LAYERED.every((name) => typeof (response as Record<string, unknown>)[name] === "function") &&
    "_header" in response &&
    "outputData" in response
  );
}

/** Where Node keeps the fields of `setHeader`: [name, value] under the name in lower case; null while there are none. */
export const kOutHeaders = ownSymbol("kOutHeaders");
const kBytesWritten = ownSymbol("kBytesWritten");
const kNeedDrain = ownSymbol("kNeedDrain");
const kChunkedLength = ownSymbol("kChunkedLength");

/** From this version on, Node gathers the chunks that are written in one turn, and sends them in the next tick. */
export const GATHERS_CHUNKS = Number.parseInt(process.versions.node, 10) > 25;

/** Whether chunks wait for that tick. */
export function hasGathered(response: NodeResponse): boolean {
  if (!GATHERS_CHUNKS || kChunkedLength === undefined) return false;
  return ((response as unknown as Record<symbol, number>)[kChunkedLength] ?? 0) > 0;
}

function ownSymbol(description: string): symbol | undefined {
  return Object.getOwnPropertySymbols(new OutgoingMessage()).find((symbol) => symbol.description === description);
}

/**
 * Node counts the content of a `write` or `end` before it renders the header section; where that throws, it would hold
 * the content that never went out against the Content-Length of the content that will.
 */
export function forgetContent(response: NodeResponse): void {
  response._contentLength = null;
  if (kBytesWritten !== undefined) (response as unknown as Record<symbol, number>)[kBytesWritten] = 0;
}

/** Tells an app that waits for it that it may write on, as Node does when a response has left the process. */
export function emitDrain(response: NodeResponse): void {
  if (!response.writableNeedDrain) return;
  if (kNeedDrain !== undefined) (response as unknown as Record<symbol, boolean>)[kNeedDrain] = false;
  response.emit("drain");
}

/**
 * Runs `write` without Node telling the response that it may write on: it does so while it takes what it is given, and
 * whoever writes then would get in between.
 */
export function withoutDrain(response: NodeResponse, write: () => void): void {
  const flags = response as unknown as Record<symbol, boolean>;
  if (kNeedDrain === undefined || flags[kNeedDrain] !== true) return write();
  flags[kNeedDrain] = false;
  try {
    write();
  } finally {
    flags[kNeedDrain] = true;
  }
}

/** Aborts the `signal` that a request has from Node 24 on, as Node does where it aborts the request itself. */
export function abortSignalOf(request: IncomingMessage): void {
  const kAbortController = Object.getOwnPropertySymbols(request).find((s) => s.description === "kAbortController");
  if (kAbortController === undefined) return;
  (request as unknown as Record<symbol, AbortController | null>)[kAbortController]?.abort();
}

/** Has a socket that is about to be destroyed with an error emit `close` alone: its `error` has been told already. */
export function markErrorEmitted(socket: NodeSocket): void {
  for (const state of [socket._readableState, socket._writableState])
    if (state !== undefined) state.errorEmitted = true;
}

/** `end()` names its last callback so; it settles Node's own bookkeeping and must reach the socket. */
export function isFinishCallback(callback: unknown): boolean {
  return typeof callback === "function" && callback.name === "bound onFinish";
}

/**
 * Node 22 and 24 send the last chunk before chunks that are still corked, which ends the content early and leaves
 * octets behind it.
 */
export const LOSES_CORKED_CHUNKS = (() => {
  const major = Number.parseInt(process.versions.node, 10);
  return major >= 21 && major <= 25;
})();

/** Finds the slot in which a server keeps the class of its responses or requests. */
export function classSlot(server: object, description: "ServerResponse" | "IncomingMessage"): symbol | undefined {
  return Object.getOwnPropertySymbols(server).find(
    (symbol) => symbol.description === description && typeof (server as Record<symbol, unknown>)[symbol] === "function",
  );
}

export function versionOf(request: IncomingMessage): "1.0" | "1.1" | "2.0" {
  if (request.httpVersionMajor >= 2) return "2.0";
  return request.httpVersionMajor === 1 && request.httpVersionMinor >= 1 ? "1.1" : "1.0";
}

/** Address of the peer. A socket that has been asked for `remoteAddress` goes on to know it when the connection is gone. */
export function addressOf(socket: NodeSocket): string | undefined {
  const found: { address?: string } = {};
  const asked = socket._handle?.getpeername?.(found);
  const address = asked === 0 ? found.address : socket.remoteAddress;
  if (address === undefined) return undefined;
  const known = addresses.get(address);
  if (known !== undefined) return known;
  if (addresses.size >= MOST_ADDRESSES) addresses.clear();
  addresses.set(address, address);
  return address;
}

/** Each kept once: an edge has hundreds of connections from each of its own. */
const addresses = new Map<string, string>();
const MOST_ADDRESSES = 1_024;
