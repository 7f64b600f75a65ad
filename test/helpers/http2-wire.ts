import { once } from "node:events";
import http2, { type ClientHttp2Session, type ClientHttp2Stream, type OutgoingHttpHeaders } from "node:http2";
import { connect, type Socket } from "node:net";
import { Duplex } from "node:stream";
import tls from "node:tls";
import { Draft, type InterimResponse, type ParsedResponse } from "../../src/parser/response.js";
import type { Seen } from "./wire.js";

type Fields = (readonly [name: string, value: string])[];

/** One stream of the connection: what Node's session has made of its header sections, and its frames. */
class Stream {
  readonly method: string;
  /** Where every octet of its content has been sent. */
  readonly requested: boolean;
  status = 0;
  fields: Fields = [];
  trailers: Fields = [];
  readonly interim: InterimResponse[] = [];
  readonly data: Buffer[] = [];
  /** HEADERS frames, those whose header section Node has refused included. */
  sections = 0;
  ended = false;
  /** Code of an RST_STREAM of the server. */
  reset: number | null = null;
  /** Why the client itself has given it up. */
  refused: string | undefined;
  /** Nothing is to come of it: the client has reset it, or the server has said that it has not looked at it. */
  cancelled = false;

  constructor(method: string, requested: boolean) {
    this.method = method;
    this.requested = requested;
  }

  get over(): boolean {
    return this.ended || this.reset !== null;
  }

  /** What a strict recipient makes of it: RFC 9113, sections 5.4.2 and 8.1. */
  read(): ParsedResponse | undefined {
    if (this.sections === 0) return undefined;
    const read = new Draft(0);
    const problem = (code: string, message: string) => read.problems.push({ code, offset: 0, message });
    const content = Buffer.concat(this.data);
    Object.assign(read, { version: "2.0", framing: "none", closes: false, status: this.status, content });
    Object.assign(read, { fields: this.fields, trailers: this.trailers, end: content.length });
    read.interim.push(...this.interim);
    if (this.status === 0 && this.interim.length === 0)
      problem("bad-header-section", `the client refused it: ${this.refused}`);
    else if (this.status === 0 && this.ended) problem("no-final-response", "the stream ends with an interim response");
    const announced = read.field("content-length");
    const hasContent = this.method !== "HEAD" && this.status !== 304;
    if (!this.ended) {
      if (this.reset === http2.constants.NGHTTP2_NO_ERROR)
        problem("reset-without-error", "RST_STREAM says NO_ERROR before the end, which clients take for the end");
      else problem("incomplete-content", `no END_STREAM behind ${content.length} octets`);
    } else if (hasContent && announced !== undefined && announced !== String(content.length))
      problem("length-mismatch", `content-length ${announced}, and DATA frames of ${content.length} octets`);
    else if (!hasContent && content.length > 0) problem("content-not-allowed", `${content.length} octets`);
    if (this.ended && this.reset !== null && this.reset !== http2.constants.NGHTTP2_NO_ERROR && !this.requested)
      problem("reset-behind-answer", `RST_STREAM with ${this.reset} while the request is still sent`);
    read.complete = this.status >= 200 && this.ended && read.problems.length === 0;
    return read;
  }

  /** What of it the guard must leave as it is. */
  toString(): string {
    const fields = this.fields.map(([name, value]) => `${name}: ${value}\n`).join("");
    const interim = this.interim.map(({ status, fields }) => `${status} ${JSON.stringify(fields)}\n`).join("");
    const trailers = this.trailers.map(([name, value]) => `${name}: ${value}\n`).join("");
    const end = `${this.ended ? "END_STREAM" : ""}${this.ended || this.reset === null ? "" : `RST_STREAM ${this.reset}`}`;
    return `${interim}:status: ${this.status}\n${fields}\n${Buffer.concat(this.data).toString("latin1")}\n${trailers}${end}\n`;
  }
}

export type Http2Request = {
  method?: string;
  path?: string;
  headers?: Record<string, string>;
  /** Content; `null`: the request stays open. */
  body?: string | null;
};

/**
 * A client of one HTTP/2 connection. Node's own session writes requests and decodes header sections; the frames of the
 * server are read beside it, since they alone show how a stream ends.
 */
