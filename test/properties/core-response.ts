import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type { Misused } from "./interpreter.js";

/** The core API of `node:http2`, by the names that a program uses. */
export class CoreResponse {
  readonly stream: Misused;
  /** Fields that are set before the header section is decided, which the core API leaves to the app. */
  readonly #fields: Record<string, unknown> = {};
  #isTouched = false;
  #trailers: Record<string, unknown> | undefined;

  constructor(stream: ServerHttp2Stream) {
    this.stream = stream;
  }

  get writableEnded(): boolean {
    return this.stream.writableEnded;
  }

  set statusCode(status: unknown) {
    this.setHeader(":status", status);
  }

  setHeader(name: string, value: unknown): void {
    this.#isTouched = true;
    this.#fields[name] = value;
  }

  appendHeader(name: string, value: unknown): void {
    this.setHeader(name, name in this.#fields ? [this.#fields[name], value].flat() : value);
  }

  removeHeader(name: string): void {
    delete this.#fields[name];
  }

  writeHead(status: unknown, ...rest: unknown[]): void {
    const given = rest.at(-1);
    const pairs = Array.isArray(given) ? given : Object.entries(given ?? {}).flat();
    this.setHeader(":status", status);
    for (let at = 0; at < pairs.length; at += 2) this.setHeader(String(pairs[at]), pairs[at + 1]);
    this.flushHeaders();
  }

  flushHeaders(): void {
    if (this.stream.headersSent && !this.#isTouched) return;
    this.#isTouched = false;
    const options = this.#trailers === undefined ? undefined : { waitForTrailers: true };
    if (this.#trailers !== undefined)
      this.stream.once("wantTrailers", () => {
        try {
          this.stream.sendTrailers(this.#trailers);
        } catch {
          this.stream.close();
        }
      });
    this.stream.respond(this.#fields, options);
  }

  write(...args: unknown[]): boolean {
    return this.sink.write(...args);
  }

  end(...args: unknown[]): void {
    this.sink.end(...args);
  }

  /** What an app pipes into, and writes to, once the header section is decided. */
  get sink(): Misused {
    if (this.#isTouched && !this.stream.headersSent) this.flushHeaders();
    return this.stream;
  }

  addTrailers(fields: Record<string, unknown>): void {
    if (this.stream.headersSent) this.stream.sendTrailers(fields);
    else this.#trailers = fields;
  }

  writeContinue(): void {
    this.stream.additionalHeaders({ ":status": 100 });
  }

  writeProcessing(): void {
    this.stream.additionalHeaders({ ":status": 102 });
  }

  writeEarlyHints(fields: Record<string, unknown>): void {
    this.stream.additionalHeaders({ ":status": 103, ...fields });
  }

  cork(): void {
    this.stream.cork();
  }

  uncork(): void {
    this.stream.uncork();
  }

  setTimeout(ms: number): void {
    this.stream.setTimeout(ms);
  }

  on(event: string, listener: () => void): void {
    this.stream.on(event, listener);
  }

  destroy(error?: Error): void {
    this.stream.destroy(error);
  }
}

/** What a program asks of a request, of the core API. */
export class CoreRequest {
  readonly url: string;
  readonly method: string;
  readonly stream: Misused;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders) {
    this.stream = stream;
    this.url = headers[":path"] ?? "";
    this.method = headers[":method"] ?? "";
  }

  get socket(): Misused {
    return this.stream.session?.socket;
  }

  get rayguard(): Misused {
    return this.stream.rayguard;
  }

  on(event: string, listener: () => void): void {
    this.stream.on(event, listener);
  }

  resume(): void {
    this.stream.resume();
  }

  destroy(error?: Error): void {
    this.stream.destroy(error);
  }
}
