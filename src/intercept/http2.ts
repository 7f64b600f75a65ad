import type { IncomingMessage } from "node:http";
import type {
  Http2ServerRequest,
  Http2ServerResponse,
  IncomingHttpHeaders,
  OutgoingHttpHeaders,
  ServerHttp2Stream,
} from "node:http2";
import { Exchange, kExchange, type Supervisor } from "../exchange.js";
import type { Page } from "../fallback/page.js";
import { EVENTS, handlerError, longContent, prematureClose, shortContent } from "../incidents.js";
import type { RouteSettings } from "../options.js";
import type { Peer } from "../trust/caller.js";
import type { FieldLine } from "../validity/head.js";
import { endsEvent, HEARTBEAT, isEventStream } from "./heartbeat.js";
import {
  announcedLength,
  type Fields,
  fieldsOf,
  judgeHead,
  linesOf,
  repairInterim,
  repairTrailers,
} from "./http2-fields.js";
import { isGone, type NativeStream, showHeadersSent, standInFront } from "./http2-stream.js";
import { peerOfSession } from "./peer.js";

type Callback = ((error?: Error | null) => void) | undefined;

/** RFC 9113, section 7: an error nobody takes for a complete stream, as NO_ERROR could be. */
const INTERNAL_ERROR = 2;

/**
 * An exchange over HTTP/2. It stands in front of the stream, below the compatibility API, so that it holds for
 * `res.stream` alike.
 */
export class Http2Exchange extends Exchange {
  readonly request: IncomingMessage;
  readonly response: Http2ServerResponse;
  readonly stream: ServerHttp2Stream;
  readonly peer: Peer;
  readonly #native: NativeStream;
  #head: { fields: Fields; options: object | undefined } | null = null;
  #held: { chunk: unknown; encoding: unknown; callback: Callback }[] = [];
  #sent = 0;
  #expected = -1;
  #ended = false;
  #own = false;
  #interims = 0;
  /** What the app has written last, kept only where a heartbeat must know. */
  #lastChunk: unknown;
  status = 0;

