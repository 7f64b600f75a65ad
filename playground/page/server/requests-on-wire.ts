import { REQUEST_LINE } from "../../../src/http/grammar.js";
import { endOfSection, type FieldLine, fieldLinesIn } from "../../../src/http/message.js";

/** A request as it stands among the octets that an edge sent. */
export interface WireRequest {
  readonly method: string;
  readonly target: string;
  readonly version: "1.0" | "1.1";
  /** 16 digits of CF-RAY; empty where there is none. */
  readonly ray: string;
  readonly start: number;
  /** Behind the empty line. */
  readonly contentStart: number;
  readonly end: number;
}

/** Finds the requests in octets that an HTTP/1.1 client sent one after the other; stops at what is none. */
export function requestsIn(octets: Buffer): WireRequest[] {
  const requests: WireRequest[] = [];
  let start = 0;
  for (;;) {
    const contentStart = endOfSection(octets, start);
    if (contentStart === -1) return requests;
    const section = octets.toString("latin1", start, contentStart);
    const match = REQUEST_LINE.exec(section.slice(0, section.indexOf("\r\n")));
    if (match === null) return requests;
    const [, method = "", target = "", version] = match;
    const fields = fieldLinesIn(section);
    const end = contentStart + contentOctets(octets, contentStart, fields);
    const ray = field(fields, "cf-ray").slice(0, 16);
    requests.push({ method, target, version: version as "1.0" | "1.1", ray, start, contentStart, end });
    start = end;
  }
}

function contentOctets(octets: Buffer, start: number, fields: readonly FieldLine[]): number {
  if (/chunked/i.test(field(fields, "transfer-encoding"))) {
    const last = octets.indexOf("0\r\n\r\n", start);
    return (last === -1 ? octets.length : last + 5) - start;
  }
  // Content that was announced may still be kept back: 100-continue.
  return Math.min(Number(field(fields, "content-length")) || 0, octets.length - start);
}

function field(fields: readonly FieldLine[], name: string): string {
  return fields.find(([key]) => key.toLowerCase() === name)?.[1].trim() ?? "";
}
