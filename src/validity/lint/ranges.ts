import { isDigits, isToken } from "../../http/grammar.js";
import type { Check, Section } from "./section.js";
import { showField } from "./show.js";

/** A Content-Range value. RFC 9110, section 14.4. Positions are exact, however many digits they have. */
export type ContentRange =
  | { readonly first: bigint; readonly last: bigint; readonly complete: bigint | undefined }
  | { readonly unsatisfied: bigint };

/**
 * Reads a Content-Range value of any range unit.
 * @returns `undefined` where it does not match the grammar, which is for MD-19 to report.
 */
export function readContentRange(value: string): ContentRange | undefined {
  const [unit = "", range = "", ...rest] = value.split(" ");
  const [positions = "", complete = "", ...more] = range.split("/");
  if (rest.length > 0 || more.length > 0 || !isToken(unit)) return undefined;
  if (positions === "*") return isDigits(complete) ? { unsatisfied: BigInt(complete) } : undefined;
  const [first = "", last = "", ...others] = positions.split("-");
  if (others.length > 0 || !isDigits(first) || !isDigits(last)) return undefined;
  if (complete !== "*" && !isDigits(complete)) return undefined;
  return { first: BigInt(first), last: BigInt(last), complete: complete === "*" ? undefined : BigInt(complete) };
}

/** Partial content. RFC 9110, sections 14 and 15.3.7. */
export const rangeChecks = {
  /** A 206 that is not multipart says which part it holds, and holds that part. */
  "RQ-5": (section) => {
    if (section.status !== 206 || isByteRanges(section)) return undefined;
    const value = section.value("content-range");
    if (value === undefined) {
      return { found: "206 without Content-Range", advice: "Say which part this is: Content-Range: bytes 0-99/1234." };
    }
    const range = readContentRange(value);
    if (range === undefined) return undefined;
    if ("unsatisfied" in range) {
      return {
        found: `206 with ${showField("Content-Range", value)}`,
        advice: "Answer 416 where no range can be satisfied.",
      };
    }
    const octets = section.contentOctets;
    // Only ranges of bytes can be compared with octets of content.
    if (octets === undefined || !/^bytes /i.test(value) || range.last - range.first + 1n === BigInt(octets))
      return undefined;
    return {
      found: `${showField("Content-Range", value)} with ${octets} octets of content`,
      advice: "Make the range fit the content: last - first + 1 octets.",
    };
  },

  /** RFC 9110, section 15.3.7.2. Whether each part has its own Content-Range is to be seen in the content only. */
  "RQ-6": (section) => {
    if (section.status !== 206 || !isByteRanges(section)) return undefined;
    const range = section.value("content-range");
    if (range !== undefined) {
      return {
        found: `multipart/byteranges with ${showField("Content-Range", range)}`,
        advice: "Put Content-Range into each part, not into the header section.",
      };
    }
    const asked = section.requestValue("range");
    if (asked === undefined || asked.includes(",")) return undefined;
    return {
      found: `multipart/byteranges to ${showField("Range", asked)}`,
      advice: "Answer a single range with a single part: its own Content-Type, and Content-Range.",
    };
  },

  /**
   * RFC 9110, section 15.3.7. What the 200 would have had is not to be seen, but for one field: an If-Range with an
   * entity tag was fulfilled, so that the representation has an ETag.
   */
  "RQ-7": (section) => {
    if (section.status !== 206 || section.has("etag")) return undefined;
    const condition = section.requestValue("if-range");
    if (condition === undefined || !condition.startsWith('"')) return undefined;
    return {
      found: `206 without ETag to ${showField("If-Range", condition)}`,
      advice: "Send the ETag, Cache-Control, Expires, Content-Location and Vary that the 200 would have.",
    };
  },

  /** RFC 9110, section 15.5.17: tells the client the length it may ask for. */
  "RQ-10": (section) => {
    if (section.status !== 416 || !/^bytes=/i.test(section.requestValue("range") ?? "")) return undefined;
    const value = section.value("content-range");
    if (value !== undefined && /^bytes \*\/[0-9]+$/i.test(value)) return undefined;
    return {
      found: value === undefined ? "416 without Content-Range" : `416 with ${showField("Content-Range", value)}`,
      advice: "Send Content-Range: bytes */1234, with the length of the whole representation.",
    };
  },

  "RQ-18": (section) => {
    const value = section.value("content-range");
    const range = value === undefined ? undefined : readContentRange(value);
    if (value === undefined || range === undefined || "unsatisfied" in range) return undefined;
    if (range.first <= range.last && (range.complete === undefined || range.last < range.complete)) return undefined;
    return {
      found: showField("Content-Range", value),
      advice: "Count positions from 0: the last octet of 1234 is 1233, as in bytes 0-1233/1234.",
    };
  },
} satisfies Record<string, Check>;

function isByteRanges(section: Section): boolean {
  return section.mediaType()?.type === "multipart/byteranges";
}
