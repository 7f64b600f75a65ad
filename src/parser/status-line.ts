import { NOT_IN_VALUE } from "../http/grammar.js";
import type { Line } from "./octet-stream.js";
import { type Problem, problem, quote, Unreadable } from "./problems.js";

/** A status line that could be read, and what is wrong with it all the same. */
export interface StatusLine {
  readonly version: string;
  readonly status: number;
  readonly reason: string;
  readonly problems: Problem[];
}

/**
 * Reads `HTTP-version SP status-code SP [ reason-phrase ]`.
 * @throws {Unreadable} when version or status code cannot be told.
 * @see RFC 9112, section 4
 */
export function parseStatusLine({ text, start, end, bareLf }: Line): StatusLine {
  const problems: Problem[] = [];
  if (bareLf) problems.push(problem("bare-lf", end, "The status line ends in LF without CR."));

  const version = /^HTTP\/(\d\.\d)(?: |$)/.exec(text)?.[1];
  if (version === undefined) {
    throw new Unreadable("bad-version", start, `The status line has no HTTP-version and space: ${quote(text)}.`);
  }
  if (version !== "1.1" && version !== "1.0") {
    problems.push(problem("unsupported-version", start, `The status line names HTTP/${version}.`));
  }

  const codeStart = "HTTP/1.1 ".length;
  const space = text.indexOf(" ", codeStart);
  const code = text.slice(codeStart, space === -1 ? undefined : space);
  if (!/^\d{3}$/.test(code)) {
    throw new Unreadable("bad-status-code", start + codeStart, `The status code is not three digits: ${quote(text)}.`);
  }
  const status = Number(code);
  if (status < 100 || status > 599) {
    problems.push(problem("status-out-of-range", start + codeStart, `The status code is ${code}, not 100 to 599.`));
  }

  if (space === -1) {
    problems.push(problem("missing-reason-space", end, "No space follows the status code."));
    return { version, status, reason: "", problems };
  }
  const reason = text.slice(space + 1);
  if (NOT_IN_VALUE.test(reason)) {
    problems.push(problem("bad-reason", start + space + 1, `The reason phrase is ${quote(reason)}.`));
  }
  return { version, status, reason, problems };
}
