import type { IncomingMessage } from "node:http";
import { Exchange, type Supervisor } from "../exchange.js";
import { type Page, renderHttp1 } from "../fallback/page.js";
import {
  EVENTS,
  type Failure,
  longContent,
  prematureClose,
  ruleBroken,
  shortContent,
  sourceFailed,
} from "../incidents.js";
import type { RouteSettings } from "../options.js";
import type { HeadersArgument } from "../validity/draft.js";
import type { FieldLine } from "../validity/head.js";
import { sortTrailers } from "../validity/trailers.js";
import type { GuardedConnection } from "./connection.js";
import { largestFields, parseLines, type RenderingContext, renderHeaderSection } from "./header-section.js";
import { checkInterim } from "./interim.js";
import { isFinishCallback, type NodeResponse, versionOf, type WriteCallback } from "./node-internals.js";
import { RawResponse } from "./raw-response.js";
import { awaitsContent } from "./request.js";
import type { NativeMethods } from "./response.js";
import { silence } from "./silence.js";

interface Piece {
  readonly data: string | Uint8Array;
  readonly encoding: BufferEncoding | null | undefined;
  readonly callback: WriteCallback;
  readonly byteLength: number | undefined;
}

/** An exchange over HTTP/1.x: what the methods in `response.ts` do to it. */
export class Http1Exchange extends Exchange implements RenderingContext {
  readonly request: IncomingMessage;
  readonly isHttp11: boolean;
  readonly response: NodeResponse;
  /** The methods the guard stands in front of, as they were before. */
  readonly native: NativeMethods;
  readonly connection: GuardedConnection;
  /** Next exchange on the same connection, in the order of the requests. */
  following: Http1Exchange | null = null;

  /** `end()` is on the stack. */
  ending = false;
  /** Node has emitted `finish`, and will detach the socket. */
  finishing = false;
  /** Octets on their way to the socket are Node's own, or the guard's. */
  passing = false;
  /** `end()` is called for its bookkeeping alone: nothing it writes goes out. */
  #capturing = false;
  #finish: WriteCallback = null;
  #doom: Failure | null = null;
  #held: Piece[] | null = null;
  #heldOctets = 0;
  /** Content-Length a recipient will go by; -1 where the framing is another. */
  #expected = -1;
  #sent = 0;
  /** The app has ended its response before all of the announced content. */
  #isShort = false;
  #lost: readonly FieldLine[] | null = null;
  #status = 0;
  #commitsSoon = false;
  #completes = false;
  /** A hand-written response without framing goes straight out. */
  #streamsRaw = false;
  #interims = 0;
  #flooded = false;
  /** The app has taken the socket away from Node (`detachSocket`). */
  #detached = false;
  /** Part of the response was out when that happened. */
  #wasOut = false;
  /** Source of a `pipe()` into this response that failed after the header section was decided. */
  sourceError: { readonly error: unknown } | undefined = undefined;
  /** A readable is being piped into this response. */
  piped = false;
  raw: RawResponse | null = null;
  /** Set by an adapter that knows better than the app what is about to go wrong. */
  veto: (() => Failure | null) | undefined = undefined;

  constructor(
    supervisor: Supervisor,
    settings: RouteSettings,
    request: IncomingMessage,
    response: NodeResponse,
    native: NativeMethods,
    connection: GuardedConnection,
  ) {
    super(supervisor, settings);
    this.request = request;
    this.isHttp11 = request.httpVersionMinor === 1 && request.httpVersionMajor === 1;
    this.response = response;
    this.native = native;
    this.connection = connection;
  }

  get status(): number {
    return this.committed ? this.#status : 0;
  }

  get octets(): number {
    return this.#sent;
  }

