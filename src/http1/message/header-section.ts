import type { IncomingMessage } from "node:http";
import { type FieldLine, fieldLinesIn, reasonIn, statusIn } from "../../http/message.js";
import { isBodiless, reasonOf } from "../../http/status.js";
import type { RouteSettings, Terms } from "../../options/options.js";
import { type Failure, ruleBroken } from "../../report/incidents.js";
import {
  type Draft,
  type DraftField,
  type HeadersArgument,
  readFields,
  readHeaders,
  readTexts,
  valuesOf,
} from "../../validity/draft.js";
import { judge } from "../../validity/guarded/index.js";
import { isRefused } from "../../validity/refused.js";
import { coding, isPlainlyValid, isPlainStatus } from "../../validity/scan.js";
import type { NativeMethods } from "../node/native-methods.js";
import { kOutHeaders, type NodeResponse, versionOf } from "../node/node-internals.js";
import { readFirstLine, setStatus } from "./first-line.js";

/** What a header section became. */
export interface Rendering {
  /** Of the status line that was rendered. */
  readonly status: number;
  readonly repairs: readonly Failure[];
  /** Set where the response has to be replaced; then nothing was rendered. */
  readonly failure: Failure | null;
  /** Field lines of a response that is not sent. */
  readonly lost: readonly FieldLine[];
  /** Content-Encoding of the content that follows; null where nothing can be told of it by its first octets. */
  readonly coding: string | null;
}

/** The usual case, shared while the status is the same: nothing to say. */
let asItIs: Rendering = { status: 200, repairs: [], failure: null, lost: [], coding: null };

export interface RenderingContext {
  readonly request: IncomingMessage;
  readonly response: NodeResponse;
  readonly native: NativeMethods;
  readonly isHttp11: boolean;
  readonly settings: RouteSettings;
  readonly terms: Pick<Terms, "gatewayStatus">;
  /** `end()` is on the stack, with all of the content. */
  readonly inEnd: boolean;
  /** What is written now may come from where nobody catches what that throws. */
  readonly isUnattended: boolean;
}

/**
 * Renders the header section through Node, after whatever repairs the guarded rules ask for. Every value is read once:
 * one that answers differently the next time must not get past the rules.
 */
export function renderHeaderSection(context: RenderingContext, firstLine: string, given: HeadersArgument): Rendering {
  const { response, native } = context;
  const { status, isValid } = readFirstLine(firstLine);
  // Node would close without a word.
  if (response._removedConnection && (!response.shouldKeepAlive || versionOf(context.request) === "1.0"))
    response._removedConnection = false;
  if (!response._hasBody) {
    // A `writeHead(204)` that threw half-way has left this behind: the answer in its place has content.
    response._hasBody = context.request.method !== "HEAD" && status >= 200 && !isBodiless(status);
  }
  // Node keeps the fields of `setHeader` in an object without prototype; a look at that is cheaper than at the response.
  const isOutHeaders =
    given !== null &&
    given !== undefined &&
    Object.getPrototypeOf(given) === null &&
    kOutHeaders !== undefined &&
    given === (response as unknown as Record<symbol, unknown>)[kOutHeaders];
  const headers = isOutHeaders ? given : readHeaders(given);
  if (Array.isArray(headers) && headers.length % 2 !== 0) native._storeHeader.call(response, firstLine, headers); // it throws
  // Node frames what it renders, and takes the word of whoever has set this before; RFC 9112, section 6.1.
  response.chunkedEncoding = false;
  // For HTTP/1.0 it is an app, or TE in the request, that asks for chunks.
  const isUnchunked = context.isHttp11 || !response.useChunkedEncodingByDefault;
  if (
    (status === 200 || isPlainStatus(status)) &&
    isUnchunked &&
    isValid &&
    !(response._removedTE && response._removedContLen)
  ) {
    const { shouldKeepAlive, sendDate } = response;
    if (
      isPlainlyValid(headers, isOutHeaders, context.isHttp11, shouldKeepAlive, sendDate, context.settings.maxFieldLines)
    ) {
      const found = coding;
      native._storeHeader.call(response, firstLine, headers);
      if (status !== asItIs.status) asItIs = { ...asItIs, status };
      return found === null ? asItIs : { ...asItIs, coding: codingOf(response, status, [found]) };
    }
  }
  return renderJudged(context, firstLine, headers, isOutHeaders);
}

