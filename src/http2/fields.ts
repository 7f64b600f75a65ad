import { nextTick } from "../clock.js";
import { contained } from "../containment.js";
import { FRAMING } from "../http/fields.js";
import { NOT_IN_VALUE } from "../http/grammar.js";
import { renderFields } from "../http/message.js";
import { checkSize, largestFields } from "../http1/message/header-section.js";
import { checkInterim } from "../http1/message/interim.js";
import { type Failure, ruleBroken } from "../report/incidents.js";
import { type Draft, type DraftField, readFields, readHeaders, readTexts } from "../validity/draft.js";
import { judge } from "../validity/guarded/index.js";
import { isPlainStatus } from "../validity/scan.js";
import { sortTrailers } from "../validity/trailers.js";
import { type ExcessiveBlock, excessOf, excessOfTrailers } from "./block.js";
import type { Http2Exchange } from "./http2-exchange.js";
import { isPlainName } from "./names.js";
import { type Fields, type Head, readOnce, render, statusOf } from "./section.js";

/** Runs the rules over a header section. @returns `null` where the response has failed instead */
export function judgeHead(exchange: Http2Exchange, head: Head): Head | null {
  const verdict = exchange.veto?.() ?? judgeFields(exchange, head);
  if (verdict === null) return head;
  refuse(exchange, head, verdict);
  return null;
}

/** The response fails for its header section. */
export function refuse(exchange: Http2Exchange, head: Head, failure: Failure): void {
  exchange.head = head;
  // Whatever the app still does in this turn belongs to the response it had in mind.
  exchange.isRefused = true;
  exchange.fail(failure);
  const refused = contained(exchange.supervisor, () => {
    exchange.isRefused = false;
  });
  nextTick(refused);
}

/** Runs the rules over the header section, and makes the repairs. @returns why the response has to be replaced */
function judgeFields(exchange: Http2Exchange, head: Head): Failure | null {
  const { fields, options } = head;
  const addsDate = options?.sendDate !== false;
  if (isPlainlyValid(fields, addsDate, exchange.settings.maxFieldLines)) return sizeOf(exchange, fields, addsDate);
  const lines = linesToJudge(fields);
  // What is judged is what is sent: Node reads the text of an object anew each time.
  const hasObjects = lines.some(({ value }) => (Array.isArray(value) ? value.some(isObject) : isObject(value)));
  if (hasObjects) readTexts(lines);
  const draft = draftOf(exchange, head, lines);
  const { repairs, replace } = judge(draft);
  const failure = replace === null ? sizeOf(exchange, fields, addsDate) : ruleBroken(replace.rule, replace.found);
  if (failure !== null) return failure;
  if (repairs.length === 0 && !hasObjects) return null;
  head.given = fields;
  for (const name of Object.keys(fields)) if (!name.startsWith(":")) delete fields[name];
  for (const { name, value } of draft.fields) {
    const key = name.toLowerCase();
    // Names that differ in case alone are one field, of several lines.
    fields[key] = Object.hasOwn(fields, key) ? [fields[key], value].flat() : value;
  }
  if (draft.needsDate) fields.date = new Date().toUTCString();
  fields[":status"] = draft.status;
  for (const { rule, found } of repairs) exchange.repaired({ ...ruleBroken(rule, found), message: found });
  return null;
}

/** Runs them over one that has been sent, and tells what they find. */
export function watchFields(exchange: Http2Exchange, head: Head): void {
  const { repairs, replace } = judge(draftOf(exchange, head, linesToJudge(head.fields)));
  const failure = replace === null ? sizeOf(exchange, head.fields, false) : ruleBroken(replace.rule, replace.found);
  for (const { rule, found } of repairs) exchange.repaired(ruleBroken(rule, found));
  if (failure !== null) exchange.repaired(failure);
}

function linesToJudge(fields: Fields): DraftField[] {
  const entries = Object.entries(fields).filter(([name]) => !name.startsWith(":"));
  return readFields(readHeaders(Object.fromEntries(entries)), false);
}

