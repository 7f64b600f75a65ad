import type { ParsedResponse, Problem } from "rayguard/testing";
import type { OctetRow, WireProblem } from "../shared/model.js";
import { ruleInfo } from "./rule-info.js";

/** Octets shown of one row; a header field of 150 kB and content of 200 kB are cut. */
const MAX_ROW_OCTETS = 240;
const MAX_CONTENT_OCTETS = 360;
const MAX_ROWS = 80;

type Kind = OctetRow["kind"];
interface Span {
  readonly kind: Kind;
  readonly start: number;
  readonly end: number;
}

/** The octets of a whole request header section, and how much content follows. */
export function requestRows(octets: Buffer, requests: readonly { start: number; contentStart: number; end: number }[]) {
  const spans: Span[] = [];
  let at = 0;
  for (const { start, contentStart, end } of requests) {
    for (const line of linesOf(octets, start, contentStart)) spans.push({ kind: "request", ...line });
    if (end > contentStart) spans.push({ kind: "content", start: contentStart, end });
    at = end;
  }
  if (octets.length > at) spans.push({ kind: "unread", start: at, end: octets.length });
  return rowsOf(octets, spans, []);
}

/** The octets of responses, line by line, with every problem at the line in which it shows. */
export function responseRows(octets: Buffer, responses: readonly ParsedResponse[], problems: readonly Problem[]) {
  const spans: Span[] = [];
  let at = 0;
  for (const response of responses) {
    if (response.status === 0 && response.interim.length === 0) break; // no response at all
    at = addHead(octets, response, spans);
    if (response.framing === "chunked") addChunks(octets, at, response, spans);
    else if (response.end > at) spans.push({ kind: "content", start: at, end: response.end });
    at = response.end;
  }
  if (octets.length > at) spans.push({ kind: at === 0 ? "unread" : "surplus", start: at, end: octets.length });
  return rowsOf(octets, spans, problems);
}

/** Adds the lines of every header section; returns where the content starts. */
function addHead(octets: Buffer, { start, end, interim, status }: ParsedResponse, spans: Span[]): number {
  let sections = interim.length + (status === 0 ? 0 : 1);
  let isFirst = true;
  let at = start;
  for (const line of linesOf(octets, start, Math.max(end, start))) {
    const isBlank = octets.toString("latin1", line.start, line.end).trim() === "";
    const first: Kind = sections > 1 || status === 0 ? "interim" : "status";
    spans.push({ kind: isBlank && !isFirst ? "blank" : isFirst ? first : "field", ...line });
    at = line.end;
    if (isBlank && !isFirst) sections--;
    isFirst = isBlank;
    if (sections === 0) break;
  }
  return at;
}

function addChunks(octets: Buffer, start: number, { end }: ParsedResponse, spans: Span[]): void {
  let at = start;
  while (at < end) {
    const lineEnd = octets.indexOf("\n", at) + 1 || end;
    spans.push({ kind: "chunk", start: at, end: Math.min(lineEnd, end) });
    const size = Number.parseInt(octets.toString("latin1", at, lineEnd), 16);
    at = lineEnd;
    if (!(size > 0)) break;
    // With the CRLF behind the data, which belongs to no line of its own.
    const dataEnd = Math.min(at + size + 2, end);
    spans.push({ kind: "content", start: at, end: dataEnd });
    at = dataEnd;
  }
  for (const line of linesOf(octets, at, end)) {
    spans.push({ kind: line.end - line.start > 2 ? "trailer" : "blank", ...line });
  }
}

function* linesOf(octets: Buffer, start: number, end: number): Generator<{ start: number; end: number }> {
  for (let at = start; at < end; ) {
    const lf = octets.indexOf("\n", at);
    const lineEnd = lf === -1 || lf >= end ? end : lf + 1;
    yield { start: at, end: lineEnd };
    at = lineEnd;
  }
}

function rowsOf(octets: Buffer, all: readonly Span[], problems: readonly Problem[]): OctetRow[] {
  const spans = all.slice(0, MAX_ROWS);
  const rest = all.slice(MAX_ROWS);
  const [first] = rest;
  if (first) spans.push({ kind: first.kind, start: first.start, end: (rest.at(-1) as Span).end });
  return spans.map(({ kind, start, end }, i) => {
    const limit = kind === "content" || kind === "surplus" ? MAX_CONTENT_OCTETS : MAX_ROW_OCTETS;
    const shown = Math.min(end, start + limit);
    const isLast = i === spans.length - 1;
    const own = problems.filter(({ offset }) => offset >= start && (offset < end || isLast));
    const text = visible(octets.subarray(start, shown));
    return { offset: start, kind, text, omitted: end - shown, problems: own.map(wireProblem) };
  });
}

export function wireProblem({ offset, code, message, rule }: Problem): WireProblem {
  return { offset, code, message, rule: rule === undefined ? null : ruleInfo(rule) };
}

const ESCAPES: Readonly<Record<string, string>> = { "\r": "\\r", "\n": "\\n", "\t": "\\t", "\\": "\\\\" };

/** Octets as text: controls and everything outside ASCII as escapes. */
function visible(octets: Buffer): string {
  return octets.toString("latin1").replace(/[\x00-\x1f\x7f-\xff\\]/g, (octet) => {
    return ESCAPES[octet] ?? `\\x${octet.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
}
