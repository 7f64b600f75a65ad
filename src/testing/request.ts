import { FIELD_VALUE, isDigits, isToken, REQUEST_LINE, trimWhitespace } from "../http/grammar.js";
import { endOfSection, fieldLinesIn, renderFields } from "../http/message.js";
import { readChunked } from "../parser/chunked.js";
import { Content } from "../parser/content.js";
import { type Field, fieldLines, listMembers } from "../parser/fields.js";
import { OctetStream } from "../parser/octet-stream.js";
import { Unreadable } from "../parser/problems.js";
import type { RequestFacts } from "../parser/read-response.js";
import { badArgument, checkNames } from "./argument.js";

/** A request to be written with correct framing; for any other write the octets yourself. */
export interface ExchangeRequest {
  /** @default "GET" */
  method?: string;
  /** Request target. @default "/", or the path of a URL given as target */
  path?: string;
  /** `Host` and `Content-Length` are added unless given; an empty array leaves a field out. */
  headers?: Record<string, string | string[]> | [string, string][];
  /** A string is written as UTF-8. Beside a `Transfer-Encoding` of yours, the chunks are yours too. */
  body?: string | Uint8Array;
  /** @default "1.1" */
  version?: "1.0" | "1.1";
}

/** Octets to be written in one go, and the requests that are in them. */
export interface Outgoing {
  readonly octets: Buffer;
  readonly requests: readonly RequestFacts[];
}

const NAMES = ["method", "path", "headers", "body", "version"];
const TARGET = /^[\x21-\x7e\x80-\xff]+$/;
const CONTENT_EXPECTED = new Set(["POST", "PUT", "PATCH"]);

/** Writes a structured request as octets. */
export function encodeRequest(request: ExchangeRequest, host: string, defaultPath: string): Outgoing {
  if (request === null || typeof request !== "object") {
    throw badArgument(`A request must be a string, octets or an object; got ${String(request)}.`);
  }
  checkNames(request, NAMES, "A request");
  const { method = "GET", path = defaultPath, version = "1.1" } = request;
  if (!isToken(method)) throw badArgument(`method must be a token; got ${JSON.stringify(method)}.`);
  if (!TARGET.test(path)) throw badArgument(`path must be octets without space; got ${JSON.stringify(path)}.`);
  if (version !== "1.0" && version !== "1.1") throw badArgument(`version must be "1.0" or "1.1"; got ${version}.`);

  const body = contentOf(request);
  const fields = fieldsOf(request);
  const given = new Set(givenNames(request));
  if (!given.has("host")) fields.unshift(["Host", host]);
  if (!given.has("content-length") && !given.has("transfer-encoding")) {
    if (body !== undefined || CONTENT_EXPECTED.has(method)) fields.push(["Content-Length", String(body?.length ?? 0)]);
  }
  const head = Buffer.from(`${method} ${path} HTTP/${version}\r\n${renderFields(fields)}\r\n`, "latin1");
  const octets = body === undefined ? head : Buffer.concat([head, body]);
  return { octets, requests: [factsOf(method, version, fields)] };
}

/**
 * Finds the requests in octets that were written by hand. There is always one; a later one counts when its header
 * section is whole, or when its first line is none of a request, since that is to be answered with 400.
 */
export function readRequests(octets: Buffer): Outgoing {
  const requests: RequestFacts[] = [];
  let at = 0;
  for (;;) {
    while (octets[at] === 0x0d && octets[at + 1] === 0x0a) at += 2;
    const lineEnd = octets.indexOf("\r\n", at);
    const line = octets.toString("latin1", at, lineEnd === -1 ? Math.min(octets.length, at + 4096) : lineEnd);
    const [, method, , version] = REQUEST_LINE.exec(line) ?? [];
    const headEnd = endOfSection(octets, at);
    if (method === undefined || headEnd === -1) {
      if (requests.length === 0 || (method === undefined && lineEnd !== -1)) requests.push(guess(line));
      return { octets, requests };
    }
    const fields = fieldLinesIn(octets.toString("latin1", at, headEnd)).map(
      ([name, value]): Field => [name.trim(), trimWhitespace(value)],
    );
    const facts = factsOf(method, version === "1.0" ? "1.0" : "1.1", fields);
    requests.push(facts);
    const end = contentEnd(octets, headEnd, fields);
    if (end === undefined || facts.upgrade === true || method === "CONNECT") return { octets, requests };
    at = end;
  }
}

function contentOf({ body }: ExchangeRequest): Buffer | undefined {
  if (body === undefined) return undefined;
  if (typeof body === "string") return Buffer.from(body);
  if (body instanceof Uint8Array) return Buffer.from(body);
  throw badArgument(`body must be a string or octets; got ${String(body)}.`);
}

function fieldsOf({ headers = [] }: ExchangeRequest): [string, string][] {
  const entries: [string, string | string[]][] = Array.isArray(headers) ? headers : Object.entries(headers);
  const fields = entries.flatMap(([name, values]) => [values].flat().map((value): [string, string] => [name, value]));
  for (const [name, value] of fields) {
    if (!isToken(name)) throw badArgument(`A field name must be a token; got ${JSON.stringify(name)}.`);
    if (typeof value !== "string" || !FIELD_VALUE.test(value)) {
      throw badArgument(`${name} must be a string of octets without controls; got ${JSON.stringify(value)}.`);
    }
  }
  return fields;
}

function givenNames({ headers = [] }: ExchangeRequest): string[] {
  const names = Array.isArray(headers) ? headers.map(([name]) => name) : Object.keys(headers);
  return names.map((name) => name.toLowerCase());
}

function factsOf(method: string, version: "1.0" | "1.1", fields: readonly Field[]): RequestFacts {
  const options = listMembers(fields, "connection");
  const close = options.includes("close") || (version === "1.0" && !options.includes("keep-alive"));
  return { method, version, upgrade: fieldLines(fields, "upgrade").length > 0, close };
}

function guess(line: string): RequestFacts {
  return { method: line.split(" ", 1)[0] || "GET", version: / HTTP\/1\.0$/.test(line) ? "1.0" : "1.1" };
}

/** Offset behind the content that starts at `start`; `undefined` when it cannot be told. */
function contentEnd(octets: Buffer, start: number, fields: readonly Field[]): number | undefined {
  if (listMembers(fields, "transfer-encoding").at(-1) === "chunked") {
    const stream = new OctetStream(octets);
    stream.at = start;
    stream.stop("fin");
    try {
      readChunked(stream, new Content(), []).next();
    } catch (error) {
      if (error instanceof Unreadable) return undefined;
      throw error;
    }
    return stream.at;
  }
  const [length = "0"] = fieldLines(fields, "content-length");
  return isDigits(length) ? start + Number(length) : undefined;
}
