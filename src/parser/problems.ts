/** One departure from a strictly valid response. */
export interface Problem {
  /** Names the kind of departure; one of the keys of `RULES`. */
  readonly code: string;
  /** Octets from the start of the stream to where it shows. */
  readonly offset: number;
  /** What is wrong, in words, with the octets in question. */
  readonly message: string;
  /** Id of the rule of validity that it breaks, where there is one: `"FR-2"`. */
  readonly rule?: string;
}

/** Every code and the rule it stands for; `""`: the rule depends on where it shows, or there is none. */
export const RULES = {
  "bad-chunk-extension": "FR-18",
  "bad-chunk-size": "FR-18",
  "bad-content-length": "FR-2",
  "bad-field-name": "HF-1",
  "bad-reason": "SL-4",
  "bad-status-code": "SL-2",
  "bad-transfer-encoding": "FR-9",
  "bad-version": "SL-6",
  "bare-cr": "HF-6",
  "bare-lf": "HF-6",
  "content-length-too-large": "FR-4",
  "content-not-allowed": "FR-13",
  "control-octet": "HF-4",
  "folded-line": "HF-5",
  "forbidden-trailer": "TR-2",
  "framing-field-not-allowed": "",
  "incomplete-content": "MC-5",
  "incomplete-header-section": "MC-4",
  "incomplete-status-line": "MC-2",
  "incomplete-trailer-section": "MC-6",
  "interim-in-1.0": "SL-7",
  "leading-empty-line": "MC-7",
  "leading-whitespace-line": "HF-7",
  "length-and-transfer-encoding": "FR-1",
  "missing-chunk-end": "FR-18",
  "missing-colon": "HF-1",
  "missing-date": "MD-1",
  "missing-reason-space": "SL-5",
  "no-connection": "",
  "no-final-response": "SL-3",
  "not-closed": "CX-1",
  "not-http": "MC-1",
  "repeated-content-length": "FR-3",
  "repeated-field": "HF-10",
  "space-before-colon": "HF-2",
  "status-out-of-range": "SL-1",
  "surplus-octets": "MC-7",
  "surrounding-whitespace": "HF-9",
  "switch-without-upgrade": "SL-9",
  "transfer-encoding-to-1.0": "FR-8",
  unanswered: "MC-1",
  "unrequested-switch": "SL-8",
  "unrequested-transfer-coding": "FR-10",
  "unsupported-version": "SL-6",
} as const;

export type ProblemCode = keyof typeof RULES;

/** Builds a problem; `rule` replaces the one that the table gives. */
export function problem(code: ProblemCode, offset: number, message: string, rule: string = RULES[code]): Problem {
  return rule === "" ? { code, offset, message } : { code, offset, message, rule };
}

/** Thrown while reading when what follows cannot be interpreted; carries the reason. Never leaves the parser. */
export class Unreadable extends Error {
  readonly problem: Problem;

  constructor(code: ProblemCode, offset: number, message: string, rule?: string) {
    super(message);
    this.problem = problem(code, offset, message, rule);
  }
}

/** The first octets of `octets` as a quoted string, for messages. */
export function quote(octets: string | Uint8Array): string {
  const text = typeof octets === "string" ? octets : Buffer.from(octets.subarray(0, 41)).toString("latin1");
  // JSON leaves C1 controls and DEL as they are: a terminal must never see them.
  const quoted = JSON.stringify(text.slice(0, 40)).replace(
    /[\x7f-\xff]/g,
    (octet) => `\\x${octet.charCodeAt(0).toString(16)}`,
  );
  return text.length > 40 ? `${quoted}…` : quoted;
}
