import type { IncomingMessage } from "node:http";
import { type Failure, ruleBroken } from "../incidents.js";
import type { RouteSettings, Settings } from "../options.js";
import { type Draft, type HeadersArgument, readFields } from "../validity/draft.js";
import { judge, reasonOf } from "../validity/guarded/index.js";
import type { FieldLine } from "../validity/head.js";
import { isPlainlyValid } from "../validity/scan.js";
import { type NodeResponse, outHeadersOf, versionOf } from "./node-internals.js";
import type { NativeMethods } from "./response.js";

/** What a header section became. */
export interface Rendering {
  readonly repairs: readonly Failure[];
  /** Set where the response has to be replaced; then nothing was rendered. */
  readonly doom: Failure | null;
  /** Field lines of a doomed response. */
  readonly lost: readonly FieldLine[];
}

/** The usual case, shared: nothing to say. */
const AS_IT_IS: Rendering = { repairs: [], doom: null, lost: [] };

export interface RenderingContext {
  readonly request: IncomingMessage;
  readonly response: NodeResponse;
  readonly native: NativeMethods;
  readonly isHttp11: boolean;
  readonly settings: RouteSettings;
  readonly supervisor: { readonly enforces: boolean; readonly settings: Pick<Settings, "gatewayStatus"> };
  /** `end()` is on the stack, with all of the content. */
  readonly ending: boolean;
}

/** Renders the header section through Node, after whatever repairs the guarded rules ask for. */
export function renderHeaderSection(context: RenderingContext, firstLine: string, headers: HeadersArgument): Rendering {
  const { response, native } = context;
  const { statusCode } = response;
  // Node would close without a word.
  if (
    response._removedConnection &&
    (!response.shouldKeepAlive || versionOf(context.request) === "1.0") &&
    context.supervisor.enforces
  )
    response._removedConnection = false;
  if (
    !response._hasBody &&
    context.request.method !== "HEAD" &&
    statusCode >= 200 &&
    statusCode !== 204 &&
    statusCode !== 304
  ) {
    // A `writeHead(204)` that threw half-way has left this behind: the answer in its place has content.
    response._hasBody = true;
  }
  // Node keeps the fields of `setHeader` in an object without prototype; a look at that is cheaper than at the response.
  const isOutHeaders =
    headers !== null &&
    headers !== undefined &&
    Object.getPrototypeOf(headers) === null &&
    headers === outHeadersOf(response);
  if (isPlainStatus(response.statusCode) && !(response._removedTE && response._removedContLen)) {
    const { shouldKeepAlive, sendDate } = response;
    if (
      isPlainlyValid(headers, isOutHeaders, context.isHttp11, shouldKeepAlive, sendDate, context.settings.maxFieldLines)
    ) {
      native._storeHeader.call(response, firstLine, headers);
      return AS_IT_IS;
    }
  }
  return renderJudged(context, firstLine, headers, isOutHeaders);
}

/** 1xx, 204, 205 and 304 have framing rules of their own; 502 and 504 may be remapped. */
function isPlainStatus(status: number): boolean {
  if (status === 200) return true;
  if (status < 200 || status > 599) return false;
  return status !== 204 && status !== 205 && status !== 304 && status !== 502 && status !== 504;
}

function renderJudged(
  context: RenderingContext,
  firstLine: string,
  headers: HeadersArgument,
  isOut: boolean,
): Rendering {
  const { response, native } = context;
  const draft = draftOf(context, headers, isOut);
  const { status, reason } = draft;
  const { repairs, replace } = judge(draft);
  const found = repairs.map((repair) => ruleBroken(repair.rule, repair.found));
  if (!context.supervisor.enforces) {
    native._storeHeader.call(response, firstLine, headers);
    return {
      repairs: replace === null ? found : [...found, ruleBroken(replace.rule, replace.found)],
      doom: null,
      lost: [],
    };
  }
  if (replace !== null) {
    // A recipient never sees this; it tells the app that its header section is decided.
    response._header = firstLine;
    return { repairs: [], doom: ruleBroken(replace.rule, replace.found), lost: linesOf(draft) };
  }
  if (draft.status !== status || draft.reason !== reason) {
    response.statusCode = draft.status;
    response.statusMessage = draft.reason;
    firstLine = `HTTP/1.1 ${draft.status} ${draft.reason || reasonOf(draft.status)}\r\n`;
  }
  if (draft.needsDate) response.sendDate = true;
  if (draft.needsFraming) response._removedTE = response._removedContLen = false;
  if (!draft.content) response._hasBody = false;
  const flat: unknown[] = [];
  for (const { name, value } of draft.fields) flat.push(name, value);
  native._storeHeader.call(response, firstLine, flat);
  if (draft.requestCloses) response._last = true;
  return { repairs: found, doom: null, lost: [] };
}

function draftOf(context: RenderingContext, headers: HeadersArgument, isOutHeaders: boolean): Draft {
  const { request, response, settings, supervisor, ending } = context;
  return {
    method: request.method ?? "",
    version: versionOf(request),
    requestCloses: !response.shouldKeepAlive,
    upgradeOffered: request.headers.upgrade,
    contentOctets: ending ? response._contentLength : null,
    framingRemoved: response._removedTE && response._removedContLen,
    addsDate: response.sendDate,
    gatewayStatus: supervisor.settings.gatewayStatus,
    maxFieldLines: settings.maxFieldLines,
    status: response.statusCode,
    reason: response.statusMessage,
    fields: readFields(headers, isOutHeaders),
    content: response._hasBody,
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

/** Field lines of a rendered header section. */
function parseLines(rendered: string): FieldLine[] {
  const lines: FieldLine[] = [];
  for (const line of rendered.split("\r\n").slice(1)) {
    const colon = line.indexOf(": ");
    if (colon > 0) lines.push([line.slice(0, colon), line.slice(colon + 2)]);
  }
  return lines;
}

/** Field lines of a response, rendered or not. */
export function fieldsOf(response: NodeResponse): FieldLine[] {
  const rendered = response._header;
  if (typeof rendered === "string") return parseLines(rendered);
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
  for (const [name, value] of parseLines(rendered)) {
    const key = name.toLowerCase();
    sizes.set(key, (sizes.get(key) ?? 0) + name.length + value.length + 4);
  }
  const top = [...sizes].sort((a, b) => b[1] - a[1]).slice(0, 3);
  return top.map(([name, octets]) => `${name.slice(0, 60)} (${octets} octets)`).join(", ");
}
