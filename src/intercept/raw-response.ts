import type { ResponseEnd } from "../testing/octet-stream.js";
import { parseResponse } from "../testing/parse-response.js";

/** Largest hand-written response that is kept back for judgement, in octets. */
const LIMIT = 1_048_576;

export interface RawAnswer {
  readonly octets: Buffer;
  readonly status: number;
  readonly closes: boolean;
}

/** Collects what an app writes to the socket by hand, and tells whether that is a complete valid response. */
export class RawResponse {
  readonly #method: string;
  readonly #version: "1.0" | "1.1";
  #pieces: Buffer[] = [];
  #octets = 0;

  constructor(method: string, version: "1.0" | "1.1") {
    this.#method = method;
    this.#version = version;
  }

  add(octets: Buffer): void {
    if (this.#octets > LIMIT) return;
    // The app may reuse its buffer as soon as its write is acknowledged, which is before we send.
    this.#pieces.push(Buffer.from(octets));
    this.#octets += octets.byteLength;
  }

  get octets(): Buffer {
    if (this.#pieces.length !== 1) this.#pieces = [Buffer.concat(this.#pieces)];
    return this.#pieces[0] as Buffer;
  }

  /**
   * A complete, valid response, with Date and framing added where the app left them out; `null` while there is none.
   * @param end - "fin" once the app has ended the connection
   * @param mustClose - the connection cannot be used after it in any case
   */
  answer(end: ResponseEnd, mustClose = end !== "open"): RawAnswer | null {
    if (this.#octets === 0 || this.#octets > LIMIT) return null;
    const parsed = parseResponse(this.octets, { method: this.#method, end, requestVersion: this.#version });
    if (parsed === null || !parsed.complete || parsed.status < 200) return null;
    if (parsed.problems.some((problem) => problem.rule !== "MD-1" && problem.rule !== "FR-16")) return null;
    let added = "";
    if (parsed.field("date") === undefined) added += `Date: ${new Date().toUTCString()}\r\n`;
    if (parsed.framing === "close") added += `Content-Length: ${parsed.content.byteLength}\r\n`;
    const closes = parsed.closes || mustClose;
    if (closes && parsed.field("connection") === undefined) added += "Connection: close\r\n";
    return { octets: withFields(this.octets, added), status: parsed.status, closes };
  }

  /** A response that has begun well and ends with the connection: a stream; `null` where this is none. */
  stream(): RawAnswer | null {
    const { octets } = this;
    const end = octets.indexOf("\r\n\r\n");
    if (end === -1) return null;
    const parsed = parseResponse(octets, { method: this.#method, end: "fin", requestVersion: this.#version });
    if (parsed === null || parsed.framing !== "close" || parsed.status < 200) return null;
    if (parsed.problems.some((problem) => problem.rule !== "MD-1" && problem.rule !== "FR-16")) return null;
    let added = parsed.field("date") === undefined ? `Date: ${new Date().toUTCString()}\r\n` : "";
    if (parsed.field("connection") === undefined) added += "Connection: close\r\n";
    return { octets: withFields(octets, added), status: parsed.status, closes: true };
  }

  /** The header section of a response that hands the connection over to another protocol (101, or 2xx to CONNECT). */
  handover(): number | null {
    const { octets } = this;
    if (octets.indexOf("\r\n\r\n") === -1) return null;
    const line = /^HTTP\/1\.[01] ([0-9]{3})(?: |\r)/.exec(octets.toString("latin1", 0, 16));
    if (line === null) return null;
    const status = Number(line[1]);
    return status === 101 || (this.#method === "CONNECT" && status >= 200 && status < 300) ? status : null;
  }
}

function withFields(octets: Buffer, lines: string): Buffer {
  if (lines === "") return octets;
  const end = octets.indexOf("\r\n\r\n") + 2;
  return Buffer.concat([octets.subarray(0, end), Buffer.from(lines, "latin1"), octets.subarray(end)]);
}
