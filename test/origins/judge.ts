import type { ParsedResponse } from "../../src/parser/response.js";
import type { Seen } from "../helpers/wire.js";
import type { Framework, Shown } from "./scenario.js";

/** What a bare framework did, in one word. */
export type Word = "fine" | "empty" | "reset" | "truncated" | "timeout" | "malformed" | "surplus" | "crash" | "wrong";

/** Codes of the parser for a message that stops before its end: a visible break. */
const INCOMPLETE = new Set([
  "incomplete-content",
  "incomplete-header-section",
  "incomplete-status-line",
  "incomplete-trailer-section",
]);

/** Why `response` is not what a correct origin server shows, or `undefined`. */
export function mismatch(response: ParsedResponse | undefined, shown: Shown, seen: Seen): string | undefined {
  if (shown.kind === "gone") return undefined;
  if (response === undefined) {
    return `no response: ${seen.end === "open" ? "timeout" : seen.end}, ${seen.octets.length} octets`;
  }
  if (shown.kind === "cut") return cutMismatch(response, seen);
  if (!response.complete) return `incomplete (${codes(response)}), status ${response.status}`;
  if (response.problems.length > 0) return `problems: ${codes(response)}`;
  if (shown.kind === "complete") return undefined;
  if (shown.kind === "own") return ownMismatch(response, shown);
  if (!shown.statuses.includes(response.status)) return `status ${response.status}, not ${shown.statuses.join(" or ")}`;
  return shown.kind === "replaced" ? fieldMismatch(response, shown.fields) : undefined;
}

function cutMismatch(response: ParsedResponse, seen: Seen): string | undefined {
  if (response.complete) return `complete ${response.status} where a visible break was due`;
  if (seen.end === "open") return "timeout inside the response";
  const other = response.problems.filter(({ code }) => !INCOMPLETE.has(code));
  return other.length > 0 ? `problems: ${other.map(({ code }) => code).join(", ")}` : undefined;
}

function ownMismatch(response: ParsedResponse, shown: Shown & { kind: "own" }): string | undefined {
  if (response.status !== shown.status) return `status ${response.status}, not the app's ${shown.status}`;
  const { content } = shown;
  const right =
    content === undefined ||
    (typeof content === "string"
      ? response.text() === content
      : content instanceof RegExp
        ? content.test(response.text())
        : content(response.content));
  if (!right)
    return `content ${JSON.stringify(response.content.subarray(0, 60).toString("latin1"))} (${response.content.length})`;
  return fieldMismatch(response, shown.fields);
}

function fieldMismatch(response: ParsedResponse, fields: Record<string, string | RegExp | null>): string | undefined {
  for (const [name, wanted] of Object.entries(fields)) {
    const value = response.field(name);
    const right =
      wanted === null
        ? value === undefined
        : value !== undefined && (typeof wanted === "string" ? value === wanted : wanted.test(value));
    if (!right) return `field ${name} is ${JSON.stringify(value)}`;
  }
  return undefined;
}

/** What must hold for every answer of a guarded origin server, whatever it was asked for. */
export function promiseBroken(seen: Seen, framework: Framework, actions: readonly string[]): string | undefined {
  for (const response of seen.responses) {
    const { status } = response;
    if (status !== 0 && (status < 200 || status > 599) && status !== 101) return `status ${status}`;
    if (status === 502 || status === 504 || (status >= 520 && status <= 530))
      return `status ${status}, which the edge replaces`;
    const sectionOctets = response.fields.reduce(
      (sum, [name, value]) => sum + name.length + value.length + 4,
      response.reason.length,
    );
    if (sectionOctets > 131_072) return `header section of ${sectionOctets} octets`;
    const length = response.fieldLines("content-length").join();
    if (length !== "" && !/^\d+$/.test(length)) return `Content-Length ${JSON.stringify(length)}`;
    if (response.fields.length > 256) return `${response.fields.length} field lines`;
    if (status >= 500 && actions.includes("replaced")) {
      const wrong = fallbackMismatch(response, framework);
      if (wrong !== undefined) return wrong;
    }
  }
  return undefined;
}

function fallbackMismatch(response: ParsedResponse, framework: Framework): string | undefined {
  const control = response.field("cache-control") ?? "";
  if (framework === "node" && !/no-store/.test(control))
    return `fallback with Cache-Control ${JSON.stringify(control)}`;
  if (/public|max-age=[1-9]/.test(control)) return `cacheable fallback: ${control}`;
  for (const name of ["content-encoding", "etag", "content-range", "last-modified"]) {
    if (response.field(name) !== undefined) return `fallback with ${name}`;
  }
  // Fastify's own error page names the message; that is the app's answer and stays.
  const text = response.text();
  if (framework !== "fastify" && /secret/.test(text)) return "fallback with the message of the error";
  if (/\n {4}at /.test(text)) return "fallback with a stack";
  return undefined;
}

/** One word for what a connection showed when it was not right. */
export function wordFor(seen: Seen, crashed: boolean): Word {
  if (crashed) return "crash";
  const all = [...seen.problems];
  if (all.some(({ code }) => code === "surplus-octets")) return "surplus";
  if (all.some(({ code }) => !INCOMPLETE.has(code) && code !== "unanswered" && code !== "no-final-response"))
    return "malformed";
  const last = seen.responses.at(-1);
  if (last?.complete && seen.responses.length >= seen.requests) return "wrong";
  if (seen.end === "open") return "timeout";
  if (last === undefined || last.complete) return seen.end === "reset" ? "reset" : "empty";
  return "truncated";
}

export function codes(response: ParsedResponse): string {
  return response.problems.map(({ code }) => code).join(", ");
}
