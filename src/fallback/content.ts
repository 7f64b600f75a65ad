import type { IncomingMessage } from "node:http";
import { reasonOf } from "../http/status.js";
import { preferredType } from "./accept.js";

/** Content of a fallback. */
export interface FallbackContent {
  contentType: string;
  body: string | Uint8Array;
}

/** What the built-in content may tell a client: never a message, a stack or a code of the app. */
export interface FallbackFacts {
  readonly status: number;
  readonly ray: string | null;
  /** Seconds to wait before another try. @default RETRY_AFTER_S */
  readonly retryAfterS?: number | undefined;
}

/** What there is to choose from, best first. */
export const CONTENT_TYPES = ["application/problem+json", "application/json", "text/html", "text/plain"];

/**
 * Chooses among problem+json, HTML and text by the request's Accept field.
 * @see RFC 9110, section 12.5.1; RFC 9457
 */
export function negotiatedContent(request: IncomingMessage | null, facts: FallbackFacts): FallbackContent {
  const type = request === null ? CONTENT_TYPES[3] : preferredType(request, CONTENT_TYPES);
  switch (type) {
    case "application/problem+json":
    case "application/json":
      return { contentType: type, body: problem(facts) };
    case "text/html":
      return { contentType: "text/html; charset=utf-8", body: page(facts) };
    default:
      return { contentType: "text/plain; charset=utf-8", body: text(facts) };
  }
}

/** Accept fields whose choice is kept: clients of one origin send a handful. */
const MOST_FIELDS = 64;
const MOST_OCTETS = 512;
const kinds = new Map<string, number>();
/** The latest one again, nearly always: to compare it costs less than to look it up. */
let latest = { accept: "", kind: -1 };

/** Which of `CONTENT_TYPES` a request asks for. */
export function kindOf(request: IncomingMessage | null): number {
  const last = CONTENT_TYPES.length - 1;
  if (request === null) return last;
  const accept = request.headers.accept ?? "";
  if (latest.accept === accept && latest.kind !== -1) return latest.kind;
  const known = kinds.get(accept);
  if (known !== undefined) {
    latest = { accept, kind: known };
    return known;
  }
  const at = CONTENT_TYPES.indexOf(preferredType(request, CONTENT_TYPES) ?? "");
  const kind = at === -1 ? last : at;
  if (kinds.size < MOST_FIELDS && accept.length <= MOST_OCTETS) kinds.set(accept, kind);
  return kind;
}

/** Longest time a client is told to wait, in seconds: long enough for a restart, short enough for a person. */
export const RETRY_AFTER_S = 5;

function problem({ status, ray, retryAfterS = RETRY_AFTER_S }: FallbackFacts): string {
  return JSON.stringify({
    type: "about:blank",
    title: title(status),
    status,
    detail: detail(status),
    ...(ray === null ? {} : { instance: ray, ray_id: ray }),
    retryable: status === 503,
    ...(status === 503 ? { retry_after: retryAfterS } : {}),
  });
}

function page({ status, ray }: FallbackFacts): string {
  // No style and no script: the page must pass any Content-Security-Policy the app had set.
  return (
    `<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n` +
    `<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>${status} ${title(status)}</title>\n` +
    `</head>\n<body>\n<h1>${status} ${title(status)}</h1>\n<p>${detail(status)}</p>\n` +
    `${ray === null ? "" : `<p>Ray ID: <code>${ray}</code></p>\n`}</body>\n</html>\n`
  );
}

function text({ status, ray }: FallbackFacts): string {
  return `${status} ${title(status)}\n${detail(status)}\n${ray === null ? "" : `Ray ID: ${ray}\n`}`;
}

function title(status: number): string {
  return reasonOf(status) ?? "Error";
}

function detail(status: number): string {
  if (status === 503) return "The server cannot answer right now. Please try again in a moment.";
  return status < 500 ? "The request could not be served." : "The server could not complete this request.";
}
