import { QUOTED_STRING_SOURCE, TOKEN_SOURCE } from "../http/grammar.js";
import type { Content } from "./content.js";
import { checkTrailers, type Field, readFields } from "./fields.js";
import type { OctetStream, Reading } from "./octet-stream.js";
import { type Problem, problem, quote, Unreadable } from "./problems.js";

/** Without the whitespace that the grammar only tolerates from others: a sender must not generate it. */
const EXTENSIONS = new RegExp(`^(?:;${TOKEN_SOURCE}(?:=(?:${TOKEN_SOURCE}|${QUOTED_STRING_SOURCE}))?)*$`);

/**
 * Reads chunked content up to the end of its trailer section. Data goes to `content` as it arrives, so that what
 * was received of incomplete content is known.
 * @throws {Unreadable} when the stream stops before the end, or the next chunk cannot be found.
 * @see RFC 9112, section 7.1
 */
export function* readChunked(stream: OctetStream, content: Content, problems: Problem[]): Reading<Field[]> {
  for (;;) {
    const size = yield* readSize(stream, problems);
    if (size === 0) break;
    const missing = size - (yield* content.take(stream, size));
    if (missing > 0) {
      const message = `${missing} octets of a chunk of ${size} are missing.`;
      throw new Unreadable("incomplete-content", stream.at, message, "MC-6");
    }
    yield* readChunkEnd(stream);
  }
  const at = stream.at;
  const trailers = yield* readFields(stream, "trailer", problems);
  checkTrailers(trailers, at, problems);
  return trailers;
}

/** Reads `chunk-size [ chunk-ext ] CRLF`; 0 is the last chunk. */
function* readSize(stream: OctetStream, problems: Problem[]): Reading<number> {
  const line = yield* stream.line();
  if (line === undefined) {
    throw new Unreadable("incomplete-content", stream.length, "The stream stops before the last chunk.", "MC-6");
  }
  const { text, start, end, bareLf } = line;
  if (bareLf) problems.push(problem("bare-lf", end, "A chunk size ends in LF without CR.", "FR-18"));
  const digits = /^[0-9A-Fa-f]+/.exec(text)?.[0] ?? "";
  const rest = text.slice(digits.length);
  const size = Number.parseInt(digits, 16);
  if (digits === "" || size > Number.MAX_SAFE_INTEGER || /^[^; \t]/.test(rest)) {
    throw new Unreadable("bad-chunk-size", start, `A chunk size is ${quote(text)}.`);
  }
  if (!EXTENSIONS.test(rest)) {
    problems.push(problem("bad-chunk-extension", start + digits.length, `A chunk extension is ${quote(rest)}.`));
  }
  return size;
}

function* readChunkEnd(stream: OctetStream): Reading<void> {
  const matches = yield* stream.startsWith("\r\n");
  if (matches === undefined) {
    throw new Unreadable("incomplete-content", stream.length, "The stream stops after the data of a chunk.", "MC-6");
  }
  if (!matches) {
    const found = quote(stream.slice(stream.at, stream.at + 8));
    throw new Unreadable("missing-chunk-end", stream.at, `Chunk data is followed by ${found}, not CRLF.`);
  }
  stream.at += 2;
}
