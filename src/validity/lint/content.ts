import { isToken } from "../../http/grammar.js";
import { readMediaType, split } from "../../http/parameters.js";
import type { Check, Section } from "./section.js";
import { escapeText, showField } from "./show.js";

/** RFC 2046, section 5.1.1: 1 to 70 characters, not ending with a space. */
const BOUNDARY = /^[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]$/;

/** Words seen in Content-Encoding that are character encodings, transfer codings or no word at all. */
const NO_CODING = new Set(
  ["utf-8", "utf8", "iso-8859-1", "us-ascii", "ascii", "base64", "binary", "7bit", "8bit", "quoted-printable"].concat([
    "chunked",
    "none",
    "null",
    "undefined",
    "false",
    "true",
  ]),
);

/** Octets of the shortest stream of each coding, that of no content at all. */
const SHORTEST_STREAM = new Map([
  ["gzip", 20],
  ["x-gzip", 20],
  ["deflate", 2],
  ["br", 1],
  ["zstd", 9],
]);

/** Old names that stand for the same coding. RFC 9110, sections 8.4.1.1 and 8.4.1.3. */
const ALIAS = new Map([
  ["x-gzip", "gzip"],
  ["x-compress", "compress"],
]);

/** Content-Type and Content-Encoding. RFC 9110, sections 8.3 and 8.4. */
export const contentChecks = {
  "MD-6": (section) => {
    if (section.has("content-type") || !((section.contentOctets ?? 0) > 0)) return undefined;
    return {
      found: `${section.contentOctets} octets of content without Content-Type`,
      advice:
        "Send Content-Type, such as text/html; charset=utf-8 or application/json, so that no recipient has to guess.",
    };
  },

  "MD-7": (section) => {
    const value = section.values("content-type").find((text) => readMediaType(text) === undefined);
    if (value === undefined) return undefined;
    return {
      found: showField("Content-Type", value),
      advice: "Write type/subtype and parameters without spaces around =, such as text/html; charset=utf-8.",
    };
  },

  "MD-8": (section) => {
    const media = section.mediaType();
    if (media === undefined || !media.type.startsWith("multipart/")) return undefined;
    const boundary = media.parameters.find((parameter) => parameter.name === "boundary")?.value;
    if (boundary !== undefined && BOUNDARY.test(boundary)) return undefined;
    return {
      found: showField("Content-Type", section.value("content-type") ?? ""),
      advice: `Name the delimiter of the parts, 1 to 70 characters: ${media.type}; boundary=delimiter.`,
    };
  },

  /** What was applied is not to be seen, but for two cases: a word that is no coding, and a coding of no octets. */
  "MD-9": (section) => {
    const codings = codingsOf(section);
    const word = codings.find((coding) => !isToken(coding) || NO_CODING.has(coding));
    if (word !== undefined) {
      return {
        found: showField("Content-Encoding", section.value("content-encoding") ?? ""),
        advice:
          "List codings that were applied (gzip, br, zstd), or drop the field. A charset belongs into Content-Type.",
      };
    }
    if (section.contentOctets !== 0 || !codings.some((coding) => SHORTEST_STREAM.has(coding))) return undefined;
    return {
      found: `${showField("Content-Encoding", section.value("content-encoding") ?? "")} with 0 octets of content`,
      advice: "Drop Content-Encoding where nothing was coded.",
    };
  },

  /** The stream itself is not to be seen; one that is shorter than the coding of nothing cannot be complete. */
  "MD-10": (section) => {
    const coding = codingsOf(section).at(-1);
    const octets = section.contentOctets;
    if (coding === undefined || section.status === 206 || octets === undefined || octets === 0) return undefined;
    if (octets >= (SHORTEST_STREAM.get(coding) ?? 0)) return undefined;
    return {
      found: `${octets} octets of content with ${showField("Content-Encoding", section.value("content-encoding") ?? "")}`,
      advice: `Wait for the end of the coder, or drop Content-Encoding: ${coding} has no stream this short.`,
    };
  },

  "MD-11": (section) => {
    if (!codingsOf(section).includes("identity")) return undefined;
    return {
      found: showField("Content-Encoding", section.value("content-encoding") ?? ""),
      advice: "Drop Content-Encoding: its absence says that nothing was coded.",
    };
  },

  /** RFC 9110, section 12.5.3: without Accept-Encoding every coding is acceptable. */
  "MD-12": (section) => {
    const accepted = section.requestValue("accept-encoding");
    if (accepted === undefined) return undefined;
    const coding = codingsOf(section).find((name) => name !== "identity" && isToken(name) && !accepts(accepted, name));
    if (coding === undefined) return undefined;
    return {
      found: `Content-Encoding ${escapeText(coding)} to ${showField("Accept-Encoding", accepted)}`,
      advice: "Choose a coding that Accept-Encoding lists with a weight above 0, or none.",
    };
  },
} satisfies Record<string, Check>;

/** Content codings that are listed, in lower case. */
export function codingsOf(section: Section): string[] {
  return section.elements("content-encoding").map((coding) => coding.toLowerCase());
}

function accepts(accepted: string, coding: string): boolean {
  let weight: boolean | undefined;
  for (const element of split(accepted, ",")) {
    const [name = "", ...parameters] = split(element.toLowerCase(), ";");
    const refused = parameters.some((parameter) => /^q\s*=\s*0(?:\.0*)?$/.test(parameter));
    if (canonical(name) === canonical(coding)) return !refused;
    if (name === "*") weight = !refused;
  }
  return weight ?? false;
}

function canonical(coding: string): string {
  return ALIAS.get(coding) ?? coding;
}