export class Http2Wire {
  readonly session: ClientHttp2Session;
  readonly socket: Socket;
  readonly streams: Stream[] = [];
  readonly #own: ClientHttp2Stream[] = [];
  readonly #wake = new Set<() => void>();
  #end: Seen["end"] = "open";
  #goaway = false;
  #rest: Buffer = Buffer.alloc(0);
  timeoutMs = 4000;

  private constructor(socket: Socket, secure: boolean) {
    this.socket = socket;
    const tap = new Duplex({
      read: () => void socket.resume(),
      write: (chunk, _encoding, callback) =>
        void (socket.destroyed ? callback() : socket.write(chunk, () => callback())),
      final: (callback) => void socket.end(callback),
      destroy: (error, callback) => {
        socket.destroy();
        callback(error);
      },
    });
    tap.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      this.#readFrames(chunk);
      if (!tap.push(chunk)) socket.pause();
      this.#wakeAll();
    });
    socket.on("end", () => {
      tap.push(null);
      this.#over("fin");
    });
    socket.on("error", () => this.#over("reset"));
    socket.on("close", (failed) => {
      this.#over(failed ? "reset" : "fin");
      tap.destroy();
    });
    // Field sections that are too large are for the judge to tell, and not for the client.
    this.session = http2.connect(`${secure ? "https" : "http"}://origin`, {
      createConnection: () => tap,
      maxHeaderListPairs: 4096,
      settings: { maxHeaderListSize: 2 ** 24, enablePush: false },
    });
    this.session.on("error", () => {});
  }

  static async open(port: number, secure: boolean): Promise<Http2Wire> {
    const to = { port, host: "127.0.0.1" };
    const socket = secure ? tls.connect({ ...to, ALPNProtocols: ["h2"], rejectUnauthorized: false }) : connect(to);
    await once(socket, secure ? "secureConnect" : "connect");
    // Else each opening of a window waits for the acknowledgement of the one before.
    return new Http2Wire(socket.setNoDelay(true), secure);
  }

  /** Whether it takes another request. */
  get reusable(): boolean {
    return this.#end === "open" && !this.#goaway && !this.session.closed && !this.session.destroyed;
  }

  /** Sends a request. @returns the number of its stream, counted from 0 */
  send({ method = "GET", path = "/", headers = {}, body = "" }: Http2Request = {}): number {
    const hasContent = body === null || body !== "";
    const stream = new Stream(method, body !== null);
    const pseudo: OutgoingHttpHeaders = { ":method": method, ":path": path };
    const length = body === null || body === "" ? {} : { "content-length": String(Buffer.byteLength(body)) };
    const own = this.session.request({ ...pseudo, ...length, ...headers }, { endStream: !hasContent });
    if (body !== null && body !== "") own.end(body);
    this.#own.push(own);
    // Node hands the field lines as they came along with the object, and documents it later than it does it.
    own.on("response", (section, _flags, ...raw: unknown[]) => {
      stream.status = Number(section[":status"]);
      stream.fields = fieldsOf(section, raw[0]);
      this.#wakeAll();
    });
    own.on("headers", (section, _flags, ...raw: unknown[]) => {
      stream.interim.push({ status: Number(section[":status"]), reason: "", fields: fieldsOf(section, raw[0]) });
    });
    own.on("trailers", (section, _flags, ...raw: unknown[]) => {
      stream.trailers = fieldsOf(section, raw[0]);
    });
    own.on("error", (error) => {
      stream.refused = error.message;
    });
    own.on("close", () => this.#wakeAll());
    own.resume();
    return this.streams.push(stream) - 1;
  }

  /** Sends octets of a request that stays open. */
  write(octets: string, at = 0): void {
    this.#own[at]?.write(octets);
  }

  /** Ends a request that was open. */
  finish(at = 0): void {
    this.#own[at]?.end();
  }

  /** Gives a stream up, as a client does that has no more use for it. */
  cancel(at = 0): void {
    this.#own[at]?.close(http2.constants.NGHTTP2_CANCEL);
    const stream = this.streams[at];
    if (stream !== undefined) stream.cancelled = true;
    this.#wakeAll();
  }

  destroy(): void {
    this.socket.destroy();
  }

  pause(at = 0): void {
    this.#own[at]?.pause();
  }

  resume(at = 0): void {
    this.#own[at]?.resume();
  }

  /** Waits until the first `count` streams are over, or for the end of what can come; `false` when time runs out. */
  answers(count: number, timeoutMs = this.timeoutMs): Promise<boolean> {
    const isOver = (stream: Stream, at: number) =>
      // Node tells of a header section a turn after its frame has been read.
      stream.cancelled ||
      stream.reset !== null ||
      (stream.ended && (this.#own[at]?.closed === true || stream.status !== 0));
    return this.#until(() => this.#end !== "open" || this.streams.slice(0, count).every(isOver), timeoutMs);
  }

  /** Waits until octets of content have been received on a stream. */
  received(octets: string, at = 0, timeoutMs = this.timeoutMs): Promise<boolean> {
    return this.#until(() => {
      const stream = this.streams[at];
      return this.#end !== "open" || (stream !== undefined && Buffer.concat(stream.data).includes(octets));
    }, timeoutMs);
  }

  /** What the first streams showed. */
  seen(count = this.streams.length): Seen {
    const streams = this.streams.slice(0, count);
    const responses = streams.map((stream) => stream.read()).filter((response) => response !== undefined);
    const last = streams.at(-1);
    const stillOpen = last === undefined || !last.over ? this.#end : "reset";
    const problems = responses.flatMap((response) => [...response.problems]);
    return {
      responses,
      problems: responses.length < count ? [...problems, unanswered(last, this.#end)] : problems,
      octets: Buffer.from(streams.join("\n"), "latin1"),
      end: last?.ended === true ? "open" : stillOpen,
      requests: count,
    };
  }

  async close(): Promise<void> {
    this.session.destroy();
    this.socket.destroy();
  }

  #over(how: Seen["end"]): void {
    if (this.#end === "open") this.#end = how;
    this.#wakeAll();
  }

  #wakeAll(): void {
    for (const wake of this.#wake) wake();
  }

  /** RFC 9113, section 4.1. */
  #readFrames(chunk: Buffer): void {
    let rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (rest.length >= 9) {
      const length = rest.readUIntBE(0, 3);
      if (rest.length < 9 + length) break;
      const [type, flags] = [rest[3] as number, rest[4] as number];
      const stream = this.streams[(rest.readUInt32BE(5) - 1) / 2];
      const payload = rest.subarray(9, 9 + length);
      rest = rest.subarray(9 + length);
      if (type === GOAWAY) {
        this.#goaway = true;
        // Streams beyond the last one that the server names are never answered.
        const last = payload.readUInt32BE(0) & 0x7fff_ffff;
        for (const [at, one] of this.streams.entries()) if (at * 2 + 1 > last) one.cancelled = true;
      }
      if (stream === undefined) continue;
      if (type === HEADERS) stream.sections++;
      if (type === DATA) {
        const isPadded = (flags & PADDED) !== 0;
        const content = isPadded ? payload.subarray(1, payload.length - (payload[0] as number)) : payload;
        stream.data.push(Buffer.from(content));
      }
      if ((type === DATA || type === HEADERS) && (flags & END_STREAM) !== 0) stream.ended = true;
      if (type === RST_STREAM) stream.reset ??= payload.readUInt32BE(0);
    }
    this.#rest = rest;
  }

  #until(done: () => boolean, timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const finish = (value: boolean) => {
        clearTimeout(timer);
        this.#wake.delete(check);
        resolve(value);
      };
      const timer = setTimeout(() => finish(false), timeoutMs);
      const check = () => {
        if (done()) setImmediate(finish, true);
      };
      this.#wake.add(check);
      check();
    });
  }
}

const [DATA, HEADERS, RST_STREAM, GOAWAY] = [0, 1, 3, 7];
const [END_STREAM, PADDED] = [0x1, 0x8];

function unanswered(stream: Stream | undefined, end: Seen["end"]): Seen["problems"][number] {
  const how = stream?.reset == null ? `connection ${end}` : `RST_STREAM ${stream.reset}`;
  return { code: "unanswered", offset: 0, message: `no header section: ${how}` };
}

/** Field lines in the order of the wire, where Node tells it. */
function fieldsOf(section: OutgoingHttpHeaders, raw: unknown): Fields {
  const lines: Fields = [];
  if (Array.isArray(raw))
    for (let at = 0; at < raw.length; at += 2) lines.push([raw[at] as string, raw[at + 1] as string]);
  else
    for (const [name, value] of Object.entries(section))
      for (const one of [value].flat()) lines.push([name, String(one)]);
  return lines.filter(([name]) => !name.startsWith(":"));
}
