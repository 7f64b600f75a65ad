import type { IncomingMessage } from "node:http";
import { CHUNKED, CLOSE, type Framing, ofLength } from "../../exchange/framing.js";
import { isHttpDate } from "../../http/date.js";
import { SINGLE_VALUED_IN_HTTP } from "../../http/fields.js";
import { endOfSection, type FieldLine, readStatus, renderFields } from "../../http/message.js";
import { framingOf } from "../../parser/framing.js";
import type { ResponseEnd } from "../../parser/octet-stream.js";
import { parseResponse } from "../../parser/parse-response.js";
import type { Problem, ProblemCode } from "../../parser/problems.js";
import type { ParsedResponse } from "../../parser/response.js";
import { type Failure, ruleBroken } from "../../report/incidents.js";
import { versionOf } from "../node/node-internals.js";
import { RawContent } from "./raw-content.js";

/** Largest raw response that is kept back for judgement, in octets. */
const LIMIT = 1_048_576;

/** A header section, with the empty lines in front of it, whatever its lines end with. */
const SECTION = /^(?:\r\n)*[^\r\n][\s\S]*?\r?\n\r?\n/;

/** What is wrong with a header section and leaves one way to read it. */
const MENDABLE: ReadonlySet<string> = new Set<ProblemCode>([
  "bare-lf",
  "folded-line",
  "framing-field-not-allowed",
  "leading-empty-line",
  "length-and-transfer-encoding",
  "missing-reason-space",
  "repeated-content-length",
  "space-before-colon",
]);

export interface RawAnswer {
  readonly octets: Buffer;
  /** Its header section. */
  readonly head: string;
  readonly status: number;
  readonly closes: boolean;
  /** What had to be mended beside what was left out; null for nothing. */
  readonly repair: Failure | null;
}

/** One whose content is still to come. */
export interface RawStream extends RawAnswer {
  readonly framing: Framing;
  readonly content: RawContent;
}

/** Collects what an app writes to the socket by hand, and tells whether that is a complete valid response. */
export class RawResponse {
  readonly #method: string;
  readonly #version: "1.0" | "1.1";
  #pieces: Buffer[] = [];
  #octets = 0;
  /** There was more of it than is kept: what follows would have a hole in front of it. */
  #isCut = false;
  #isMended = false;
  #mending: Failure | null = null;

  /** @param request - null where it could not be parsed */
  constructor(request: IncomingMessage | null, method = request?.method) {
    this.#method = method ?? "";
    this.#version = request !== null && versionOf(request) === "1.0" ? "1.0" : "1.1";
  }

