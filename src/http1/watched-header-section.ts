import { ruleBroken } from "../report/incidents.js";
import { type HeadersArgument, readFields, readHeaders, valuesOf } from "../validity/draft.js";
import { judge } from "../validity/guarded/index.js";
import { accept, KEPT_OPEN } from "./field-sections.js";
import { codingOf, draftOf } from "./header-section.js";
import { kOutHeaders } from "./node-internals.js";
import { endsConnection } from "./take-over.js";
import type { WatchedExchange } from "./watched-exchange.js";
import { lastText, watchTexts } from "./watched-texts.js";

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
  const unwatch = watchTexts(headers, isOut);
  const draft = draftOf(exchange, firstLine, readFields(headers, isOut));
  try {
    native._storeHeader.call(response, firstLine, headers);
  } finally {
    unwatch();
  }
  for (const field of draft.fields) field.value = lastText(field.value);
  const { repairs, replace } = judge(draft);
  const coding = codingOf(response, draft.status, valuesOf(draft, "content-encoding"));
  if (coding !== null) exchange.coded = { coding, frames: 0 };
  const broken = (replace === null ? repairs : [...repairs, replace]).map(({ rule, found }) => ruleBroken(rule, found));
  if (isKeptOpen && !broken.some(({ code }) => code === KEPT_OPEN.code)) broken.push(KEPT_OPEN);
  for (const failure of broken) exchange.repaired(failure);
  accept(exchange, draft.status);
}
