import type { Span } from "../../http/fields.js";
import { isDigits, trimWhitespace } from "../../http/grammar.js";
import { type MediaType, readMediaType, split } from "../../http/parameters.js";
import { isBodiless } from "../../http/status.js";
import type { LintSubject } from "../head.js";

/** What a rule has to say about a header section: what is there, and what to write instead. */
export interface Observation {
  readonly found: string;
  readonly advice: string;
}

/** One lint rule: pure, total, `undefined` where there is nothing to report. */
export type Check = (section: Section) => Observation | undefined;

/** A finished header section, indexed once so that every rule can ask for fields by name. */
export class Section {
  readonly status: number;
  readonly method: string;
  /** Octets of content that the recipient will get, where that is known and there can be any. */
  readonly contentOctets: number | undefined;
  readonly #lines = new Map<string, string[]>();

  constructor(readonly subject: LintSubject) {
    this.status = subject.head.status;
    this.method = subject.request.method;
    for (const [name, value] of subject.head.fields) {
      const key = name.toLowerCase();
      const values = this.#lines.get(key);
      // Whitespace around a value is no part of it (RFC 9110, section 5.5); only HF-9 looks at the lines as written.
      if (values === undefined) this.#lines.set(key, [trimWhitespace(value)]);
      else values.push(trimWhitespace(value));
    }
    this.contentOctets = this.#readContentOctets();
  }

  /** Value of every line of `name` (lower case), in order. */
  values(name: string): readonly string[] {
    return this.#lines.get(name) ?? [];
  }

  /** Value of the first line of `name`. */
  value(name: string): string | undefined {
    return this.#lines.get(name)?.[0];
  }

  has(name: string): boolean {
    return this.#lines.has(name);
  }

  /** Elements of a list field, over all of its lines, without the empty ones. */
  elements(name: string, span?: Span): string[] {
    return this.values(name).flatMap((value) => split(value, ",", span).filter((element) => element !== ""));
  }

  /** Media type of the content; `undefined` where Content-Type is missing or malformed. */
  mediaType(): MediaType | undefined {
    const value = this.value("content-type");
    return value === undefined ? undefined : readMediaType(value);
  }

  /** Value of a request field. Node joins the lines of most fields and keeps some as an array. */
  requestValue(name: string): string | undefined {
    const value = this.subject.request.headers[name];
    return Array.isArray(value) ? value.join(", ") : value;
  }

  #readContentOctets(): number | undefined {
    if (this.method === "HEAD" || this.status < 200 || isBodiless(this.status)) return undefined;
    const lengths = this.values("content-length");
    const announced = lengths.length === 1 && isDigits(lengths[0] ?? "") ? Number(lengths[0]) : undefined;
    const octets = this.subject.contentOctets ?? announced;
    return Number.isSafeInteger(octets) && (octets as number) >= 0 ? octets : undefined;
  }
}
