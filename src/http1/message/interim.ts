import { FRAMING } from "../../http/fields.js";
import { FIELD_LINE } from "../../http/grammar.js";
import { linesIn, sectionOf } from "../../http/message.js";
import type { WriteCallback } from "../node/node-internals.js";

/** What is known of the interim responses of one exchange, from the first on. */
export class Interims {
  /** How many went out. */
  count = 0;
  /** There were too many, and that has been told. */
  flooded = false;
  /** A header section that has begun and not ended, as latin1. */
  begun = "";
  /** Those that wait for the turn of their request. */
  readonly waiting: { readonly octets: string; readonly callback: WriteCallback }[] = [];
  /** What Node renders now has been judged already. */
  isMuted = false;
}

/** What is known when an interim response is about to go out. */
export interface InterimFacts {
  readonly version: "1.0" | "1.1" | "2.0";
  /** The final header section has been rendered. */
  readonly afterFinal: boolean;
  /** Interim responses that went out before this one. */
  readonly before: number;
  readonly most: number;
}

export interface InterimVerdict {
  readonly rule: string;
  readonly found: string;
  /** What goes out instead; `null` for nothing. */
  readonly octets: string | null;
}

/** Checks a rendered interim response; `null` when it may go out as it is (RFC 9110, section 15.2). */
export function checkInterim(rendered: string, facts: InterimFacts): InterimVerdict | null {
  if (facts.afterFinal) return dropped("IR-3", "after its final header section");
  if (facts.version === "1.0") return dropped("SL-7", "to an HTTP/1.0 client");
  if (facts.before >= facts.most) {
    return {
      rule: "IR-6",
      found: `The app sent more than ${facts.most} interim responses; the rest were dropped.`,
      octets: null,
    };
  }
  // A blank line anywhere but at the end would start another message.
  const [statusLine = "", ...fields] = linesIn(rendered) ?? [];
  if (!/^HTTP\/1\.1 1[0-9][0-9] /.test(statusLine) || fields.some((line) => !FIELD_LINE.test(line))) {
    return dropped("IR-4", "with malformed fields");
  }
  const kept = fields.filter((line) => !FRAMING.has(line.slice(0, line.indexOf(":")).toLowerCase()));
  if (kept.length === fields.length) return null;
  return {
    rule: "IR-1",
    found: "The app sent framing fields in an interim response.",
    octets: sectionOf([statusLine, ...kept]),
  };
}

function dropped(rule: string, how: string): InterimVerdict {
  return { rule, found: `The app sent an interim response ${how}; it was dropped.`, octets: null };
}
