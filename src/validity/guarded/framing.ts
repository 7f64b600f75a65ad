import { isForbiddenTrailer } from "../../http/fields.js";
import { isDigits } from "../../http/grammar.js";
import { isBodiless } from "../../http/status.js";
import { type Draft, dropField, setField, valuesOf } from "../draft.js";
import type { GuardedRules } from "./rule.js";

/** Framing (RFC 9110, sections 6.4.1 and 8.6; RFC 9112, sections 6 and 7). */
export const framingRules: GuardedRules = {
  "FR-2": (draft) => {
    const values = valuesOf(draft, "content-length");
    if (values.length === 0 || values.every(isLength)) return null;
    return {
      found: "The app sent a Content-Length that is no number of octets.",
      repair: (d) => {
        // "5, 5" and "5" say the same; anything else says nothing.
        const parts = new Set(values.flatMap((value) => String(value).split(",")).map((part) => part.trim()));
        const [only] = parts;
        if (parts.size === 1 && isLength(only)) setField(d, "Content-Length", only as string);
        else dropField(d, "content-length");
      },
    };
  },
  "FR-4": (draft) => {
    const values = valuesOf(draft, "content-length");
    if (values.every((value) => Number.isSafeInteger(Number(value)))) return null;
    return {
      found: "The app sent a Content-Length too large to count.",
      repair: (d) => dropField(d, "content-length"),
    };
  },
  "FR-3": (draft) => {
    const values = valuesOf(draft, "content-length").map(String);
    if (values.length < 2) return null;
    return {
      found: `The app sent ${values.length} Content-Length lines.`,
      repair: (d) => {
        const agreed = new Set(values.map(Number));
        // Where they differ, only the content itself can tell, and then Node knows its length.
        if (agreed.size === 1) setField(d, "Content-Length", values[0] as string);
        else dropField(d, "content-length");
      },
    };
  },
  "FR-8": (draft) => {
    if (draft.version !== "1.0") return null;
    const set = valuesOf(draft, "transfer-encoding").length > 0;
    if (!set && !(draft.chunksByDefault && isChunkable(draft))) return null;
    return {
      found: set
        ? "The app sent Transfer-Encoding to an HTTP/1.0 client."
        : "The content for an HTTP/1.0 client was about to be chunked.",
      repair: (d) => {
        dropField(d, "transfer-encoding");
        d.chunksByDefault = false;
      },
    };
  },
  "FR-6": (draft) => {
    // A 304 may say how the 200 would be framed; every recipient ends it with its header section (RFC 9112, section 6.3).
    if (draft.status >= 200 && draft.status !== 204) return null;
    if (valuesOf(draft, "transfer-encoding").length === 0) return null;
    return {
      found: `The app sent Transfer-Encoding with ${draft.status}.`,
      repair: (d) => dropField(d, "transfer-encoding"),
    };
  },
  "FR-5": (draft) => {
    if (draft.status !== 204 && draft.status !== 101) return null;
    if (valuesOf(draft, "content-length").length === 0) return null;
    return {
      found: `The app sent Content-Length with ${draft.status}.`,
      repair: (d) => dropField(d, "content-length"),
    };
  },
  "FR-13": (draft) => {
    if (draft.status !== 205) return null;
    if (!valuesOf(draft, "content-length").some((v) => Number(v) !== 0)) return null;
    return {
      found: "The app announced content with 205.",
      repair: (d) => {
        dropField(d, "transfer-encoding");
        setField(d, "Content-Length", "0");
        d.content = false;
      },
    };
  },
  "FR-9": (draft) => {
    const values = valuesOf(draft, "transfer-encoding").map(String);
    if (values.length === 0 || (values.length === 1 && values[0]?.toLowerCase() === "chunked")) return null;
    return {
      found: "The app set a Transfer-Encoding other than one chunked.",
      repair: (d) => {
        // Node applies no coding but chunked, so no other one can have been applied (FR-10).
        const asked = values.some((value) => /chunked/i.test(value));
        if (asked && valuesOf(d, "content-length").length === 0) setField(d, "Transfer-Encoding", "chunked");
        else dropField(d, "transfer-encoding");
      },
    };
  },
  "FR-1": (draft) => {
    if (valuesOf(draft, "transfer-encoding").length === 0 || valuesOf(draft, "content-length").length === 0)
      return null;
    return {
      found: "The app sent Content-Length beside Transfer-Encoding.",
      repair: (d) => dropField(d, "content-length"),
    };
  },
  "FR-16": (draft) => {
    if (!draft.framingRemoved || draft.version !== "1.1" || !draft.content) return null;
    if (valuesOf(draft, "transfer-encoding").length > 0 || valuesOf(draft, "content-length").length > 0) return null;
    return {
      found: "The app took both Content-Length and Transfer-Encoding away.",
      repair: (d) => {
        d.needsFraming = true;
      },
    };
  },
  "TR-1": (draft) => {
    // HTTP/2 carries trailers in a frame of their own.
    if (draft.version === "2.0" || valuesOf(draft, "trailer").length === 0) return null;
    const chunked = valuesOf(draft, "transfer-encoding").length > 0;
    const framed = valuesOf(draft, "content-length").length > 0;
    const possible = draft.version === "1.1" && draft.content && !framed && !isBodiless(draft.status);
    if (chunked || possible) return null;
    return {
      found: "The app announced a trailer where the framing carries none.",
      repair: (d) => dropField(d, "trailer"),
    };
  },
  "TR-2": (draft) => {
    const announced = valuesOf(draft, "trailer").flatMap((value) =>
      String(value)
        .split(",")
        .map((name) => name.trim()),
    );
    const kept = announced.filter((name) => !isForbiddenTrailer(name));
    if (kept.length === announced.length) return null;
    return {
      found: "The app announced a trailer that may not be one.",
      repair: (d) => {
        if (kept.some((name) => name !== "")) setField(d, "Trailer", kept.join(", "));
        else dropField(d, "trailer");
      },
    };
  },
};

/** Nothing else frames the content, so that Node would chunk it by default. */
function isChunkable(draft: Draft): boolean {
  if (!draft.content || isBodiless(draft.status) || draft.framingRemoved) return false;
  return draft.contentOctets === null && valuesOf(draft, "content-length").length === 0;
}

function isLength(value: unknown): boolean {
  if (typeof value === "number") return Number.isInteger(value) && value >= 0 && value < 1e21;
  return typeof value === "string" && isDigits(value);
}
