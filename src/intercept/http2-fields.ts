import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http2";
import type { Page } from "../fallback/page.js";
import { type Failure, ruleBroken } from "../incidents.js";
import { type Draft, readFields } from "../validity/draft.js";
import { judge } from "../validity/guarded/index.js";
import type { FieldLine } from "../validity/head.js";
import { sortTrailers } from "../validity/trailers.js";
import type { Http2Exchange } from "./http2.js";
import { checkInterim } from "./interim.js";

/** A field section as `node:http2` takes it: pseudo-header fields, and values by name. */
export type Fields = Record<string, unknown>;

/** Runs the rules over the header section; repairs are made in `fields`. */
export function judgeHead(
  exchange: Http2Exchange,
  fields: Fields,
  endsHere: boolean,
  addsDate: boolean,
): Failure | null {
  const status = Number(fields[":status"] ?? 200);
  const draft: Draft = {
    method: exchange.request.method ?? "",
    version: "2.0",
    requestCloses: false,
    upgradeOffered: undefined,
    contentOctets: endsHere ? 0 : null,
    framingRemoved: false,
    addsDate: addsDate || fields.date !== undefined,
    gatewayStatus: exchange.supervisor.settings.gatewayStatus,
    maxFieldLines: exchange.settings.maxFieldLines,
    status,
    reason: "",
    fields: readFields(Object.fromEntries(Object.entries(fields).filter(([name]) => !name.startsWith(":"))), false),
    content: true,
    needsDate: false,
    needsFraming: false,
  };
  const { repairs, replace } = judge(draft);
  const octets = draft.fields.reduce((sum, { name, value }) => sum + name.length + String(value).length + 32, 0);
  if (!exchange.supervisor.enforces) {
    for (const { rule, found } of repairs) exchange.supervisor.report(exchange, ruleBroken(rule, found), "reported");
    return null;
  }
  if (replace !== null) return ruleBroken(replace.rule, replace.found);
  if (octets > exchange.settings.maxHeaderSectionOctets)
    return ruleBroken(
      "HF-18",
      `The header section has ${octets} octets, and the edge takes ${exchange.settings.maxHeaderSectionOctets}.`,
    );
  if (repairs.length === 0) return null;
  for (const name of Object.keys(fields)) if (!name.startsWith(":")) delete fields[name];
  for (const { name, value } of draft.fields) fields[name.toLowerCase()] = value;
  if (draft.needsDate) fields.date = new Date().toUTCString();
  fields[":status"] = draft.status;
  for (const { rule, found } of repairs) exchange.repaired({ ...ruleBroken(rule, found), message: found });
  return null;
}

/** Content-Length a recipient will go by; -1 where there is none. */
export function announcedLength(fields: Fields, method: string | undefined): number {
  const status = Number(fields[":status"] ?? 200);
  if (method === "HEAD" || status === 204 || status === 304) return -1;
  const length = Number(fields["content-length"] ?? Number.NaN);
  return Number.isSafeInteger(length) && length >= 0 ? length : -1;
}

/** Field lines without the pseudo-header fields. */
export function linesOf(fields: Fields): FieldLine[] {
  return Object.entries(fields).flatMap(([name, value]) =>
    name.startsWith(":") ? [] : (Array.isArray(value) ? value : [value]).map((item): FieldLine => [name, String(item)]),
  );
}

/** Header section of a fallback. */
export function fieldsOf(page: Page): Record<string, string | number | string[]> {
  const fields: Record<string, string | number | string[]> = { ":status": page.status };
  for (const [name, value] of page.fields) {
    const key = name.toLowerCase();
    const before = fields[key];
    fields[key] = before === undefined ? value : [...(Array.isArray(before) ? before : [String(before)]), value];
  }
  return fields;
}

/** Mends an interim response in place. @returns false where it must not go out */
export function repairInterim(
  exchange: Http2Exchange,
  headers: IncomingHttpHeaders,
  afterFinal: boolean,
  before: number,
): boolean {
  const verdict = checkInterim(renderInterim(headers), {
    version: "2.0",
    afterFinal,
    before,
    most: exchange.supervisor.settings.edge.maxInterimResponses,
  });
  if (verdict === null) return true;
  exchange.repaired(ruleBroken(verdict.rule, verdict.found));
  if (verdict.octets === null) return false;
  delete headers["content-length"];
  delete headers["transfer-encoding"];
  return true;
}

/** An interim response as HTTP/1.1 would render it: the rules for it are the same. */
function renderInterim(headers: IncomingHttpHeaders): string {
  const lines = Object.entries(headers).filter(([name]) => !name.startsWith(":"));
  return `HTTP/1.1 ${Number(headers[":status"])} \r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`;
}

/** The fields that may stand in a trailer section. */
export function repairTrailers(exchange: Http2Exchange, headers: OutgoingHttpHeaders): OutgoingHttpHeaders {
  const kept: OutgoingHttpHeaders = {};
  const dropped: string[] = [];
  for (const [name, value] of Object.entries(headers)) {
    if (sortTrailers(`${name}: ${String(value)}\r\n`).dropped.length === 0) kept[name] = value;
    else dropped.push(name);
  }
  if (dropped.length > 0) exchange.repaired(ruleBroken("TR-2", `The app sent ${dropped.join(", ")} as a trailer.`));
  return kept;
}
