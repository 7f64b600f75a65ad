import type { IncomingHttpHeaders } from "node:http";
import type { FieldLine } from "../http/message.js";

/** The part of a request that decides which response to it is valid. */
export interface RequestFacts {
  readonly method: string;
  readonly version: "1.0" | "1.1" | "2.0";
  readonly headers: IncomingHttpHeaders;
  readonly encrypted: boolean;
}

/** The header section of a final response, as it is about to be sent. */
export interface ResponseHead {
  readonly status: number;
  /** Every field line in order of transmission. */
  readonly fields: readonly FieldLine[];
}

/** What a lint rule looks at: a finished header section, the request it answers, and what is known of the content. */
export interface LintSubject {
  readonly request: RequestFacts;
  readonly head: ResponseHead;
  /** Octets of content, where known when the header section is finished. */
  readonly contentOctets: number | undefined;
  /** Time at which the section was finished, in milliseconds since the epoch. */
  readonly now: number;
}
