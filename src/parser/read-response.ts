import { readChunked } from "./chunked.js";
import { Content, readLength, readToClose } from "./content.js";
import { checkSingletons, fieldLines, listMembers, readFields } from "./fields.js";
import { framingOf } from "./framing.js";
import type { OctetStream, Reading } from "./octet-stream.js";
import { problem, quote, Unreadable } from "./problems.js";
import { Draft, type InterimResponse } from "./response.js";
import { parseStatusLine, type StatusLine } from "./status-line.js";

/** The part of a request that decides how its response is read. */
export interface RequestFacts {
  readonly method: string;
  readonly version: "1.0" | "1.1";
  /** Has an Upgrade field; `undefined`: not known. */
  readonly upgrade?: boolean;
  /** Has `Connection: close`. */
  readonly close?: boolean;
}

/** Reads one response and the interim responses before it. At least one octet is there. */
export function* readResponse(stream: OctetStream, request: RequestFacts): Reading<Draft> {
  const draft = new Draft(stream.at);
  const content = new Content();
  try {
    const contentOctets = yield* readHead(stream, request, draft);
    yield* readContent(stream, contentOctets, draft, content);
    draft.complete = true;
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    draft.problems.push(error.problem);
    stream.at = Math.max(stream.at, error.problem.offset);
  }
  draft.content = content.read(stream);
  draft.end = stream.at;
  draft.closes = !draft.complete || closes(draft, request);
  return draft;
}

/** Whether what follows a response belongs to another protocol: after 101 and 2xx to CONNECT. */
export function opensTunnel({ complete, status }: Draft, { method }: RequestFacts): boolean {
  return complete && (status === 101 || (method === "CONNECT" && status >= 200 && status < 300));
}

/** Reads interim responses and the final header section; returns the length of the content, where it is framed so. */
function* readHead(stream: OctetStream, request: RequestFacts, draft: Draft): Reading<number> {
  const { problems, interim } = draft;
  for (;;) {
    const { status, reason, version } = yield* readStatusLine(stream, draft);
    const isInformational = status >= 100 && status < 200;
    const isInterim = isInformational && status !== 101;
    if (!isInterim) Object.assign(draft, { status, reason, version });
    const at = stream.at;
    if (isInformational && (request.version === "1.0" || version === "1.0")) {
      problems.push(problem("interim-in-1.0", at, `HTTP/1.0 does not know ${status}, nor any other interim response.`));
    }
    const fields = yield* readFields(stream, isInterim ? "interim" : "header", problems);
    if (!isInterim) draft.fields = fields;
    const subject = { method: request.method, requestVersion: request.version, status, version, fields };
    const { framing, octets } = framingOf(subject, at, problems);
    if (isInterim) {
      interim.push({ status, reason, fields });
      continue;
    }
    draft.framing = framing;
    checkHead(draft, request, at);
    return octets;
  }
}

function* readContent(stream: OctetStream, octets: number, draft: Draft, content: Content): Reading<void> {
  const at = stream.at;
  if (draft.framing === "chunked") draft.trailers = yield* readChunked(stream, content, draft.problems);
  else if (draft.framing === "length") yield* readLength(stream, octets, content);
  else if (draft.framing === "close") yield* readToClose(stream, content);
  if (draft.status === 205 && content.octets > 0) {
    draft.problems.push(problem("content-not-allowed", at, "A 205 response has content."));
  }
}

/** Reads a status line, of the final response or of another interim one. */
function* readStatusLine(stream: OctetStream, { problems, interim }: Draft): Reading<StatusLine> {
  const before: InterimResponse | undefined = interim.at(-1);
  while (yield* stream.startsWith("\r\n")) {
    problems.push(problem("leading-empty-line", stream.at, "An empty line stands before the status line."));
    stream.at += 2;
  }
  const start = stream.at;
  const isHttp = yield* stream.startsWith("HTTP/");
  if (isHttp === false) {
    const found = quote(stream.slice(start, stream.length));
    // Behind another response these octets are more than it was to have.
    const rule = before !== undefined ? "IR-2" : start > 0 ? "MC-7" : undefined;
    throw new Unreadable("not-http", start, `A status line was expected, not ${found}.`, rule);
  }
  const line = isHttp ? yield* stream.line() : undefined;
  if (line !== undefined) {
    const parsed = parseStatusLine(line);
    problems.push(...parsed.problems);
    return parsed;
  }
  if (before !== undefined && stream.length === start) {
    const rule = before.status === 100 ? "MC-3" : "SL-3";
    throw new Unreadable("no-final-response", start, `No final response follows the ${before.status}.`, rule);
  }
  throw new Unreadable("incomplete-status-line", stream.length, "The stream stops within a status line.");
}

/** What a final status asks of its header section, which starts at offset `at`. */
function checkHead({ status, fields, problems }: Draft, request: RequestFacts, at: number): void {
  checkSingletons(fields, at, problems);
  if (status >= 200 && status < 500 && fieldLines(fields, "date").length === 0) {
    problems.push(problem("missing-date", at, `A ${status} response has no Date.`));
  }
  if (status !== 101) return;
  const listed = listMembers(fields, "connection").includes("upgrade");
  if (fieldLines(fields, "upgrade").length === 0 || !listed) {
    problems.push(problem("switch-without-upgrade", at, "A 101 response lacks Upgrade or Connection: upgrade."));
  }
  if (request.upgrade === false) {
    problems.push(problem("unrequested-switch", at, "A 101 response to a request without Upgrade."));
  }
}

/** Whether the connection is of no use after a complete response. RFC 9112, section 9.3. */
function closes(draft: Draft, request: RequestFacts): boolean {
  if (draft.framing === "close" || request.close === true || opensTunnel(draft, request)) return true;
  const options = listMembers(draft.fields, "connection");
  if (options.includes("close")) return true;
  return (draft.version === "1.0" || request.version === "1.0") && !options.includes("keep-alive");
}
