import { randomBytes } from "node:crypto";
import type { ExchangeRequest } from "../../testing/index.js";

/** Field lines of a request. */
export type Fields = [name: string, value: string][];

/** A request as it is meant: `fields` replace those of the same name. */
export interface Meant {
  readonly method?: string;
  readonly path?: string;
  readonly version?: "1.0" | "1.1";
  readonly fields?: Fields;
  readonly body?: string;
}

/** Address of the visitor: one of those that stand for nobody (RFC 5737). */
const VISITOR = "203.0.113.7";

/**
 * The fields with which the edge asks an origin server on behalf of a visitor who came by https.
 * @see https://developers.cloudflare.com/fundamentals/reference/http-headers/
 */
export function edgeFields(authority: string): Fields {
  return [
    ["Host", authority],
    ["CF-RAY", `${randomBytes(8).toString("hex")}-FRA`],
    ["CF-Connecting-IP", VISITOR],
    ["CF-IPCountry", "XX"],
    ["CF-Visitor", '{"scheme":"https"}'],
    ["X-Forwarded-For", VISITOR],
    ["X-Forwarded-Proto", "https"],
    ["CDN-Loop", "cloudflare; loops=1"],
    ["Accept-Encoding", "br, gzip"],
    ["Accept", "*/*"],
    ["User-Agent", "Mozilla/5.0 (compatible; rayguard-probe)"],
    ["Connection", "Keep-Alive"],
  ];
}

/** Puts `added` in place of the fields of the same name. */
export function withFields(fields: Fields, added: Fields): Fields {
  const names = new Set(added.map(([name]) => name.toLowerCase()));
  return [...fields.filter(([name]) => !names.has(name.toLowerCase())), ...added];
}

/** A request for `exchange`. */
export function encoded(meant: Meant, path: string, fields: Fields): ExchangeRequest {
  const { method = "GET", version = "1.1", body } = meant;
  const headers = withFields(fields, meant.fields ?? []);
  return { method, path: meant.path ?? path, version, headers, ...(body === undefined ? {} : { body }) };
}

/** How a request is named in findings. */
export function nameOf({ method = "GET", path, version }: Meant, defaultPath: string): string {
  return `${method} ${path ?? defaultPath}${version === "1.0" ? " (HTTP/1.0)" : ""}`;
}

/** A path nobody serves, a new one each time. */
export function missingPath(): string {
  return `/rayguard-probe-${token()}`;
}

/** Twelve letters and digits that no response has by chance. */
export function token(): string {
  return randomBytes(6).toString("hex");
}
