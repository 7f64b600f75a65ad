import { CHUNKED } from "../../exchange/framing.js";
import { type Failure, ruleBroken } from "../../report/incidents.js";
import { type Draft, type HeadersArgument, readFields, readHeaders, valuesOf } from "../../validity/draft.js";
import { judge } from "../../validity/guarded/index.js";
import { coding, isPlainlyValid, isPlainStatus } from "../../validity/scan.js";
import { endsConnection } from "../exchange/take-over.js";
import type { WatchedExchange } from "../exchange/watched-exchange.js";
import { readFirstLine } from "../message/first-line.js";
import { codingOf, draftOf } from "../message/header-section.js";
import { lastText, watchTexts } from "../message/watched-texts.js";
import { kOutHeaders } from "../node/node-internals.js";
import { accept, KEPT_OPEN } from "./field-sections.js";
import { noteTold } from "./reset-content.js";

/** Overrides `_storeHeader`: has Node render what the app gave, and judges what has become of it. */
export function watchHeaderSection(exchange: WatchedExchange, firstLine: string, given: HeadersArgument): void {
  const { response, native } = exchange;
  const isKeptOpen = response.shouldKeepAlive && !exchange.persists;
  // Asked for by whoever has drained the guard.
  if (exchange.supervisor.closing.size > 0 && endsConnection(exchange)) response.shouldKeepAlive = false;
  const fields = kOutHeaders && (response as unknown as Record<symbol, unknown>)[kOutHeaders];
  const isOut = given !== null && given !== undefined && given === fields;
  const headers = isOut ? given : readHeaders(given);
  // It throws.
  if (Array.isArray(headers) && headers.length % 2 !== 0) native._storeHeader.call(response, firstLine, headers);
  const { broken, losesLength } = isPlain(exchange, firstLine, headers, isOut)
    ? { broken: [], losesLength: false }
    : judged(exchange, firstLine, headers, isOut);
  if (isKeptOpen && !broken.some(({ code }) => code === KEPT_OPEN.code)) broken.push(KEPT_OPEN);
  for (const failure of broken) {
    exchange.repaired(failure);
    noteTold(exchange, failure);
  }
  accept(exchange, readFirstLine(firstLine).status);
  // That of the content is not to be told beside what is wrong with the field.
  if (losesLength && exchange.framing.kind === "length") exchange.framing = CHUNKED;
}

/** The usual case: nothing to say. Node has rendered it. */
function isPlain(exchange: WatchedExchange, firstLine: string, headers: HeadersArgument, isOut: boolean): boolean {
  const { response, native, isHttp11, settings } = exchange;
  const { status, isValid } = readFirstLine(firstLine);
  if (!isValid || !isPlainStatus(status) || (response._removedTE && response._removedContLen)) return false;
  if (!isHttp11 && response.useChunkedEncodingByDefault) return false;
  const { shouldKeepAlive, sendDate } = response;
  if (!isPlainlyValid(headers, isOut, isHttp11, shouldKeepAlive, sendDate, settings.maxFieldLines)) return false;
  // It is that of the latest look.
  const found = coding;
  native._storeHeader.call(response, firstLine, headers);
  if (found !== null) noteCoding(exchange, status, [found]);
  return true;
}

interface Judged {
  readonly broken: Failure[];
  /** What it says about the length of the content is nothing to go by. */
  readonly losesLength: boolean;
}

function judged(exchange: WatchedExchange, firstLine: string, headers: HeadersArgument, isOut: boolean): Judged {
  const { response, native } = exchange;
  const unwatch = watchTexts(headers, isOut);
  const draft = draftOf(exchange, firstLine, readFields(headers, isOut));
  try {
    native._storeHeader.call(response, firstLine, headers);
  } finally {
    unwatch();
  }
  for (const field of draft.fields) field.value = lastText(field.value);
  const hadLength = hasLength(draft);
  const { repairs, replace } = judge(draft);
  noteCoding(exchange, draft.status, valuesOf(draft, "content-encoding"));
  const broken = replace === null ? repairs : [...repairs, replace];
  return {
    broken: broken.map(({ rule, found }) => ruleBroken(rule, found)),
    losesLength: hadLength && !hasLength(draft),
  };
}

function hasLength(draft: Draft): boolean {
  return valuesOf(draft, "content-length").length > 0;
}

function noteCoding(exchange: WatchedExchange, status: number, codings: readonly unknown[]): void {
  const found = codingOf(exchange.response, status, codings);
  if (found !== null) exchange.coded = { coding: found, frames: 0 };
}
