import type { ParsedResponse, ResponseEnd } from "../../../src/testing/index.js";

/** A hand-made stream of octets, and what a strict recipient is to make of it. */
export interface StreamCase {
  readonly name: string;
  /** Octets as latin1. */
  readonly octets: string;
  /** @default "GET" */
  readonly method?: string;
  /** @default "fin" */
  readonly end?: ResponseEnd;
  /** @default "1.1" */
  readonly requestVersion?: "1.0" | "1.1";
  /** Code and rule of every problem, in order: `"bare-lf HF-6"`. Empty: strictly valid. */
  readonly problems: readonly string[];
  readonly complete: boolean;
  /** What else to compare. */
  readonly expected?: Partial<Pick<ParsedResponse, "status" | "reason" | "version" | "framing" | "closes" | "end">>;
  readonly content?: string;
  readonly fields?: readonly (readonly [string, string])[];
  readonly trailers?: readonly (readonly [string, string])[];
  readonly interim?: readonly number[];
  /** Node's own client takes it although it is invalid; `"at times"`: as the segments happen to arrive. */
  readonly nodeAccepts?: true | "before 22" | "from 22" | "at times";
}

type More = Omit<StreamCase, "name" | "octets" | "problems" | "complete">;

/** A strictly valid, complete response. */
export function good(name: string, octets: string, more: More = {}): StreamCase {
  return { name, octets, problems: [], complete: true, ...more };
}

/** A response that can be read to its end, but is invalid. */
export function flawed(name: string, octets: string, problems: string | string[], more: More = {}): StreamCase {
  return { name, octets, problems: [problems].flat(), complete: true, ...more };
}

/** A response whose end is missing or cannot be found. */
export function broken(name: string, octets: string, problems: string | string[], more: More = {}): StreamCase {
  return { name, octets, problems: [problems].flat(), complete: false, ...more };
}

export const DATE = "Date: Sun, 22 Nov 2026 08:49:37 GMT\r\n";

/** A header section with Date; `fields` are whole lines. */
export function head(fields = "", statusLine = "HTTP/1.1 200 OK"): string {
  return `${statusLine}\r\n${DATE}${fields}\r\n`;
}

/** A valid response of five octets. */
export const HELLO = `${head("Content-Length: 5\r\n")}hello`;

/** A header section of chunked content. */
export const CHUNKED = head("Transfer-Encoding: chunked\r\n");
