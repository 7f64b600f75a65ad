import { type Field, fieldLines } from "./fields.js";
import type { Framing } from "./framing.js";
import type { Problem } from "./problems.js";

/** An interim (1xx) response in front of a final one. */
export interface InterimResponse {
  readonly status: number;
  readonly reason: string;
  readonly fields: readonly (readonly [string, string])[];
}

/** A response, as far as it could be read. Field names, values and reason are octets as latin1. */
export interface ParsedResponse {
  /** `0` when no final status line could be read. */
  readonly status: number;
  readonly reason: string;
  /** `"1.1"`; empty when no final status line could be read. */
  readonly version: string;
  readonly fields: readonly (readonly [name: string, value: string])[];
  /** Value of the first line of `name`, in any case. */
  field(name: string): string | undefined;
  /** Values of every line of `name`, in any case. */
  fieldLines(name: string): string[];
  readonly interim: readonly InterimResponse[];
  readonly framing: Framing;
  /** Decoded from chunks; what was received, when incomplete. */
  readonly content: Buffer;
  /** Content as UTF-8. */
  text(): string;
  readonly trailers: readonly (readonly [string, string])[];
  /** The framing is satisfied. */
  readonly complete: boolean;
  /** Empty for a strictly valid, complete response. */
  readonly problems: readonly Problem[];
  /** Octets from the start of the stream to the first octet of the response, interim ones included. */
  readonly start: number;
  /** Octets from the start of the stream to behind the last octet of the response. */
  readonly end: number;
  /** The connection cannot be used after it: close announced, HTTP/1.0 without keep-alive, close-delimited, 101. */
  readonly closes: boolean;
}

/** A response while it is read. */
export class Draft implements ParsedResponse {
  status = 0;
  reason = "";
  version = "";
  fields: readonly Field[] = [];
  readonly interim: InterimResponse[] = [];
  framing: Framing = "none";
  content: Buffer = Buffer.alloc(0);
  trailers: readonly Field[] = [];
  complete = false;
  readonly problems: Problem[] = [];
  readonly start: number;
  end: number;
  closes = true;

  constructor(start: number) {
    this.start = start;
    this.end = start;
  }

  field(name: string): string | undefined {
    return this.fieldLines(name)[0];
  }

  fieldLines(name: string): string[] {
    return fieldLines(this.fields, name.toLowerCase());
  }

  text(): string {
    return this.content.toString("utf8");
  }
}
