import type { ServerHttp2Stream } from "node:http2";

type Method = (this: ServerHttp2Stream, ...args: never[]) => unknown;

/** The methods of a stream as they are below the guard. */
export interface NativeStream {
  readonly emit: Method;
  readonly respond: Method;
  readonly respondWithFD: Method;
  readonly respondWithFile: Method;
  readonly additionalHeaders: Method;
  readonly pushStream: Method;
  readonly sendTrailers: Method;
  readonly write: Method;
  readonly end: Method;
  readonly destroy: Method;
  readonly close: Method;
  readonly _write: Method;
  readonly _writev: Method;
  readonly _final: Method;
}

/** Reads them of a stream that no guard has seen. */
export function nativeOf(stream: ServerHttp2Stream): NativeStream {
  const own = stream as unknown as NativeStream;
  return {
    emit: own.emit,
    respond: own.respond,
    respondWithFD: own.respondWithFD,
    respondWithFile: own.respondWithFile,
    additionalHeaders: own.additionalHeaders,
    pushStream: own.pushStream,
    sendTrailers: own.sendTrailers,
    write: own.write,
    end: own.end,
    destroy: own.destroy,
    close: own.close,
    _write: own._write,
    _writev: own._writev,
    _final: own._final,
  };
}