  add(octets: Buffer): void {
    this.#isCut ||= this.#octets > LIMIT;
    if (this.#isCut) return;
    // The app may reuse its buffer as soon as its write is acknowledged, which is before we send.
    this.#pieces.push(Buffer.from(octets));
    this.#octets += octets.byteLength;
  }

  get isEmpty(): boolean {
    return this.#octets === 0;
  }

  /** There is more of it than is held of any other response: it is time to let it go. */
  get isLarge(): boolean {
    return this.#octets > 65_536;
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
    this.#mend();
    const parsed = parseResponse(this.octets, { method: this.#method, end, requestVersion: this.#version });
    if (parsed === null || !parsed.complete || parsed.status < 200) return null;
    const surplus = parsed.problems.find(({ code }) => code === "surplus-octets");
    if (!isPassable(parsed, surplus)) return null;
    const closes = parsed.closes || mustClose;
    const dated = withDate(this.octets.subarray(0, parsed.end), parsed);
    const framed =
      parsed.framing === "close" ? withField(dated, `Content-Length: ${parsed.content.byteLength}`) : dated;
    const octets = closes ? withClose(framed, parsed) : framed;
    const repair = this.#mending ?? repairOf(parsed) ?? (surplus === undefined ? null : brokenBy(surplus));
    return { octets, head: headOf(octets), status: parsed.status, closes, repair };
  }

  /**
   * A response that has begun well, and may go on for as long as it likes; `null` where this is none.
   * @param mustClose - the connection cannot be used after it in any case
   */
  stream(mustClose: boolean): RawStream | null {
    if (this.#isCut) return null;
    this.#mend();
    const { octets } = this;
    const end = endOfSection(octets);
    if (end === -1) return null;
    const section = octets.subarray(0, end);
    // As that of a response to HEAD it can be judged by itself.
    const parsed = parseResponse(section, { method: "HEAD", end: "open", requestVersion: this.#version });
    if (parsed === null || !parsed.complete || parsed.status < 200 || !isPassable(parsed)) return null;
    const framing = this.#framingOf(parsed);
    if (framing === null) return null;
    const content = new RawContent(framing);
    const taken = content.take(octets.subarray(end));
    if (content.state === "broken") return null;
    const closes = parsed.closes || mustClose || framing === CLOSE;
    const dated = withDate(octets.subarray(0, end + taken), parsed);
    const mended = closes ? withClose(dated, parsed) : dated;
    const repair = this.#mending ?? repairOf(parsed);
    return { octets: mended, head: headOf(mended), framing, content, status: parsed.status, closes, repair };
  }

  /** How its content ends; null where it has none, or must not have what it says. */
  #framingOf({ status, version, fields }: ParsedResponse): Framing | null {
    const problems: Problem[] = [];
    const subject = { method: this.#method, requestVersion: this.#version, status, version, fields };
    const { framing, octets } = framingOf(subject, 0, problems);
    if (framing === "none" || problems.some(({ rule }) => rule !== "FR-16")) return null;
    return framing === "length" ? ofLength(octets) : framing === "chunked" ? CHUNKED : CLOSE;
  }

  /** Puts its header section right, once that is whole, where it can be read in one way. */
  #mend(): void {
    if (this.#isMended) return;
    const { octets } = this;
    const section = SECTION.exec(octets.toString("latin1"))?.[0];
    if (section === undefined) return;
    this.#isMended = true;
    const head = Buffer.from(section, "latin1");
    const parsed = parseResponse(head, { method: "HEAD", end: "open", requestVersion: this.#version });
    if (parsed === null || !parsed.complete || parsed.status < 200) return;
    const wrong = parsed.problems.filter(({ code, rule }) => MENDABLE.has(code) || !isLeft(rule, parsed));
    const [first] = wrong;
    if (first === undefined || wrong.some(({ code }) => !MENDABLE.has(code))) return;
    const lines = `HTTP/${parsed.version} ${parsed.status} ${parsed.reason}\r\n${renderFields(oneFraming(parsed))}\r\n`;
    this.#pieces = [Buffer.concat([Buffer.from(lines, "latin1"), octets.subarray(head.length)])];
    this.#octets += lines.length - head.length;
    this.#mending = brokenBy(first);
  }

  /** The header section of a response that hands the connection over to another protocol (101, or 2xx to CONNECT). */
  upgrade(): number | null {
    const { octets } = this;
    const status = endOfSection(octets) === -1 ? undefined : readStatus(octets);
    if (status === undefined) return null;
    return status === 101 || (this.#method === "CONNECT" && status >= 200 && status < 300) ? status : null;
  }
}

function headOf(octets: Buffer): string {
  return octets.toString("latin1", 0, endOfSection(octets));
}

/** Whether nothing is wrong with it but what is added here, what is left out, or what no response of an app is touched for. */
function isPassable(parsed: ParsedResponse, leftOut?: Problem): boolean {
  return parsed.problems.every((problem) => problem === leftOut || isLeft(problem.rule, parsed));
}

function isLeft(rule: string | undefined, parsed: ParsedResponse): boolean {
  return rule === "MD-1" || rule === "FR-16" || (rule === "HF-10" && !repeats(parsed));
}

/** Its field lines, with one that says how long its content is. */
function oneFraming(parsed: ParsedResponse): FieldLine[] {
  let left = parsed.status === 204 || parsed.field("transfer-encoding") !== undefined ? 0 : 1;
  return parsed.fields.filter(([name]) => name.toLowerCase() !== "content-length" || left-- > 0);
}

function brokenBy({ rule = "MC-7", message }: Problem): Failure {
  return ruleBroken(rule, message);
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
  return withField(octets, `Date: ${new Date().toUTCString()}`, /\r\ndate:[^\r]*/gi);
}

/** Says that it is the last on its connection, whatever the app has promised (CX-3). */
function withClose(octets: Buffer, parsed: ParsedResponse): Buffer {
  const options = parsed.fieldLines("connection").flatMap((line) => line.split(/[,\s]+/));
  if (options.some((option) => /^close$/i.test(option))) return octets;
  const kept = options.filter((option) => option !== "" && !/^keep-alive$/i.test(option));
  return withField(octets, `Connection: ${[...kept, "close"].join(", ")}`, /\r\n(?:connection|keep-alive):[^\r]*/gi);
}

/** @param instead - the field lines in whose place it is */
function withField(octets: Buffer, line: string, instead?: RegExp): Buffer {
  const end = endOfSection(octets) - 4;
  const section = octets.toString("latin1", 0, end);
  const left = instead === undefined ? section : section.replace(instead, "");
  return Buffer.concat([Buffer.from(`${left}\r\n${line}`, "latin1"), octets.subarray(end)]);
}
