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
import { EVENTS, type Failure, longContent, prematureClose, ruleBroken, shortContent } from "../incidents.js";
import type { RouteSettings } from "../options.js";
import type { Draft } from "../validity/draft.js";
import { readFields } from "../validity/draft.js";
import { judge } from "../validity/guarded/index.js";
import type { FieldLine } from "../validity/head.js";
import { sortTrailers } from "../validity/trailers.js";
import { checkInterim } from "./interim.js";

type Callback = ((error?: Error | null) => void) | undefined;
type Fields = Record<string, unknown>;
type Method = (...args: unknown[]) => unknown;

const METHODS = [
  "respond",
  "sendTrailers",
  "respondWithFD",
  "respondWithFile",
  "additionalHeaders",
  "write",
  "end",
  "destroy",
  "close",
] as const;

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
  readonly #native = {} as Record<(typeof METHODS)[number], Method>;
  #head: { fields: Fields; options: object | undefined } | null = null;
  #held: { chunk: unknown; encoding: unknown; callback: Callback }[] = [];
  #sent = 0;
  #expected = -1;
  #ended = false;
  #own = false;
  #interims = 0;
  status = 0;
  readonly gatewayStatus: "remap" | "keep";

  constructor(
    supervisor: Supervisor,
    settings: RouteSettings,
    request: Http2ServerRequest,
    response: Http2ServerResponse,
    gatewayStatus: "remap" | "keep",
  ) {
    super(supervisor, settings);
    this.request = request as unknown as IncomingMessage;
    this.response = response;
    this.stream = response.stream;
    this.gatewayStatus = gatewayStatus;
    const stream = this.stream as unknown as Record<string, unknown>;
    for (const name of METHODS) {
      this.#native[name] = (stream[name] as Method).bind(this.stream);
      const standIn = this[`_${name}`].bind(this) as Method;
      Object.defineProperty(stream, name, { value: standIn, configurable: true, writable: true, enumerable: false });
    }
    // The header section counts as sent as soon as the app has decided it, as it would without the guard.
    const sent =
      Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Object.getPrototypeOf(this.stream)), "headersSent") ??
      Object.getOwnPropertyDescriptor(Object.getPrototypeOf(this.stream), "headersSent");
    Object.defineProperty(stream, "headersSent", {
      configurable: true,
      // Node asks as well, before it sends what the guard hands on.
      get: () => (!this.#own && (this.#head !== null || this.inert)) || (sent?.get?.call(this.stream) as boolean),
    });
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
    return Object.entries(this.#head?.fields ?? {}).flatMap(([name, value]) =>
      name.startsWith(":")
        ? []
        : (Array.isArray(value) ? value : [value]).map((item): FieldLine => [name, String(item)]),
    );
  }

  // -- in front of the stream's methods -----------------------------------------------------------------------------

  _respond(headers: OutgoingHttpHeaders = {}, options?: { endStream?: boolean; sendDate?: boolean }): void {
    if (this.inert) return this.#late();
    if (this.#own || this.committed || this.#head !== null) {
      this.#native.respond(headers, options);
      return;
    }
    const fields: Fields = { ...headers };
    const verdict = this.#judge(fields, options?.endStream === true, options?.sendDate !== false);
    if (verdict !== null) {
      this.#head = { fields, options };
      this.fail(verdict);
      return;
    }
    this.#head = { fields, options };
    this.#expected = this.#hasContent(fields) ? lengthOf(fields["content-length"]) : -1;
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
    const lines = Object.entries(headers).filter(([name]) => !name.startsWith(":"));
    const rendered = `HTTP/1.1 ${Number(headers[":status"])} \r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`;
    const verdict = checkInterim(rendered, {
      version: "2.0",
      afterFinal: this.#head !== null,
      before: this.#interims,
      most: 5,
    });
    if (verdict !== null) {
      this.repaired(ruleBroken(verdict.rule, verdict.found));
      if (verdict.octets === null) return;
      delete headers["content-length"];
      delete headers["transfer-encoding"];
    }
    this.#interims++;
    this.#native.additionalHeaders(headers);
  }

  _sendTrailers(headers: OutgoingHttpHeaders): void {
    if (this.inert || !this.supervisor.enforces) {
      // The fallback has no trailers; a stream that waits for some must still be ended.
      this.#native.sendTrailers(this.inert ? {} : headers);
      return;
    }
    const kept: OutgoingHttpHeaders = {};
    const dropped: string[] = [];
    for (const [name, value] of Object.entries(headers)) {
      if (sortTrailers(`${name}: ${String(value)}\r\n`).dropped.length === 0) kept[name] = value;
      else dropped.push(name);
    }
    if (dropped.length > 0) this.repaired(ruleBroken("TR-2", `The app sent ${dropped.join(", ")} as a trailer.`));
    this.#native.sendTrailers(kept);
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
    if (isWhole && !this.stream.writableFinished && !this.#isGone(error)) {
      this.stream.once("finish", () => this.#native.destroy());
      return this.stream;
    }
    if (this.#passes() || this.#isGone(error)) return this.#native.destroy(error, callback);
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

  #isGone(error: unknown): boolean {
    const { stream } = this;
    if (stream.destroyed || stream.closed || stream.aborted || stream.session === undefined || stream.session.destroyed)
      return true;
    return (
      error !== null &&
      typeof error === "object" &&
      /internal\/http2\/core/.test(new Error().stack?.split("\n")[3] ?? "")
    );
  }

  #late(): void {
    this.late({ code: "LATE_WRITE", message: EVENTS.LATE_WRITE, prevented: null, status: this.status });
  }

  #hasContent(fields: Fields): boolean {
    const status = Number(fields[":status"] ?? 200);
    return this.request.method !== "HEAD" && status !== 204 && status !== 304;
  }

  /** Runs the rules over the header section; repairs are made in `fields`. */
  #judge(fields: Fields, endsHere: boolean, addsDate: boolean): Failure | null {
    const status = Number(fields[":status"] ?? 200);
    const draft: Draft = {
      method: this.request.method ?? "",
      version: "2.0",
      requestCloses: false,
      upgradeOffered: undefined,
      contentOctets: endsHere ? 0 : null,
      framingRemoved: false,
      addsDate: addsDate || fields.date !== undefined,
      gatewayStatus: this.gatewayStatus,
      maxFieldLines: this.settings.maxFieldLines,
      status,
      reason: "",
      fields: readFields(Object.fromEntries(Object.entries(fields).filter(([name]) => !name.startsWith(":"))), false),
      content: true,
      needsDate: false,
      needsFraming: false,
    };
    const { repairs, replace } = judge(draft);
    const octets = draft.fields.reduce((sum, { name, value }) => sum + name.length + String(value).length + 32, 0);
    if (!this.supervisor.enforces) {
      for (const { rule, found } of repairs) this.supervisor.report(this, ruleBroken(rule, found), "reported");
      return null;
    }
    if (replace !== null) return ruleBroken(replace.rule, replace.found);
    if (octets > this.settings.maxHeaderSectionOctets)
      return ruleBroken(
        "HF-18",
        `The header section has ${octets} octets, and the edge takes ${this.settings.maxHeaderSectionOctets}.`,
      );
    if (repairs.length === 0) return null;
    for (const name of Object.keys(fields)) if (!name.startsWith(":")) delete fields[name];
    for (const { name, value } of draft.fields) fields[name.toLowerCase()] = value;
    if (draft.needsDate) fields.date = new Date().toUTCString();
    fields[":status"] = draft.status;
    for (const { rule, found } of repairs) this.repaired({ ...ruleBroken(rule, found), message: found });
    return null;
  }

  #commit(): boolean {
    const head = this.#head;
    if (head === null || this.committed) return true;
    this.committed = true;
    this.status = Number(head.fields[":status"] ?? 200);
    this.supervisor.committed(this);
    let wantsMore = true;
    this.#withOwn(() => {
      this.#native.respond(head.fields, head.options);
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
    const fields: Record<string, string | number | string[]> = { ":status": page.status };
    for (const [name, value] of page.fields) {
      const key = name.toLowerCase();
      const before = fields[key];
      fields[key] = before === undefined ? value : [...(Array.isArray(before) ? before : [String(before)]), value];
    }
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

function lengthOf(value: unknown): number {
  const length = Number(value ?? Number.NaN);
  return Number.isSafeInteger(length) && length >= 0 ? length : -1;
}