function draftOf(
  { method, terms, settings }: Http2Exchange,
  { fields: given, options }: Head,
  fields: DraftField[],
): Draft {
  return {
    method,
    version: "2.0",
    requestCloses: false,
    upgradeOffered: undefined,
    contentOctets: options?.endStream ? 0 : null,
    framingRemoved: false,
    addsDate: options?.sendDate !== false || given.date !== undefined,
    gatewayStatus: terms.gatewayStatus,
    maxFieldLines: settings.maxFieldLines,
    status: statusOf(given),
    reason: "",
    fields,
    content: true,
    chunksByDefault: false,
    needsDate: false,
    needsFraming: false,
  };
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

/** Fields with rules of their own. */
const RULED = new Set(["trailer", "date", "content-encoding"]);

/** First look at a header section, on the hot path: `true` means that no guarded rule can be broken. */
function isPlainlyValid(fields: Fields, addsDate: boolean, maxFieldLines: number): boolean {
  if (!addsDate) return false;
  let lines = 4;
  for (const name in fields) {
    const value = fields[name];
    if (name === ":status") {
      if (typeof value !== "number" || !isPlainStatus(value)) return false;
    } else if (typeof value === "string") {
      if (!isPlainName(name) || RULED.has(name) || NOT_IN_VALUE.test(value)) return false;
      if (name === "content-length" && !LENGTH.test(value)) return false;
    } else if (!isPlainName(name) || RULED.has(name) || !Number.isSafeInteger(value) || (value as number) < 0)
      return false;
    lines++;
  }
  return lines <= maxFieldLines;
}

const LENGTH = /^[0-9]{1,15}$/;

/** So few octets that nobody asks whether Node can send them: the guard's own answers take as many. */
const FEW_OCTETS = 1_024;

/**
 * What is wrong with the size of a header section, measured as the edge passes it on, and as Node sends it; warns while
 * there is time.
 */
function sizeOf({ settings, stream, supervisor }: Http2Exchange, fields: Fields, addsDate: boolean): Failure | null {
  const most = settings.maxHeaderSectionOctets;
  let octets = 0;
  for (const name in fields) {
    const value = fields[name];
    if (Array.isArray(value)) for (const item of value) octets += name.length + String(item).length + 4;
    else octets += name.length + String(value).length + 4;
  }
  if (octets > FEW_OCTETS) {
    const excess = excessOf(stream, fields, addsDate);
    if (excess !== null) return tooLarge("header section", excess, fields);
  }
  if (octets <= most / 4) return null;
  const rendered = render(fields);
  const failure = checkSize(rendered, most);
  if (failure === null) supervisor.largeHeaderSection(rendered.length, largestFields(rendered));
  return failure;
}

function tooLarge(what: string, { octets, limit }: ExcessiveBlock, fields: Fields): Failure {
  return ruleBroken(
    "HF-18",
    `The ${what} takes ${octets} octets over HTTP/2, and Node sends ${limit} (maxSendHeaderBlockLength); largest: ${largestFields(render(fields))}.`,
  );
}

/** Mends an interim response in place. @returns false where it must not go out */
export function repairInterim(exchange: Http2Exchange, fields: Fields): boolean {
  const { supervisor, head, interims, stream } = exchange;
  const excess = excessOf(stream, fields, false);
  if (excess !== null) {
    // Node answers all the same: it is the session that ends.
    const failure = { ...tooLarge("interim response", excess, fields), prevented: null };
    exchange.repaired(failure);
    return false;
  }
  const verdict = checkInterim(render(fields), {
    version: "2.0",
    afterFinal: head !== null,
    before: interims,
    most: supervisor.settings.edge.maxInterimResponses,
  });
  if (verdict === null) return true;
  const failure = ruleBroken(verdict.rule, verdict.found);
  exchange.repaired(failure);
  if (verdict.octets === null) return false;
  for (const name of FRAMING) delete fields[name];
  return true;
}

/** The fields that may stand in a trailer section. Of a section that is too large there are none. */
export function repairTrailers(exchange: Http2Exchange, headers: object): object {
  // The compatibility API always sends some, and mostly none.
  if (Reflect.ownKeys(headers).length === 0) return headers;
  const { stream } = exchange;
  const kept = readOnce(headers);
  const dropped: string[] = [];
  for (const [name, value] of Object.entries(kept)) {
    // Node throws for a pseudo-header field, to whoever has called.
    if (name.startsWith(":") || sortTrailers(renderFields([[name, String(value)]])).dropped.length === 0) continue;
    dropped.push(name);
    delete kept[name];
  }
  if (dropped.length > 0) {
    const failure = ruleBroken("TR-2", `The app sent ${dropped.join(", ")} as a trailer.`);
    exchange.repaired(failure);
  }
  const excess = excessOfTrailers(stream, kept);
  if (excess !== null) {
    // The answer is complete without them; the session would end behind it.
    const failure = { ...tooLarge("trailer section", excess, kept), prevented: null };
    if (exchange.repaired(failure)) {
      Object.defineProperty(stream, "sentTrailers", { value: kept, configurable: true });
      return {};
    }
  }
  return kept;
}