  isOut(): boolean {
    if (!this.committed) return false;
    // A pipelined response waits for its turn in a queue of its own; until then it can still be taken back.
    const { response } = this;
    if (this.#detached) return this.#wasOut;
    return response.outputData.length === 0 || response.socket !== null;
  }

  isOver(): boolean {
    return this.committed && this.response.finished && !this.ending && !this.#isShort && !this.#detached;
  }

  movement(): number {
    return this.connection.movement();
  }

  backlog(): number {
    return this.connection.socket.writableLength;
  }

  lostFields(): readonly FieldLine[] {
    if (this.#lost !== null) return this.#lost;
    const rendered = this.response._header;
    if (typeof rendered === "string") return parseLines(rendered);
    const lines: FieldLine[] = [];
    for (const [name, value] of Object.entries(this.response.getHeaders())) {
      for (const item of Array.isArray(value) ? value : [value]) {
        if (typeof item === "string" || typeof item === "number") lines.push([name, String(item)]);
      }
    }
    return lines;
  }

  // -- header section ------------------------------------------------------------------------------------------

  /** Stands in front of `_storeHeader`, which renders the header section. */
  storeHeader(firstLine: string, headers: HeadersArgument): void {
    const { response } = this;
    if (this.#capturing || this.inert) {
      response._header ??= firstLine;
      return;
    }
    const veto = this.veto?.() ?? null;
    if (veto !== null && this.supervisor.enforces) {
      response._header = firstLine;
      this.#doomed(veto);
      return;
    }
    const { statusCode } = response;
    // Node would close without a word.
    if (
      response._removedConnection &&
      (!response.shouldKeepAlive || versionOf(this.request) === "1.0") &&
      this.supervisor.enforces
    )
      response._removedConnection = false;
    if (
      !response._hasBody &&
      this.request.method !== "HEAD" &&
      statusCode >= 200 &&
      statusCode !== 204 &&
      statusCode !== 304
    ) {
      // A `writeHead(204)` that threw half-way has left this behind: the answer in its place has content.
      response._hasBody = true;
    }
    const { repairs, doom, lost } = renderHeaderSection(this, firstLine, headers);
    if (doom !== null) {
      this.#lost = lost;
      this.#doomed(doom);
      return;
    }
    for (const repair of repairs) {
      if (this.supervisor.enforces) this.repaired(repair);
      else this.supervisor.report(this, repair, "reported");
    }
    this.#rendered();
  }

  /** The header section is rendered, but still ours. */
  #rendered(): void {
    const { response, settings, supervisor } = this;
    const rendered = response._header as string;
    this.#status = response.statusCode;
    if (rendered.length > settings.maxHeaderSectionOctets / 4) {
      const fields = largestFields(rendered);
      if (rendered.length > settings.maxHeaderSectionOctets) {
        const failure = ruleBroken(
          "HF-18",
          `The header section has ${rendered.length} octets, and the edge takes ${settings.maxHeaderSectionOctets}; largest: ${fields}.`,
        );
        if (supervisor.enforces) return this.#doomed(failure);
        supervisor.report(this, failure, "reported");
      } else supervisor.largeHeaderSection(rendered.length, fields);
    }
    // Node announces the close of a connection that has had its number of requests, and then keeps it (CX-1).
    if (response.maxRequestsOnConnectionReached && supervisor.enforces) response._last = true;
    if (response._hasBody && !response.chunkedEncoding && typeof response._contentLength === "number") {
      this.#expected = response._contentLength;
    }
    supervisor.rendered?.(this, rendered);
  }

  /** The app's response cannot be saved; answers as soon as no method of it is on the stack. */
  #doomed(failure: Failure): void {
    this.#doom = failure;
    if (!this.ending) process.nextTick(() => this.#meetDoom());
  }

  #meetDoom(): void {
    const doom = this.#doom;
    if (doom === null) return;
    this.#doom = null;
    super.fail(doom);
  }

  override fail(failure: Failure): boolean {
    if (this.ending && !this.inert && this.supervisor.enforces) {
      this.#doom ??= failure;
      return true;
    }
    if (this.#isWhole()) {
      // The recipient has all that was announced: only the end is missing.
      if (!this.#completes) {
        this.#completes = true;
        this.repaired(failure);
        process.nextTick(() => {
          if (!this.settled && !this.response.finished) this.response.end();
        });
      }
      return true;
    }
    // What came first is the cause; what fails now is most often its consequence.
    const doom = this.#doom;
    this.#doom = null;
    return super.fail(doom === null ? failure : { ...failure, code: doom.code, message: doom.message });
  }

