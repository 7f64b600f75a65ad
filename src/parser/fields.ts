import { FRAMING, isForbiddenTrailer, SINGLE_VALUED } from "../http/fields.js";
import { isToken, NOT_IN_VALUE, trimWhitespace } from "../http/grammar.js";
import type { Line, OctetStream, Reading } from "./octet-stream.js";
import { type Problem, type ProblemCode, problem, quote, Unreadable } from "./problems.js";

/** A field line: name as received, value without surrounding whitespace, both as latin1. */
export type Field = readonly [name: string, value: string];

export type Section = "header" | "interim" | "trailer";

/**
 * Reads field lines up to and including the empty line, recovering where the intention is plain.
 * @throws {Unreadable} when the stream stops before the empty line.
 * @see RFC 9112, section 5
 */
export function* readFields(stream: OctetStream, section: Section, problems: Problem[]): Reading<Field[]> {
  const fields: Field[] = [];
  const report = (code: ProblemCode, offset: number, message: string, rule?: string) => {
    const own = section === "header" || code.startsWith("bare-") ? rule : section === "interim" ? "IR-4" : "TR-4";
    problems.push(problem(code, offset, message, own));
  };
  for (;;) {
    const line = yield* stream.line();
    if (line === undefined) {
      const code = section === "trailer" ? "incomplete-trailer-section" : "incomplete-header-section";
      throw new Unreadable(code, stream.length, `The stream stops before the end of the ${section} section.`);
    }
    if (line.bareLf) report("bare-lf", line.end, `A line of the ${section} section ends in LF without CR.`);
    if (line.text === "") return fields;
    checkOctets(line, report);
    if (line.text.startsWith(" ") || line.text.startsWith("\t")) {
      const last = fields.at(-1);
      if (last === undefined) {
        report("leading-whitespace-line", line.start, `Whitespace leads the first line: ${quote(line.text)}.`);
      } else {
        report("folded-line", line.start, `The value of ${last[0]} is folded: ${quote(line.text)}.`);
        fields[fields.length - 1] = [last[0], trimWhitespace(`${last[1]} ${trimWhitespace(line.text)}`)];
      }
      continue;
    }
    const field = parseField(line, report);
    if (field !== undefined) fields.push(field);
  }
}

/** Reports fields that occur more than once although they hold one value, at offset `at`. */
export function checkSingletons(fields: readonly Field[], at: number, problems: Problem[]): void {
  const seen = new Set<string>();
  const reported = new Set<string>();
  for (const [name] of fields) {
    const key = name.toLowerCase();
    if (seen.has(key) && SINGLE_VALUED.has(key) && !reported.has(key)) {
      problems.push(problem("repeated-field", at, `${name} occurs more than once.`));
      reported.add(key);
    }
    seen.add(key);
  }
}

/** Reports trailers that must not be trailers, at offset `at`. */
export function checkTrailers(trailers: readonly Field[], at: number, problems: Problem[]): void {
  for (const [name] of trailers) {
    if (isForbiddenTrailer(name)) {
      problems.push(problem("forbidden-trailer", at, `${name} is not allowed as a trailer.`));
    }
  }
}

/** Values of every line of `name`, which is in lower case. */
export function fieldLines(fields: readonly Field[], name: string): string[] {
  return fields.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);
}

/** Members of a comma-separated field, in lower case; empty members are kept. No member of these is a quoted string. */
export function listMembers(fields: readonly Field[], name: string): string[] {
  return fieldLines(fields, name).flatMap((value) =>
    value.split(",").map((member) => trimWhitespace(member).toLowerCase()),
  );
}

type Report = (code: ProblemCode, offset: number, message: string, rule?: string) => void;

function checkOctets({ text, start }: Line, report: Report): void {
  const cr = text.indexOf("\r");
  if (cr !== -1) report("bare-cr", start + cr, `CR without LF: ${quote(text)}.`);
  const control = (cr === -1 ? text : text.replaceAll("\r", " ")).search(NOT_IN_VALUE);
  if (control === -1) return;
  const rule = text[control] === "\0" ? "HF-3" : "HF-4";
  report("control-octet", start + control, `Control octet in a field line: ${quote(text)}.`, rule);
}

function parseField({ text, start }: Line, report: Report): Field | undefined {
  const colon = text.indexOf(":");
  if (colon === -1) {
    report("missing-colon", start, `A field line has no colon: ${quote(text)}.`);
    return undefined;
  }
  const name = trimWhitespace(text.slice(0, colon));
  if (name.length !== colon) report("space-before-colon", start + name.length, `Space before the colon of ${name}.`);
  if (!isToken(name)) report("bad-field-name", start, `The field name is ${quote(name)}, not a token.`);
  const raw = text.slice(colon + 1);
  const value = trimWhitespace(raw);
  // Node's client refuses a tab behind a length, and does not see chunked before one.
  if (raw !== value && raw !== ` ${value}` && FRAMING.has(name.toLowerCase())) {
    report("surrounding-whitespace", start + colon + 1, `${name} has more around its value than a space before it.`);
  }
  return [name, value];
}
