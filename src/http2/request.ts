import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";

/** The request of a stream that the app takes through the core API: what the guard, and what it calls, asks of a request. */
export class StreamRequest {
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  readonly httpVersion = "2.0";
  readonly httpVersionMajor = 2;
  readonly httpVersionMinor = 0;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders) {
    this.stream = stream;
    this.headers = headers;
  }

  get method(): string | undefined {
    return this.headers[":method"];
  }

  get url(): string | undefined {
    return this.headers[":path"];
  }

  get complete(): boolean {
    return !hasContentToCome(this.stream);
  }

  get socket(): unknown {
    return this.stream.session?.socket;
  }
}

/** Whether content of the request is still to come, however much of it the app has read. */
export function hasContentToCome(stream: ServerHttp2Stream): boolean {
  if (stream.endAfterHeaders || stream.readableEnded || stream.destroyed || stream.closed) return false;
  return stream.state.remoteClose !== 1;
}
