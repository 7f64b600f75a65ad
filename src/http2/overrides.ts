import type { ServerHttp2Stream } from "node:http2";
import { enterAgain } from "../exchange/current-exchange.js";
import { exchangeOf, hangOn } from "../exchange/exchange-of.js";
import { methodsBelow } from "../http1/node/native-methods.js";
import { overrideMethod } from "../override-method.js";
import { shared } from "../shared.js";
import { end, final, write, writePieces } from "./content.js";
import { close, destroy } from "./ending.js";
import { respondFrom } from "./file.js";
import type { Http2Exchange } from "./http2-exchange.js";
import { stateOf } from "./internals.js";
import { type NativeStream, STREAM_METHODS, type StreamMethod } from "./native-stream.js";
import type { Piece } from "./pieces.js";
import { additionalHeaders, pushStream, respond, sendTrailers } from "./response.js";
import { type Head, type RespondOptions, shownHead } from "./section.js";
import { hear, hearPipe, isHeard } from "./stream-events.js";
import { WATCHED_METHODS } from "./watched-stream.js";

const known = exchangeOf as (object: object) => Http2Exchange | undefined;

/** The exchange of a stream, or of what an app has put in front of one: a `Proxy`, or an object that inherits from it. */
function exchangeBehind(stream: object): Http2Exchange | undefined {
  return known(stream) ?? exchangeInside(stream);
}

function exchangeInside(stream: object): Http2Exchange | undefined {
  const state = stateOf(stream as ServerHttp2Stream);
  return state === undefined ? undefined : known(state);
}

/** Makes its exchange known to a stream, also where the app has put something in front of that. */
export function hangOnStream(stream: ServerHttp2Stream, exchange: Http2Exchange): void {
  hangOn(stream, exchange);
  const state = stateOf(stream);
  if (state !== undefined) hangOn(state, exchange);
}

type Callback = (error?: Error | null) => void;
type Native = (this: object, ...args: unknown[]) => unknown;

/** What a method does to a stream that has an exchange. */
export type StreamMethods<E> = {
  readonly [K in Exclude<StreamMethod, "emit" | "push">]: (exchange: E, ...args: never[]) => unknown;
};

const GUARDED = {
  respond,
  respondWithFD: (exchange: Http2Exchange, fd: unknown, headers?: object, options?: RespondOptions) =>
    respondFrom(exchange, "respondWithFD", fd, headers, options),
  respondWithFile: (exchange: Http2Exchange, path: unknown, headers?: object, options?: RespondOptions) =>
    respondFrom(exchange, "respondWithFile", path, headers, options),
  additionalHeaders,
  pushStream,
  sendTrailers,
  write,
  end,
  destroy,
  close,
  _write: (exchange: Http2Exchange, chunk: string | Uint8Array, encoding: BufferEncoding, callback: Callback) =>
    writePieces(exchange, [{ chunk, encoding }], callback),
  _writev: (exchange: Http2Exchange, pieces: Piece[], callback: Callback) => writePieces(exchange, pieces, callback),
  _final: final,
} satisfies StreamMethods<Http2Exchange>;

type Methods = Readonly<Record<keyof typeof GUARDED, (exchange: Http2Exchange, ...args: unknown[]) => unknown>>;

/** Where the methods of streams stand, with those that stood there: once for the process, whatever has loaded this. */
const covered = shared("http2 streams", () => new WeakMap<object, NativeStream>());

/**
 * Puts the guard in front of the methods of a stream: on the prototype of all of Node's, since methods of its own would be
 * made anew for each. Streams that no guard has seen pass straight through.
 * @returns the methods below
 */
export function coverStreams(stream: ServerHttp2Stream): NativeStream {
  const target = ownerOf(stream, "respond");
  const before = covered.get(target);
  if (before !== undefined) return before;
  const native = methodsBelow(target, STREAM_METHODS) as NativeStream;
  covered.set(target, native);
  // What stands in for a stream may have only some of them.
  for (const [name, method] of Object.entries(overrides(native as never)))
    if (typeof native[name as StreamMethod] === "function") overrideMethod(target, name, method);
  overrideShown(target);
  Object.defineProperty(target, "rayguard", RAYGUARD);
  return native;
}

/** The same of the requests and responses that the compatibility API makes of streams. */
export function coverCompatibility(request: object, response: object): void {
  const requests = ownerOf(request, "stream");
  const responses = ownerOf(response, "stream");
  if (!("rayguard" in requests)) Object.defineProperty(requests, "rayguard", RAYGUARD);
  if (covered.has(responses)) return;
  const native = methodsBelow(responses, ["emit"]) as { readonly emit: Native };
  covered.set(responses, native as never);
  overrideMethod(responses, "emit", function emit(this: object, event: unknown, ...args: unknown[]): unknown {
    const { stream } = this as { readonly stream?: object };
    const exchange = event === "pipe" ? (known(this) ?? exchangeInside(stream ?? this)) : undefined;
    if (exchange !== undefined) hearPipe(exchange, args[0]);
    return native.emit.call(this, event, ...args);
  });
}

const RAYGUARD: PropertyDescriptor = {
  configurable: true,
  get(this: object) {
    const { stream } = this as { readonly stream?: object };
    return (known(this) ?? exchangeInside(stream ?? this))?.context;
  },
};

