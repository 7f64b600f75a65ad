import { isHttpDate } from "../http/date.js";
import { SINGLE_VALUED_IN_HTTP } from "../http/fields.js";
import { endOfSection, readStatus } from "../http/message.js";
import type { ResponseEnd } from "../parser/octet-stream.js";
import { parseResponse } from "../parser/parse-response.js";
import type { ParsedResponse } from "../parser/response.js";
import { type Failure, ruleBroken } from "../report/incidents.js";

/** Largest raw response that is kept back for judgement, in octets. */
const LIMIT = 1_048_576;

export interface RawAnswer {
  readonly octets: Buffer;
  readonly status: number;
  readonly closes: boolean;
  /** What had to be mended beside what was left out; null for nothing. */
  readonly repair: Failure | null;
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

  get isEmpty(): boolean {
    return this.#octets === 0;
  }

  /** Takes the interim responses that stand in front, each with the end of its header section. */
  takeInterims(): string[] {
    const sections: string[] = [];
    for (;;) {
      const { octets } = this;
      const end = endOfSection(octets);
      const status = end === -1 ? undefined : readStatus(octets);
      // 101 is a final response, as far as HTTP goes.
      if (status === undefined || status < 100 || status > 199 || status === 101) return sections;
      sections.push(octets.toString("latin1", 0, end));
      this.#pieces = [octets.subarray(end)];
      this.#octets -= end;
    }
  }

  get octets(): Buffer {
    if (this.#pieces.length !== 1) this.#pieces = [Buffer.concat(this.#pieces)];
    return this.#pieces[0] as Buffer;
  }

  /**
   * A complete, valid response, with framing and a Date that can be read added where the app left them out; `null` while
   * there is none.
   * @param end - "fin" once the app has ended the connection
   * @param mustClose - the connection cannot be used after it in any case
   */
  answer(end: ResponseEnd, mustClose = end !== "open"): RawAnswer | null {
    if (this.#octets === 0 || this.#octets > LIMIT) return null;
    const parsed = parseResponse(this.octets, { method: this.#method, end, requestVersion: this.#version });
    if (parsed === null || !parsed.complete || parsed.status < 200) return null;
    if (!isPassable(parsed)) return null;
    let added = "";
    if (parsed.framing === "close") added += `Content-Length: ${parsed.content.byteLength}\r\n`;
    const closes = parsed.closes || mustClose;
    if (closes && parsed.field("connection") === undefined) added += "Connection: close\r\n";
    const octets = withFields(withDate(this.octets, parsed), added);
    return { octets, status: parsed.status, closes, repair: repairOf(parsed) };
  }

  /** A response that has begun well and ends with the connection: a stream; `null` where this is none. */
  stream(): RawAnswer | null {
    const { octets } = this;
    if (endOfSection(octets) === -1) return null;
    const parsed = parseResponse(octets, { method: this.#method, end: "fin", requestVersion: this.#version });
    if (parsed === null || parsed.framing !== "close" || parsed.status < 200) return null;
    if (!isPassable(parsed)) return null;
    const added = parsed.field("connection") === undefined ? "Connection: close\r\n" : "";
    const mended = withFields(withDate(octets, parsed), added);
    return { octets: mended, status: parsed.status, closes: true, repair: repairOf(parsed) };
  }

  /** The header section of a response that hands the connection over to another protocol (101, or 2xx to CONNECT). */
  upgrade(): number | null {
    const { octets } = this;
    const status = endOfSection(octets) === -1 ? undefined : readStatus(octets);
    if (status === undefined) return null;
    return status === 101 || (this.#method === "CONNECT" && status >= 200 && status < 300) ? status : null;
  }
}

/** Whether nothing is wrong with it but what is added here, or what no response of an app is touched for. */
function isPassable(parsed: ParsedResponse): boolean {
  return parsed.problems.every(
    ({ rule }) => rule === "MD-1" || rule === "FR-16" || (rule === "HF-10" && !repeats(parsed)),
  );
}

function repeats(parsed: ParsedResponse): boolean {
  return [...SINGLE_VALUED_IN_HTTP].some((name) => parsed.fieldLines(name).length > 1);
}

function repairOf(parsed: ParsedResponse): Failure | null {
  return isUnreadable(parsed.field("date")) ? ruleBroken("MD-1", "The app sent a Date that is no date.") : null;
}

function isUnreadable(date: string | undefined): boolean {
  return date !== undefined && !isHttpDate(date);
}

/** With a Date that a recipient can read: now, in place of one that it cannot, or of none (MD-1). */
function withDate(octets: Buffer, parsed: ParsedResponse): Buffer {
  const date = parsed.field("date");
  if (date !== undefined && !isUnreadable(date)) return octets;
  const end = endOfSection(octets) - 4;
  const section = octets.toString("latin1", 0, end).replace(/\r\ndate:[^\r]*/gi, "");
  const line = `\r\nDate: ${new Date().toUTCString()}`;
  return Buffer.concat([Buffer.from(section + line, "latin1"), octets.subarray(end)]);
}

function withFields(octets: Buffer, lines: string): Buffer {
  if (lines === "") return octets;
  const end = endOfSection(octets) - 2;
  return Buffer.concat([octets.subarray(0, end), Buffer.from(lines, "latin1"), octets.subarray(end)]);
}
