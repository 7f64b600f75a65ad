import type { ServerHttp2Stream } from "node:http2";
import { enterAgain } from "../exchange/current-exchange.js";
import { exchangeOf, hangOn } from "../exchange/exchange-of.js";
import { end, final, write, writePieces } from "./content.js";
import { close, destroy } from "./ending.js";
import type { Http2Exchange } from "./http2-exchange.js";
import type { Piece } from "./pieces.js";
import { additionalHeaders, pushStream, respond, respondFrom, sendTrailers } from "./response.js";
import { shownHead } from "./section.js";
import { emit } from "./stream-events.js";
import { WATCHED_METHODS } from "./watched-stream.js";

/** Only a stream with an exchange carries the methods. */
const exchangeBehind = exchangeOf as (stream: ServerHttp2Stream) => Http2Exchange;

type Shown = "headersSent" | "sentHeaders";

/** Shared by all streams, each of which carries them itself: the prototype they come from belongs to Node. */
const METHODS = {
  emit,
  respond(this: ServerHttp2Stream, headers?: object, options?: object) {
    respond(exchangeBehind(this), headers, options);
  },
  respondWithFD(this: ServerHttp2Stream, fd: unknown, headers?: object, options?: object) {
    respondFrom(exchangeBehind(this), "respondWithFD", fd, headers, options);
  },
  respondWithFile(this: ServerHttp2Stream, path: unknown, headers?: object, options?: object) {
    respondFrom(exchangeBehind(this), "respondWithFile", path, headers, options);
  },
  additionalHeaders(this: ServerHttp2Stream, headers: object) {
    additionalHeaders(exchangeBehind(this), headers);
  },
  pushStream(this: ServerHttp2Stream, headers: unknown, options?: unknown, callback?: unknown) {
    pushStream(exchangeBehind(this), headers, options, callback);
  },
  sendTrailers(this: ServerHttp2Stream, headers: object) {
    sendTrailers(exchangeBehind(this), headers);
  },
  write(this: ServerHttp2Stream, chunk: unknown, encoding?: unknown, callback?: unknown) {
    return write(exchangeBehind(this), chunk, encoding, callback);
  },
  end(this: ServerHttp2Stream, chunk?: unknown, encoding?: unknown, callback?: unknown) {
    return end(exchangeBehind(this), chunk, encoding, callback);
  },
  destroy(this: ServerHttp2Stream, error?: Error, callback?: unknown) {
    return destroy(exchangeBehind(this), error, callback);
  },
  close(this: ServerHttp2Stream, code?: number, callback?: () => void) {
    close(exchangeBehind(this), code, callback);
  },
  _write(this: ServerHttp2Stream, chunk: unknown, encoding: BufferEncoding, callback: (error?: Error | null) => void) {
    writePieces(exchangeBehind(this), [{ chunk, encoding } as Piece], callback);
  },
  _writev(this: ServerHttp2Stream, pieces: Piece[], callback: (error?: Error | null) => void) {
    writePieces(exchangeBehind(this), pieces, callback);
  },
  _final(this: ServerHttp2Stream, callback: (error?: Error | null) => void) {
    final(exchangeBehind(this), callback);
  },
};

const rayguard: PropertyDescriptor = {
  configurable: true,
  get(this: ServerHttp2Stream) {
    return exchangeBehind(this).context;
  },
};

const DESCRIPTORS: PropertyDescriptorMap = {
  ...described(METHODS),
  headersSent: shown("headersSent"),
  sentHeaders: shown("sentHeaders"),
  rayguard,
};

/** Of a stream that is only looked at. */
const WATCHED: PropertyDescriptorMap = { ...described({ emit, ...WATCHED_METHODS }), rayguard };

function described(methods: object): PropertyDescriptorMap {
  const entries = Object.entries(methods).map(([name, value]) => [name, { value, configurable: true, writable: true }]);
  return Object.fromEntries(entries);
}

/** The header section counts as sent as soon as the app has decided it, as it would without the guard. */
function shown(name: Shown): PropertyDescriptor {
  return {
    configurable: true,
    get(this: ServerHttp2Stream) {
      const { head, phase, passing, outcome } = exchangeBehind(this);
      const below = (what: Shown) => Reflect.get(Object.getPrototypeOf(this), what, this);
      if (passing) return below(name);
      const isReplaced = phase.isVoid && outcome !== "torn down";
      if (head !== null) {
        // The client may have left while it was held.
        const isKept = !phase.isCommitted || isReplaced || (phase.isSettled && !below("headersSent"));
        if (isKept) return name === "headersSent" ? true : shownHead(head);
      } else if (isReplaced) {
        // The answer is none of the app's own, which may go on to give one.
        return name === "headersSent" ? false : undefined;
      }
      return below(name);
    },
  };
}

/** Puts the guard in front of the methods of a stream. */
export function overrideStream(stream: ServerHttp2Stream, exchange: Http2Exchange): void {
  hangOn(stream, exchange);
  Object.defineProperties(stream, exchange.isWatched ? WATCHED : DESCRIPTORS);
  if (!stream.endAfterHeaders) countUpload(stream, exchange);
}

/** Counts what arrives of the content of a request, which a stream itself does not tell. */
function countUpload(stream: ServerHttp2Stream, exchange: Http2Exchange): void {
  const below = stream.push;
  const value = function push(this: ServerHttp2Stream, chunk: unknown, encoding?: BufferEncoding): boolean {
    // What is read of it runs in the context of the session.
    enterAgain(exchange);
    if (chunk !== null && typeof chunk === "object") exchange.received += (chunk as Uint8Array).byteLength;
    return below.call(this, chunk, encoding);
  };
  Object.defineProperty(stream, "push", { value, configurable: true, writable: true, enumerable: false });
}
