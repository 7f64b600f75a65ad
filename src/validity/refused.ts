import { NOT_IN_VALUE } from "../http/grammar.js";
import { isBodiless } from "../http/status.js";
import { type Draft, keyOf, valuesOf } from "./draft.js";

/** What of a response decides whether Node chunks it. */
interface Framing {
  readonly useChunkedEncodingByDefault: boolean;
  readonly _removedTE: boolean;
}

/**
 * Whether Node throws where it renders this header section: for a value that it refuses, or for a Trailer where it does not
 * chunk. Names are left to it in any case.
 * @param isOut - the fields are those of `setHeader`, whose values it looks at when they are set
 */
export function isRefused(draft: Draft, isOut: boolean, framing: Framing): boolean {
  for (const { value } of draft.fields) {
    if (Array.isArray(value) ? value.some((item) => isRefusedValue(item, isOut)) : isRefusedValue(value, isOut))
      return true;
  }
  return draft.fields.some((field) => keyOf(field) === "trailer") && !isChunked(draft, framing);
}

function isRefusedValue(value: unknown, isOut: boolean): boolean {
  if (typeof value === "string") return !isOut && NOT_IN_VALUE.test(value);
  if (value === undefined) return !isOut;
  if (typeof value === "symbol") return true;
  if (typeof value !== "object" && typeof value !== "function") return false;
  try {
    const text = String(value);
    return !isOut && NOT_IN_VALUE.test(text);
  } catch {
    return true;
  }
}

/** As Node decides it, before any repair. */
function isChunked(draft: Draft, framing: Framing): boolean {
  if (isBodiless(draft.status)) return false;
  const codings = valuesOf(draft, "transfer-encoding");
  if (codings.length > 0) return codings.some((coding) => /(?:^|\W)chunked(?:$|\W)/i.test(String(coding)));
  if (valuesOf(draft, "content-length").length > 0 || !draft.content) return false;
  return framing.useChunkedEncodingByDefault && !framing._removedTE;
}
