import { isDigits } from "../http/grammar.js";
import { type Field, fieldLines, listMembers } from "./fields.js";
import { type Problem, problem, quote, Unreadable } from "./problems.js";

export type Framing = "none" | "length" | "chunked" | "close";

/** What the framing of a response depends on. */
export interface FramingSubject {
  readonly method: string;
  readonly requestVersion: "1.0" | "1.1";
  readonly status: number;
  readonly version: string;
  readonly fields: readonly Field[];
}

/**
 * Tells how the content of a final response is delimited, and its length in octets where that is known beforehand.
 * Problems are reported at offset `at`, the start of the header section.
 * @throws {Unreadable} when the length cannot be told.
 * @see RFC 9112, section 6.3
 */
export function framingOf(
  subject: FramingSubject,
  at: number,
  problems: Problem[],
): { framing: Framing; octets: number } {
  const { status, fields } = subject;
  const codings = listMembers(fields, "transfer-encoding");
  const lengths = fieldLines(fields, "content-length");
  const coded = codings.length > 0;
  const report = (...[code, message, rule]: [Parameters<typeof problem>[0], string, string?]) => {
    problems.push(problem(code, at, message, rule));
  };

  if (coded && lengths.length > 0) {
    report("length-and-transfer-encoding", "Content-Length stands beside Transfer-Encoding.");
  }
  if (coded) checkCodings(codings, report);
  if (coded && (subject.requestVersion === "1.0" || subject.version === "1.0")) {
    report("transfer-encoding-to-1.0", "Transfer-Encoding is not defined for HTTP/1.0.");
  }
  const length = lengths.length === 0 ? undefined : contentLength(lengths);
  if (lengths.length > 1) report("repeated-content-length", `Content-Length occurs ${lengths.length} times.`);

  const bare = bareRule(subject);
  if (bare !== undefined) {
    if (lengths.length > 0 && bare.length !== undefined) {
      report("framing-field-not-allowed", `Content-Length in a ${status} response.`, bare.length);
    }
    if (coded && bare.coding !== undefined) {
      report("framing-field-not-allowed", `Transfer-Encoding in a ${status} response.`, bare.coding);
    }
  }
  const framing = bare !== undefined ? "none" : coded ? codedFraming(codings) : length ? "length" : "close";
  if (length?.fault !== undefined) {
    // Where the framing does not depend on it, a bad length is a fault and no more.
    if (framing === "length" && length.octets === undefined) throw new Unreadable(length.fault, at, length.message);
    report(length.fault, length.message);
  }
  return { framing, octets: framing === "length" ? (length?.octets ?? 0) : 0 };
}

/** RFC 9112, section 6.3: without chunked as the last coding, only the close tells the end. */
function codedFraming(codings: readonly string[]): Framing {
  return codings.at(-1) === "chunked" ? "chunked" : "close";
}

/** For a response that ends with its header section: the rules against framing fields in it. */
function bareRule({ method, status }: FramingSubject): { length?: string; coding?: string } | undefined {
  if (status >= 100 && status < 200) return { length: "IR-1", coding: "IR-1" };
  if (status === 204) return { length: "FR-5", coding: "FR-6" };
  if (method === "CONNECT" && status < 300) return { length: "FR-7", coding: "FR-7" };
  if (method === "HEAD" || status === 304) return {};
  return undefined;
}

type Report = (code: "bad-transfer-encoding" | "unrequested-transfer-coding", message: string) => void;

function checkCodings(codings: readonly string[], report: Report): void {
  const shown = quote(codings.join(", "));
  if (codings.filter((coding) => coding === "chunked").length !== 1 || codings.at(-1) !== "chunked") {
    report("bad-transfer-encoding", `Transfer-Encoding is ${shown}: chunked is not there once and last.`);
  } else if (codings.length > 1) {
    report("unrequested-transfer-coding", `Transfer-Encoding is ${shown}: only chunked needs no TE in the request.`);
  }
}

/** The length that the lines agree on, in octets, and what is wrong with them. */
interface Length {
  readonly octets: number | undefined;
  readonly fault?: "bad-content-length" | "content-length-too-large";
  readonly message: string;
}

function contentLength(lines: readonly string[]): Length {
  const message = `Content-Length is ${quote(lines.join(", "))}.`;
  const members = lines.flatMap((line) => line.split(",").map((member) => member.trim()));
  const [first = ""] = members;
  if (!isDigits(first) || members.some((member) => member !== first)) {
    return { octets: undefined, fault: "bad-content-length", message };
  }
  const octets = Number(first);
  if (octets > Number.MAX_SAFE_INTEGER) return { octets: undefined, fault: "content-length-too-large", message };
  // A list of equal lengths can be told, and is no length all the same.
  return members.length > lines.length ? { octets, fault: "bad-content-length", message } : { octets, message };
}