function renderJudged(
  context: RenderingContext,
  firstLine: string,
  headers: HeadersArgument,
  isOut: boolean,
): Rendering {
  const { response, native } = context;
  const fields = readFields(headers, isOut);
  readTexts(fields);
  const draft = draftOf(context, firstLine, fields);
  if (isRefused(draft, isOut, response) && !context.isUnattended) {
    // What Node throws is the app's to catch, and leaves it free to write another header section.
    native._storeHeader.call(response, firstLine, isOut ? headers : flatten(fields));
    response._header = null;
  }
  const { status, reason } = draft;
  // `writeHead()` takes away each field before it sets it; one that the rules drop then counts as taken away by the app.
  const setsConnection = fields.some(({ name }) => name.toLowerCase() === "connection");
  const { repairs, replace } = judge(draft);
  if (replace !== null) {
    // A recipient never sees this; it tells the app that its header section is decided.
    response._header = firstLine;
    const failure = ruleBroken(replace.rule, replace.found);
    return { status, repairs: [], failure, lost: linesOf(draft), coding: null };
  }
  if (draft.status !== status || draft.reason !== reason) {
    setStatus(response, draft.status, draft.reason);
    firstLine = `HTTP/1.1 ${draft.status} ${draft.reason || (reasonOf(draft.status) ?? "unknown")}\r\n`;
  } else if (response.statusCode !== status) setStatus(response, status, reason);
  if (draft.needsDate) response.sendDate = true;
  if (!draft.chunksByDefault) response.useChunkedEncodingByDefault = false;
  if (draft.needsFraming) response._removedTE = response._removedContLen = false;
  if (setsConnection) response._removedConnection = false;
  if (!draft.content) response._hasBody = false;
  native._storeHeader.call(response, firstLine, flatten(draft.fields));
  if (draft.requestCloses) response._last = true;
  return {
    status: draft.status,
    repairs: repairs.map(({ rule, found }) => ruleBroken(rule, found)),
    failure: null,
    lost: [],
    coding: codingOf(response, draft.status, valuesOf(draft, "content-encoding")),
  };
}

/** The one coding of whole content. A part of it (206) begins anywhere. */
export function codingOf(response: NodeResponse, status: number, codings: readonly unknown[]): string | null {
  if (codings.length !== 1 || !response._hasBody || status === 206) return null;
  return String(codings[0]);
}

function flatten(fields: readonly DraftField[]): unknown[] {
  const flat: unknown[] = [];
  for (const { name, value } of fields) flat.push(name, value);
  return flat;
}

export function draftOf(context: RenderingContext, firstLine: string, fields: DraftField[]): Draft {
  const { request, response, settings, terms, inEnd } = context;
  return {
    method: request.method ?? "",
    version: context.isHttp11 ? "1.1" : "1.0",
    requestCloses: !response.shouldKeepAlive,
    upgradeOffered: request.headers.upgrade,
    contentOctets: inEnd ? response._contentLength : null,
    framingRemoved: response._removedTE && response._removedContLen,
    addsDate: response.sendDate,
    gatewayStatus: terms.gatewayStatus,
    maxFieldLines: settings.maxFieldLines,
    status: statusIn(firstLine),
    reason: reasonIn(firstLine),
    fields,
    content: response._hasBody,
    chunksByDefault: response.useChunkedEncodingByDefault,
    needsDate: false,
    needsFraming: false,
  };
}

function linesOf(draft: Draft): FieldLine[] {
  const lines: FieldLine[] = [];
  for (const { name, value } of draft.fields) {
    for (const item of Array.isArray(value) ? value : [value]) {
      if (typeof item === "string") lines.push([String(name), item]);
    }
  }
  return lines;
}

/** Field lines of a response, rendered or not. */
export function fieldsOf(response: NodeResponse): FieldLine[] {
  const rendered = response._header;
  if (typeof rendered === "string") return fieldLinesIn(rendered);
  const lines: FieldLine[] = [];
  for (const [name, value] of Object.entries(response.getHeaders())) {
    for (const item of Array.isArray(value) ? value : [value]) {
      if (typeof item === "string" || typeof item === "number") lines.push([name, String(item)]);
    }
  }
  return lines;
}

/** What is wrong with the size of a rendered header section. */
export function checkSize(rendered: string, most: number): Failure | null {
  if (rendered.length <= most) return null;
  return ruleBroken(
    "HF-18",
    `The header section has ${rendered.length} octets, and the edge takes ${most}; largest: ${largestFields(rendered)}.`,
  );
}

/** Names and sizes of the three largest fields; never their values, which may be cookies. */
export function largestFields(rendered: string): string {
  const sizes = new Map<string, number>();
  for (const [name, value] of fieldLinesIn(rendered)) {
    const key = name.toLowerCase();
    sizes.set(key, (sizes.get(key) ?? 0) + name.length + value.length + 4);
  }
  const top = [...sizes].sort((a, b) => b[1] - a[1]).slice(0, 3);
  return top.map(([name, octets]) => `${name.slice(0, 60)} (${octets} octets)`).join(", ");
}