  /** Every octet that the header section announced is out, and the app has not ended its response. */
  #isWhole(): boolean {
    const { response } = this;
    if (
      !this.committed ||
      this.inert ||
      this.settled ||
      response.finished ||
      this.#detached ||
      this.#isShort ||
      this.#streamsRaw
    )
      return false;
    if (!this.supervisor.enforces || !this.isOut()) return false;
    return !response._hasBody || (this.#expected >= 0 && this.#sent === this.#expected);
  }

  // -- content -------------------------------------------------------------------------------------------------

  /** Stands in front of `_send`, which every octet of content and every chunk frame passes. */
  send(
    data: string | Uint8Array,
    encoding: BufferEncoding | null | undefined,
    callback: WriteCallback,
    byteLength: number | undefined,
  ): boolean {
    if (this.inert || this.#capturing || this.#doom !== null) return this.#swallow(callback);
    const octets =
      typeof data === "string"
        ? data.length === 0
          ? 0
          : (byteLength ?? Buffer.byteLength(data, encoding ?? "utf8"))
        : data.byteLength;
    if (this.#expected >= 0 && this.#sent + octets > this.#expected && this.supervisor.enforces) {
      this.fail(longContent(this.#expected, this.#sent + octets));
      return this.#swallow(callback);
    }
    if (!this.committed) {
      // The usual answer: one `end()` with everything. It is complete, so there is nothing to wait for.
      const whole = this.ending && this.#held === null && (this.#expected < 0 || octets === this.#expected);
      const flushed = data === "" && callback === undefined;
      if (!whole && !flushed && !this.#commitsAtOnce()) return this.#hold(data, encoding, callback, byteLength, octets);
      if (flushed && !this.ending && this.supervisor.enforces) {
        this.#held ??= [];
        this.#held.push({ data, encoding, callback, byteLength });
        return this.#commitSoon();
      }
      this.#commit();
    }
    this.#sent += octets;
    if (!this.ending) this.activeAt = performance.now();
    return this.#pass(data, encoding, callback, byteLength);
  }

  #pass(
    data: string | Uint8Array,
    encoding: BufferEncoding | null | undefined,
    callback: WriteCallback,
    byteLength: number | undefined,
  ): boolean {
    const was = this.passing;
    this.passing = true;
    try {
      return this.native._send.call(this.response, data, encoding, callback, byteLength);
    } finally {
      this.passing = was;
    }
  }

  /** Asked only where content comes in pieces. */
  #commitsAtOnce(): boolean {
    if (this.#held !== null) return false;
    const { response, settings, supervisor } = this;
    if (settings.holdBackOctets === 0 || !supervisor.enforces || response.statusCode === 101) return true;
    return EVENT_STREAM.test(response._header ?? "");
  }

  #hold(
    data: string | Uint8Array,
    encoding: BufferEncoding | null | undefined,
    callback: WriteCallback,
    byteLength: number | undefined,
    octets: number,
  ): boolean {
    if (this.#held === null) {
      this.#held = [];
      if (!this.ending) this.supervisor.holdBack(this);
    }
    this.#held.push({ data, encoding, callback, byteLength });
    this.#sent += octets;
    this.#heldOctets += octets;
    if (this.#heldOctets < this.settings.holdBackOctets || this.ending) return true;
    return this.#commitSoon();
  }

  /** Node keeps what is written in one tick in a corked socket anyway: until then a failure can still be replaced. */
  #commitSoon(): boolean {
    if (this.#commitsSoon) return true;
    this.#commitsSoon = true;
    process.nextTick(() => {
      this.#commitsSoon = false;
      if (!this.committed && !this.inert && !this.settled && this.#doom === null && this.#held !== null) {
        this.#commit();
      }
    });
    return true;
  }

  /** Lets what is held go, header section first. */
  #commit(): boolean {
    this.committed = true;
    if (this.raw !== null) this.#dropRaw();
    const held = this.#held;
    this.#held = null;
    if (!this.ending) this.supervisor.committed(this);
    if (held === null) return true;
    const { socket } = this.response;
    let wantsMore = true;
    socket?.cork();
    for (const { data, encoding, callback, byteLength } of held)
      wantsMore = this.#pass(data, encoding, callback, byteLength);
    socket?.uncork();
    return wantsMore;
  }

  release(): void {
    if (this.committed || this.inert || this.settled || this.#doom !== null) return;
    // The app will uncork when it is done; committing before would commit to nothing.
    if (this.response.writableCorked > 0) this.supervisor.holdBack(this);
    else if (this.#held !== null) this.#commit();
    else if (this.raw !== null) this.#releaseRaw();
  }

  #swallow(callback: WriteCallback): boolean {
    if (isFinishCallback(callback)) this.#finish = callback;
    else if (typeof callback === "function") process.nextTick(callback, null);
    return true;
  }

  /** `end()` is about to run: the last moment to look at the trailer section. */
  ends(): void {
    this.ending = true;
    const { response } = this;
    if (this.sourceError !== undefined) this.fail(sourceFailed(this.sourceError.error));
    if (response._trailer === "") return;
    const { kept, dropped } = sortTrailers(response._trailer);
    if (dropped.length === 0) return;
    const failure = ruleBroken("TR-2", `The app sent ${dropped.join(", ")} as a trailer.`);
    if (!this.supervisor.enforces) return this.supervisor.report(this, failure, "reported");
    response._trailer = kept;
    this.repaired(failure);
  }

  /** `end()` has returned. */
  ended(): void {
    this.ending = false;
    if (this.#doom !== null) {
      this.#meetDoom();
    } else if (this.#sent !== this.#expected && this.#expected >= 0 && this.response._hasBody) {
      if (this.supervisor.enforces) this.#short();
      else {
        const differs = this.#sent > this.#expected ? longContent : shortContent;
        this.supervisor.report(this, differs(this.#expected, this.#sent), "reported");
      }
    } else {
      if (!this.committed && !this.inert) this.#commit();
      if (this.#detached && !this.inert) this.#sendDetached();
    }
  }

  /** Without its socket, Node keeps a response queued for ever. */
  #sendDetached(): void {
    const { response, connection } = this;
    const pieces = response.outputData.map(({ data, encoding }) =>
      typeof data === "string" ? Buffer.from(data, (encoding ?? "utf8") as BufferEncoding) : data,
    );
    response.outputData = [];
    this.inert = true;
    connection.finishDetached(this, announcingClose(Buffer.concat(pieces)));
    silence(this);
  }

  #short(): void {
    this.#isShort = true;
    super.fail(shortContent(this.#expected, this.#sent));
  }

  /** `end()` threw: nothing of it went out. */
  endThrew(): void {
    this.ending = false;
    // The length of content that never went out must not frame the content that will.
    if (this.response._header === null) this.response._contentLength = null;
    if (this.committed && !this.inert && this.#sent === this.#expected) {
      // `strictContentLength` throws when everything is with the socket already, and leaves the response without its end.
      this.response.strictContentLength = false;
      this.native.end.call(this.response);
    }
    if (this.#doom !== null) process.nextTick(() => this.#meetDoom());
  }

  // -- interim responses and hand-written octets ------------------------------------------------------------------

  /** Stands in front of `_writeRaw` for what does not come from `_send`: interim responses. */
  interim(data: string | Uint8Array, encoding: BufferEncoding | null | undefined, callback: WriteCallback): boolean {
    // Before its turn Node would put the header section in front of it, and the interim response into the content.
    if (this.inert || (this.response.socket === null && this.supervisor.enforces)) return this.#swallow(callback);
    const verdict = checkInterim(String(data), {
      version: versionOf(this.request),
      afterFinal: this.response._header !== null,
      before: this.#interims,
      most: this.supervisor.settings.edge.maxInterimResponses,
    });
    if (verdict !== null && !this.supervisor.enforces) {
      this.supervisor.report(this, ruleBroken(verdict.rule, verdict.found), "reported");
    } else if (verdict !== null) {
      // A flood is one incident, however long it is.
      if (verdict.rule !== "IR-6" || !this.#flooded) this.repaired(ruleBroken(verdict.rule, verdict.found));
      this.#flooded ||= verdict.rule === "IR-6";
      if (verdict.octets === null) {
        if (typeof callback === "function") process.nextTick(callback);
        return true;
      }
      data = verdict.octets;
    }
    this.#interims++;
    const was = this.passing;
    this.passing = true;
    try {
      return this.native._writeRaw.call(this.response, data, encoding, callback);
    } finally {
      this.passing = was;
    }
  }

  /** The app writes to the socket itself. @param last - it ends the connection with these octets */
  socketWrite(octets: Buffer, last: boolean): void {
    if (this.inert || this.committed) {
      this.late({ code: "RAW_WRITE", message: EVENTS.RAW_WRITE, prevented: 520, status: 500 });
      return;
    }
    if (this.raw === null) {
      this.raw = new RawResponse(this.request.method ?? "", versionOf(this.request) === "1.0" ? "1.0" : "1.1");
      this.supervisor.holdBack(this);
    }
    this.raw.add(octets);
    const answer = this.raw.answer(last ? "fin" : "open", last || !this.#canPersist());
    if (answer !== null) this.#adopt(answer.octets, answer.status, answer.closes);
  }

  /** The app ends or destroys the connection. @returns true where the guard takes over */
  closing(how: string, error: unknown): boolean {
    if (this.settled) return false;
    if (!this.supervisor.enforces) {
      if (!this.isOver()) this.fail(prematureClose(how, error));
      return false;
    }
    if (this.inert || this.isOver()) {
      if (this.outcome === "torn down") return false;
      // A complete response that promised a persistent connection: closing it would cost the next request its answer.
      if (!how.startsWith("socket.") || (this.connection.culprit === this && !awaitsContent(this.request))) return true;
      // Complete, but perhaps not flushed: Node closes the connection once it is.
      this.response._last = true;
      this.connection.closeAfter(this);
      return true;
    }
    const answer = this.raw?.answer("fin") ?? null;
    if (answer !== null && !this.committed) {
      this.#adopt(answer.octets, answer.status, true);
      return true;
    }
    if (this.raw !== null && !this.committed) {
      return this.fail({
        code: "RAW_WRITE",
        message: EVENTS.RAW_WRITE,
        prevented: 520,
        status: 500,
        err: error,
        closes: true,
      });
    }
    return this.fail(prematureClose(how, error));
  }

  #releaseRaw(): void {
    const stream = this.raw?.stream() ?? null;
    if (stream === null) return;
    // A hand-written stream without framing of its own ends with the connection; from here on it goes as it comes.
    this.committed = true;
    this.response._last = true;
    this.supervisor.committed(this);
    this.#streamsRaw = true;
    this.#status = stream.status;
    this.connection.passThrough(this, stream.octets);
  }

  #dropRaw(): void {
    this.raw = null;
    this.repaired({ code: "RAW_WRITE", message: EVENTS.RAW_WRITE, prevented: 520, status: 500 });
  }

  /** A hand-written response that is complete and valid takes the place of one through the response object. */
  #adopt(octets: Buffer, status: number, closes: boolean): void {
    this.raw = null;
    this.inert = true;
    this.#status = this.response.statusCode = status;
    this.#write(octets, octets.toString("latin1", 0, octets.indexOf("\r\n\r\n") + 4), closes);
  }

  // -- remedies --------------------------------------------------------------------------------------------------

  protected replace(page: Page, failure: Failure): void {
    const { request, response } = this;
    const closes = failure.closes === true || !this.#canPersist();
    const { head, octets } = renderHttp1(page, request.method ?? "", closes);
    this.#status = response.statusCode = page.status;
    response.statusMessage = page.reason;
    this.#sent = request.method === "HEAD" ? 0 : page.body.byteLength;
    this.#write(octets, head, closes);
  }

  /** Whether another request can follow on this connection once this one is answered. */
  #canPersist(): boolean {
    const { request, response } = this;
    if (versionOf(request) !== "1.1" || response._last || this.#detached) return false;
    if (/(?:^|[\s,])close(?:$|[\s,])/i.test(request.headers.connection ?? "")) return false;
    if (response.maxRequestsOnConnectionReached) return false;
    // Content that is still to come, and that nobody will read, would be taken for the next request.
    const hasContent =
      request.headers["transfer-encoding"] !== undefined || Number(request.headers["content-length"] ?? 0) > 0;
    return (request.complete || !hasContent) && !this.connection.broken;
  }

  /** Writes a whole message in the place of whatever the app had in mind, and settles Node's own bookkeeping. */
  #write(octets: Buffer, head: string, closes: boolean): void {
    const { response, native } = this;
    const dropped = this.#held;
    this.#held = null;
    this.committed = true;
    if (this.#detached) {
      this.connection.finishDetached(this, octets);
      silence(this);
      return;
    }
    const queued = response.outputData;
    if (queued.length > 0) {
      // Waiting for its turn: take back what was queued.
      response.outputData = [];
      response._onPendingData(-response.outputSize);
      response.outputSize = 0;
    }
    const finish = this.#takeFinish(dropped, queued);
    response.shouldKeepAlive = !closes;
    response._last = closes;
    response._header = head;
    response._headerSent = true;
    silence(this);
    this.passing = true;
    native._writeRaw.call(response, octets, null, finish);
    this.passing = false;
    const { socket } = response;
    // A method that threw may have left the socket corked for good.
    if (socket !== null) for (let n = socket.writableCorked; n > 0; n--) socket.uncork();
    if (dropped !== null)
      for (const { callback } of dropped)
        if (typeof callback === "function" && !isFinishCallback(callback)) process.nextTick(callback, null);
    if (closes) this.connection.closeAfter(this);
  }

  /**
   * The callback that `end()` hangs on its last octet: it emits `finish`, after which Node turns to the next request.
   * Where the app never ended its response, `end()` is run for it alone, with nothing going out.
   */
  #takeFinish(dropped: readonly Piece[] | null, queued: readonly { callback: unknown }[]): WriteCallback {
    const { response, native } = this;
    for (const { callback } of [...(dropped ?? []), ...queued])
      if (isFinishCallback(callback)) this.#finish = callback as WriteCallback;
    if (this.#finish === null) {
      response.finished = false; // an app may have set it without ending anything
      this.#capturing = true;
      response.strictContentLength = false;
      response.destroyed = false;
      response._header ??= "HTTP/1.1 500\r\n\r\n";
      response._headerSent = false;
      try {
        native.end.call(response);
      } catch {
        // Without the callback Node never turns to the next request: the connection is closed instead.
        this.connection.socket.once("finish", () => this.connection.abort(false));
      }
      this.#capturing = false;
    }
    return this.#finish;
  }

  protected tearDown(): void {
    const { response } = this;
    // Without length or chunks an orderly close would be the end of the content (RFC 9112, section 8).
    const endsWithConnection =
      this.#streamsRaw ||
      (response._hasBody && !response.chunkedEncoding && !/\r\ncontent-length:/i.test(response._header ?? ""));
    silence(this);
    this.connection.abort(endsWithConnection);
  }

  abandon(): void {
    // Behind a pipelined request that takes longer: not the recipient's fault.
    if (this.response.socket === null && !this.#detached) {
      this.supervisor.watch(this);
      return;
    }
    this.connection.abort(false);
    // Where Node does not emit `close`, nobody else would tell.
    setImmediate(() => this.settle(false));
  }

  /** `close` has been emitted on the response, by Node or by an app. */
  closed(): void {
    if (!this.settled && this.connection.socket.destroyed) this.connection.closed();
  }

  /** Node detaches the socket when the response has been flushed; an app that does it takes the connection over. */
  detached(): void {
    if (this.response.finished) {
      this.connection.remove(this);
      this.settle(true);
    } else {
      this.#wasOut = this.isOut();
      this.#detached = true;
      this.connection.detached = this;
      // Node would hand the socket to the next request, and with it the rest of this response.
      this.connection.lingering = true;
      this.connection.socket.once("close", () => this.connection.closed());
    }
  }
}

/** A rendered message whose connection will not be kept after all. */
function announcingClose(octets: Buffer): Buffer {
  const end = octets.indexOf("\r\n\r\n") + 2;
  const head = octets.toString("latin1", 0, end);
  const closing = head.replace(
    /\r\nConnection: keep-alive(?:\r\nKeep-Alive: [^\r]*)?\r\n/i,
    "\r\nConnection: close\r\n",
  );
  return Buffer.concat([Buffer.from(closing, "latin1"), octets.subarray(end)]);
}

const EVENT_STREAM = /\r\ncontent-type: ?text\/event-stream/i;