/** Each is written out, since V8 keeps what it learns of a call with its text: of one text for all it would learn nothing. */
function overrides(native: Readonly<Record<StreamMethod, Native>>): Readonly<Record<StreamMethod, Native>> {
  const guarded = GUARDED as unknown as Methods;
  const watched = WATCHED_METHODS as unknown as Methods;
  return {
    emit(event, ...args) {
      if (isHeard(event)) {
        const exchange = exchangeBehind(this);
        if (exchange !== undefined) hear(exchange, event, args[0]);
      }
      return native.emit.call(this, event, ...args);
    },
    push(chunk, encoding) {
      const exchange = exchangeBehind(this);
      if (exchange !== undefined && !exchange.stream.endAfterHeaders) {
        // What is read of it runs in the context of the session.
        enterAgain(exchange);
        // Of what arrives a stream tells nothing itself.
        if (typeof chunk === "object" && chunk !== null) exchange.received += (chunk as Uint8Array).byteLength;
      }
      return native.push.call(this, chunk, encoding);
    },
    respond(headers, options) {
      const exchange = exchangeBehind(this);
      if (exchange === undefined) return native.respond.call(this, headers, options);
      return (exchange.isWatched ? watched : guarded).respond(exchange, headers, options);
    },
    respondWithFD(fd, headers, options) {
      const exchange = exchangeBehind(this);
      if (exchange === undefined) return native.respondWithFD.call(this, fd, headers, options);
      return (exchange.isWatched ? watched : guarded).respondWithFD(exchange, fd, headers, options);
    },
    respondWithFile(path, headers, options) {
      const exchange = exchangeBehind(this);
      if (exchange === undefined) return native.respondWithFile.call(this, path, headers, options);
      return (exchange.isWatched ? watched : guarded).respondWithFile(exchange, path, headers, options);
    },
    additionalHeaders(headers) {
      const exchange = exchangeBehind(this);
      if (exchange === undefined) return native.additionalHeaders.call(this, headers);
      return (exchange.isWatched ? watched : guarded).additionalHeaders(exchange, headers);
    },
    pushStream(headers, options, callback) {
      const exchange = exchangeBehind(this);
      if (exchange === undefined) return native.pushStream.call(this, headers, options, callback);
      return (exchange.isWatched ? watched : guarded).pushStream(exchange, headers, options, callback);
    },
    sendTrailers(headers) {
      const exchange = exchangeBehind(this);
      if (exchange === undefined) return native.sendTrailers.call(this, headers);
      return (exchange.isWatched ? watched : guarded).sendTrailers(exchange, headers);
    },
    write(chunk, encoding, callback) {
      const exchange = exchangeBehind(this);
      if (exchange === undefined) return native.write.call(this, chunk, encoding, callback);
      return (exchange.isWatched ? watched : guarded).write(exchange, chunk, encoding, callback);
    },
    end(chunk, encoding, callback) {
      const exchange = exchangeBehind(this);
      if (exchange === undefined) return native.end.call(this, chunk, encoding, callback);
      return (exchange.isWatched ? watched : guarded).end(exchange, chunk, encoding, callback);
    },
    destroy(error, callback) {
      const exchange = exchangeBehind(this);
      if (exchange === undefined) return native.destroy.call(this, error, callback);
      return (exchange.isWatched ? watched : guarded).destroy(exchange, error, callback);
    },
    close(code, callback) {
      const exchange = exchangeBehind(this);
      if (exchange === undefined) return native.close.call(this, code, callback);
      return (exchange.isWatched ? watched : guarded).close(exchange, code, callback);
    },
    _write(chunk, encoding, callback) {
      const exchange = exchangeBehind(this);
      if (exchange === undefined) return native._write.call(this, chunk, encoding, callback);
      return (exchange.isWatched ? watched : guarded)._write(exchange, chunk, encoding, callback);
    },
    _writev(pieces, callback) {
      const exchange = exchangeBehind(this);
      if (exchange === undefined) return native._writev.call(this, pieces, callback);
      return (exchange.isWatched ? watched : guarded)._writev(exchange, pieces, callback);
    },
    _final(callback) {
      const exchange = exchangeBehind(this);
      if (exchange === undefined) return native._final.call(this, callback);
      return (exchange.isWatched ? watched : guarded)._final(exchange, callback);
    },
  };
}

/** The header section counts as sent as soon as the app has decided it, as it would without the guard. */
function overrideShown(target: object): void {
  const headersSent = getterOf(target, "headersSent");
  const sentHeaders = getterOf(target, "sentHeaders");
  if (headersSent === undefined || sentHeaders === undefined) return;
  /** What it shows in place of what Node shows. */
  const shownOf = (stream: object): { readonly head: Head | null } | undefined => {
    const exchange = exchangeBehind(stream);
    if (exchange === undefined || exchange.passing || exchange.isWatched) return undefined;
    const { head, phase, outcome } = exchange;
    const isReplaced = phase.isVoid && outcome !== "torn down";
    // The answer is none of the app's own, which may go on to give one.
    if (head === null) return isReplaced ? { head } : undefined;
    // The client may have left while it was held.
    const isKept = !phase.isCommitted || isReplaced || (phase.isSettled && !headersSent.call(stream));
    return isKept ? { head } : undefined;
  };
  Object.defineProperties(target, {
    headersSent: {
      configurable: true,
      get(this: object) {
        const shown = shownOf(this);
        return shown === undefined ? headersSent.call(this) : shown.head !== null;
      },
    },
    sentHeaders: {
      configurable: true,
      get(this: object) {
        const shown = shownOf(this);
        if (shown === undefined) return sentHeaders.call(this);
        return shown.head === null ? undefined : shownHead(shown.head);
      },
    },
  });
}

function getterOf(target: object, name: string): ((this: object) => unknown) | undefined {
  return Object.getOwnPropertyDescriptor(ownerOf(target, name), name)?.get;
}

/** The object itself, or the prototype of it, that has a property. */
function ownerOf(object: object, name: string): object {
  let owner: object | null = object;
  while (owner !== null && !Object.hasOwn(owner, name)) owner = Object.getPrototypeOf(owner) as object | null;
  return owner ?? object;
}