  constructor(
    supervisor: Supervisor,
    settings: RouteSettings,
    request: Http2ServerRequest,
    response: Http2ServerResponse,
  ) {
    super(supervisor, settings);
    this.request = request as unknown as IncomingMessage;
    this.response = response;
    this.stream = response.stream;
    // Now, since a session that has ended no longer knows who was at its other end.
    this.peer = peerOfSession(this);
    this.#native = standInFront(this.stream, this);
    // Node asks as well, before it sends what the guard hands on.
    showHeadersSent(this.stream, () => !this.#own && (this.#head !== null || this.inert));
    Object.defineProperty(response, kExchange, { value: this, configurable: true });
    Object.defineProperty(request, kExchange, { value: this, configurable: true });
    this.stream.once("close", () => this.settle((this.#ended || this.inert) && this.stream.rstCode === 0));
  }

  get octets(): number {
    return this.#sent;
  }

  isOut(): boolean {
    return this.committed;
  }

  isOver(): boolean {
    return this.committed && this.#ended;
  }

  backlog(): number {
    return this.stream.writableLength;
  }

  movement(): number {
    return this.#sent + (this.stream.state?.localWindowSize ?? 0) - this.stream.writableLength;
  }

  lostFields(): readonly FieldLine[] {
    return linesOf(this.#head?.fields ?? {});
  }

  override get hasHeartbeat(): boolean {
    if (this.settings.heartbeatMs === false || !this.supervisor.enforces || !this.committed) return false;
    const { "content-type": type, "content-encoding": coding } = this.#head?.fields ?? {};
    return isEventStream(`\r\ncontent-type: ${type}\r\n${coding === undefined ? "" : `content-encoding: ${coding}`}`);
  }

  override beat(): boolean {
    if (this.inert || this.#ended || this.backlog() > 0 || !endsEvent(this.#lastChunk)) return false;
    this.#withOwn(() => this.#native.write(HEARTBEAT));
    return true;
  }

  // -- in front of the stream's methods -----------------------------------------------------------------------------

  _respond(headers: OutgoingHttpHeaders = {}, options?: { endStream?: boolean; sendDate?: boolean }): void {
    if (this.inert) return this.#late();
    if (this.#own || this.committed || this.#head !== null) {
      this.#native.respond(headers, options);
      return;
    }
    const fields: Fields = { ...headers };
    const verdict = judgeHead(this, fields, options?.endStream === true, options?.sendDate !== false);
    if (verdict !== null) {
      this.#head = { fields, options };
      this.fail(verdict);
      return;
    }
    this.#head = { fields, options };
    this.#expected = announcedLength(fields, this.request.method);
    if (options?.endStream === true) {
      this.#ended = true;
      if (this.#expected > 0) this.fail(shortContent(this.#expected, 0));
      else this.#commit();
    } else if (
      this.settings.holdBackOctets === 0 ||
      !this.supervisor.enforces ||
      /^text\/event-stream/i.test(String(fields["content-type"]))
    ) {
      this.#commit();
    } else {
      this.supervisor.holdBack(this);
    }
  }

  _respondWithFD(...args: unknown[]): void {
    if (this.inert) return this.#late();
    this.committed = true;
    this.#ended = true;
    this.#native.respondWithFD(...args);
  }

  _respondWithFile(...args: unknown[]): void {
    if (this.inert) return this.#late();
    this.committed = true;
    this.#ended = true;
    this.#native.respondWithFile(...args);
  }

  _additionalHeaders(headers: IncomingHttpHeaders): void {
    if (this.inert) return this.#late();
    if (this.#own || !this.supervisor.enforces) {
      this.#native.additionalHeaders(headers);
      return;
    }
    if (!repairInterim(this, headers, this.#head !== null, this.#interims)) return;
    this.#interims++;
    this.#native.additionalHeaders(headers);
  }

  _sendTrailers(headers: OutgoingHttpHeaders): void {
    if (this.inert || !this.supervisor.enforces) {
      // The fallback has no trailers; a stream that waits for some must still be ended.
      this.#native.sendTrailers(this.inert ? {} : headers);
      return;
    }
    this.#native.sendTrailers(repairTrailers(this, headers));
  }

  _write(chunk: unknown, encoding?: unknown, callback?: unknown): boolean {
    const done = (typeof encoding === "function" ? encoding : callback) as Callback;
    if (this.inert) {
      this.#late();
      if (done !== undefined) process.nextTick(done, null);
      return false;
    }
    const isContent = typeof chunk === "string" || chunk instanceof Uint8Array;
    if (this.#own || !isContent || this.#ended) return this.#native.write(chunk, encoding, callback) as boolean;
    const octets =
      typeof chunk === "string"
        ? Buffer.byteLength(chunk, typeof encoding === "string" ? (encoding as BufferEncoding) : "utf8")
        : (chunk as Uint8Array).byteLength;
    if (this.#expected >= 0 && this.#sent + octets > this.#expected && this.supervisor.enforces) {
      this.fail(longContent(this.#expected, this.#sent + octets));
      return false;
    }
    this.#sent += octets;
    if (this.settings.heartbeatMs !== false) this.#lastChunk = chunk;
    if (this.committed) {
      this.activeAt = performance.now();
      return this.#native.write(chunk, encoding, callback) as boolean;
    }
    this.#held.push({ chunk, encoding: typeof encoding === "string" ? encoding : undefined, callback: done });
    if (this.#sent >= this.settings.holdBackOctets) return this.#commit();
    return true;
  }

  _end(chunk?: unknown, encoding?: unknown, callback?: unknown): ServerHttp2Stream {
    if (this.inert) {
      const done = [chunk, encoding, callback].find((argument) => typeof argument === "function");
      if (done !== undefined) process.nextTick(done as () => void);
      return this.stream;
    }
    // Node ends a stream that the client has reset.
    if (this.#own || this.#ended || this.stream.closed || this.stream.destroyed) {
      this.#native.end(chunk, encoding, callback);
      return this.stream;
    }
    if (chunk !== undefined && chunk !== null && typeof chunk !== "function") this._write(chunk, encoding);
    if (this.inert) return this.stream;
    if (this.#expected >= 0 && this.#sent !== this.#expected && this.supervisor.enforces) {
      this.fail(shortContent(this.#expected, this.#sent));
      return this.stream;
    }
    this.#ended = true;
    if (!this.committed && this.#head !== null) this.#commit();
    this.committed = true;
    const done = [chunk, encoding, callback].find((argument) => typeof argument === "function");
    this.#native.end(...(done === undefined ? [] : [done]));
    return this.stream;
  }

  _destroy(error?: Error, callback?: unknown): unknown {
    const isWhole = !this.#own && !this.settled && this.supervisor.enforces && this.isOver();
    if (isWhole && !this.stream.writableFinished && !isGone(this.stream, error)) {
      this.stream.once("finish", () => this.#native.destroy());
      return this.stream;
    }
    if (this.#passes() || isGone(this.stream, error)) return this.#native.destroy(error, callback);
    if (!this.fail(prematureClose("stream.destroy", error))) return this.#native.destroy(error, callback);
    return this.stream;
  }

  _close(code?: number, callback?: unknown): void {
    if (this.#passes() || this.stream.destroyed || this.stream.closed) {
      this.#native.close(code, callback);
      return;
    }
    if (!this.fail(prematureClose("stream.close", undefined))) this.#native.close(code, callback);
  }

  #passes(): boolean {
    return this.#own || this.settled || this.inert || this.isOver();
  }

  #late(): void {
    this.late({ code: "LATE_WRITE", message: EVENTS.LATE_WRITE, prevented: null, status: this.status });
  }

  #commit(): boolean {
    const head = this.#head;
    if (head === null || this.committed) return true;
    try {
      this.#withOwn(() => this.#native.respond(head.fields, head.options));
    } catch (error) {
      // Node refuses some fields only now, where nobody but the guard can catch what it throws.
      this.#head = null;
      this.fail(handlerError(error));
      return false;
    }
    this.committed = true;
    this.status = Number(head.fields[":status"] ?? 200);
    this.supervisor.committed(this);
    let wantsMore = true;
    this.#withOwn(() => {
      for (const { chunk, encoding, callback } of this.#held)
        wantsMore = this.#native.write(chunk, encoding, callback) as boolean;
    });
    this.#held = [];
    return wantsMore;
  }

  #withOwn(act: () => void): void {
    this.#own = true;
    try {
      act();
    } finally {
      this.#own = false;
    }
  }

  release(): void {
    if (!this.inert && !this.committed && !this.settled && this.#head !== null && !this.stream.destroyed)
      this.#commit();
  }

  protected replace(page: Page): void {
    this.committed = true;
    this.status = page.status;
    this.#ended = true;
    const fields = fieldsOf(page);
    const isHead = this.request.method === "HEAD";
    this.#sent = isHead ? 0 : page.body.byteLength;
    for (const { callback } of this.#held) if (callback !== undefined) process.nextTick(callback, null);
    this.#held = [];
    this.#withOwn(() => {
      try {
        this.#native.respond(fields, { endStream: isHead });
        if (!isHead) this.#native.end(page.body);
        // Content nobody will read must not hold the stream open.
        this.stream.resume();
      } catch {
        this.#native.close(INTERNAL_ERROR);
      }
    });
  }

  protected tearDown(): void {
    this.#withOwn(() => this.#native.close(INTERNAL_ERROR));
  }

  abandon(): void {
    this.tearDown();
  }
}
