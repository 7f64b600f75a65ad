import type { IncomingMessage } from "node:http";
import { types } from "node:util";
import { HOP_BY_HOP } from "../http/fields.js";
import { FIELD_VALUE, TOKEN } from "../http/grammar.js";
import { type FieldLine, renderFields } from "../http/message.js";
import { reasonOf } from "../http/status.js";
import { type FallbackContent, negotiatedContent, RETRY_AFTER_S } from "./content.js";
import { isLostWithContent } from "./lost-content.js";

/** A complete response of the guard, ready to be framed by whichever protocol carries it. */
export interface Page {
  readonly status: number;
  readonly reason: string;
  /** Every field except Connection, which belongs to the transport. */
  readonly fields: readonly FieldLine[];
  readonly body: Buffer;
}

export interface PageRequest {
  readonly status: number;
  readonly ray: string | null;
  readonly request: IncomingMessage | null;
  /** `Retry-After` of a 503, in seconds. @default RETRY_AFTER_S */
  readonly retryAfterS?: number | undefined;
  /** Field lines of the response that is lost. */
  readonly lost: readonly FieldLine[];
  /** Fields of a thrown error. */
  readonly headers?: Record<string, unknown> | undefined;
  /** Content chosen by the user's `errorContent`, if it was asked and answered. */
  readonly content?: FallbackContent | undefined;
}

/**
 * Fields of the lost response that still hold for the fallback: who may read it, how it is shielded, which request
 * it answers. Everything that described the lost content, and everything about caching it, is left out.
 */
const KEPT = new Set([
  "vary",
  "timing-allow-origin",
  "strict-transport-security",
  "content-security-policy",
  "content-security-policy-report-only",
  "x-content-type-options",
  "x-frame-options",
  "x-xss-protection",
  "x-dns-prefetch-control",
  "x-download-options",
  "x-permitted-cross-domain-policies",
  "referrer-policy",
  "permissions-policy",
  "cross-origin-opener-policy",
  "cross-origin-embedder-policy",
  "cross-origin-resource-policy",
  "origin-agent-cluster",
  "x-request-id",
  "request-id",
  "x-correlation-id",
  "traceresponse",
]);

/** Fields a thrown error may not set, beside those of the connection and those lost with the content: the fallback has its own. */
const OWN = /^(?:content-(?!security-policy|range)|date$|cache-control$|proxy-|:)/;

/** Composes the fallback; whatever goes wrong on the way leads to `lastResort`. */
export function composePage(asked: PageRequest): Page {
  try {
    const content = usable(asked.content) ?? negotiatedContent(asked.request, asked);
    const body = Buffer.from(content.body as string);
    const own = errorFields(asked.headers, asked.status);
    const given = new Set(own.map(([name]) => name.toLowerCase()));
    const fields: FieldLine[] = [...keptFields(asked.lost).filter(([name]) => !given.has(name.toLowerCase())), ...own];
    return finish(asked.status, fields, content.contentType, body, asked.retryAfterS);
  } catch {
    return lastResort(asked.status, asked.ray, asked.retryAfterS);
  }
}

/** The fallback that calls no user code and formats nothing that can throw. */
export function lastResort(status: number, ray: string | null, retryAfterS?: number): Page {
  return finish(
    status,
    [],
    "text/plain; charset=utf-8",
    Buffer.from(ray === null ? `${status}\n` : `${status}\nRay ID: ${ray}\n`),
    retryAfterS,
  );
}

function finish(
  status: number,
  fields: FieldLine[],
  contentType: string,
  body: Buffer,
  retryAfterS = RETRY_AFTER_S,
): Page {
  fields.push(
    ["Content-Type", contentType],
    ["Cache-Control", "no-store"],
    ["Content-Length", String(body.byteLength)],
    ["Date", new Date().toUTCString()],
  );
  const asksForPatience = status === 503 && !fields.some(([name]) => name.toLowerCase() === "retry-after");
  if (asksForPatience) fields.push(["Retry-After", String(retryAfterS)]);
  return { status, reason: reasonOf(status) ?? "Error", fields, body };
}

function usable(content: FallbackContent | undefined): FallbackContent | undefined {
  if (content === undefined || content === null || typeof content !== "object") return undefined;
  try {
    const { contentType, body } = content;
    const ok = typeof contentType === "string" && /^[^\s/]+\/[^\s]+/.test(contentType) && FIELD_VALUE.test(contentType);
    return ok && (typeof body === "string" || types.isUint8Array(body)) ? { contentType, body } : undefined;
  } catch {
    return undefined; // a getter that throws
  }
}

function keptFields(lost: readonly FieldLine[]): FieldLine[] {
  return lost.filter(([name, value]) => {
    const key = name.toLowerCase();
    return (KEPT.has(key) || key.startsWith("access-control-")) && FIELD_VALUE.test(value) && TOKEN.test(name);
  });
}

function errorFields(headers: Record<string, unknown> | undefined, status: number): FieldLine[] {
  const fields: FieldLine[] = [];
  if (headers === undefined || headers === null || typeof headers !== "object") return fields;
  for (const name of Object.keys(headers)) {
    let value: unknown;
    try {
      value = headers[name];
    } catch {
      continue; // a getter that throws
    }
    const text = typeof value === "number" ? String(value) : value;
    if (typeof text !== "string" || !FIELD_VALUE.test(text) || !TOKEN.test(name) || text.length > 4_096) continue;
    const key = name.toLowerCase();
    if (!OWN.test(key) && !HOP_BY_HOP.has(key) && !isLostWithContent(name, text, status)) fields.push([name, text]);
  }
  return fields;
}

/**
 * Renders a page as an HTTP/1.1 message.
 * @param method - decides whether the content goes out (RFC 9110, section 9.3.2); `undefined` where nobody could read
 *   it: the message then says that there is none, which holds for every method
 */
export function renderHttp1(page: Page, method: string | undefined, closes: boolean): { head: string; octets: Buffer } {
  const { status, reason, fields, body } = method === undefined ? withoutContent(page) : page;
  let head = `HTTP/1.1 ${status} ${reason}\r\n`;
  head += renderFields(fields);
  head += closes ? "Connection: close\r\n\r\n" : "Connection: keep-alive\r\n\r\n";
  const section = Buffer.from(head, "latin1");
  return { head, octets: method === "HEAD" ? section : Buffer.concat([section, body]) };
}

function withoutContent({ fields, ...page }: Page): Page {
  const kept = fields.filter(([name]) => !/^content-(?:type|length)$/i.test(name));
  return { ...page, fields: [...kept, ["Content-Length", "0"]], body: Buffer.alloc(0) };
}
