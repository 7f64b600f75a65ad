import { isDigits } from "../../http/grammar.js";
import type { Check } from "./section.js";
import { escapeText, showField } from "./show.js";

/** RFC 9110, section 8.8.3. */
const ENTITY_TAG = /^(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"$/;

/**
 * The entity tag that the `etag` package makes, and with it most frameworks: length in hex and a SHA-1 digest. It tells
 * of how many octets of content it was made, which shows when these are not the octets it is sent with.
 */
const SIZED_TAG = /^(?:W\/)?"([0-9a-f]{1,12})-[A-Za-z0-9+/]{27}"$/;

/** Metadata of a representation that a client already has when it gets a 304. */
const REPRESENTATION_FIELDS = ["Content-Type", "Content-Encoding", "Content-Language", "Content-Range"];

/** Validators and the answers that depend on them. RFC 9110, sections 8.8, 13 and 15.4.5. */
export const validatorChecks = {
  "MD-4": (section) => {
    const value = section.values("etag").find((tag) => !ENTITY_TAG.test(tag));
    if (value === undefined) return undefined;
    return {
      found: showField("ETag", value),
      advice:
        'Write ETag: "abc", or ETag: W/"abc" for a weak one, with the quotes and without spaces or quotes inside.',
    };
  },

  /**
   * RFC 9110, section 8.8.1. Whether two codings share a tag shows over two responses; in one it shows where a strong
   * tag was made of more, or fewer, octets than are sent: of the content before it was coded.
   */
  "MD-5": (section) => {
    const tag = section.value("etag");
    const coding = section.value("content-encoding");
    if (section.status !== 200 || tag === undefined || tag.startsWith("W/") || coding === undefined) return undefined;
    const octets = taggedOctets(tag);
    if (octets === undefined || section.contentOctets === undefined || octets === section.contentOctets)
      return undefined;
    return {
      found: `${showField("ETag", tag)} with ${showField("Content-Encoding", coding)}: made of the content before coding`,
      advice: "Make the tag weak (W/), or make another one for each content coding.",
    };
  },

  /**
   * RFC 9110, section 15.4.5. What the 200 would have had is not to be seen, but for one field: an If-None-Match with
   * an entity tag has matched, so that the representation has an ETag.
   */
  "RQ-8": (section) => {
    if (section.status !== 304 || section.has("etag")) return undefined;
    const condition = section.requestValue("if-none-match");
    if (condition === undefined || !condition.includes('"')) return undefined;
    return {
      found: `304 without ETag to ${showField("If-None-Match", condition)}`,
      advice: "Send the ETag, Cache-Control, Expires, Content-Location and Vary that the 200 would have.",
    };
  },

  /** RFC 9110, section 15.4.5. Last-Modified is let pass, since it may guide updates of stored responses. */
  "RQ-9": (section) => {
    if (section.status !== 304) return undefined;
    const name = REPRESENTATION_FIELDS.find((field) => section.has(field.toLowerCase()));
    if (name === undefined) return undefined;
    return {
      found: `304 with ${showField(name, section.value(name.toLowerCase()) ?? "")}`,
      advice: `Leave ${name} out of a 304: a field that differs from the stored one may spoil the stored response.`,
    };
  },

  /**
   * RFC 9110, section 9.3.4. Whether content was stored as it came is not to be seen; that a tag was made of another
   * number of octets than the request had is: it is the tag of the answer, not of what was stored.
   */
  "RQ-17": (section) => {
    const tag = section.value("etag");
    if (section.method !== "PUT" || section.status < 200 || section.status > 299 || tag === undefined) return undefined;
    const received = section.requestValue("content-length");
    const octets = taggedOctets(tag);
    if (octets === undefined || received === undefined || !isDigits(received) || Number(received) === octets)
      return undefined;
    // A coded request may well be stored decoded, with the tag that GET will show.
    if (section.requestValue("content-encoding") !== undefined) return undefined;
    return {
      found: `${showField("ETag", tag)} of ${octets} octets, after a PUT of ${escapeText(received)}`,
      advice: "Turn automatic entity tags off for PUT; send the ETag of what was stored, or none.",
    };
  },
} satisfies Record<string, Check>;

function taggedOctets(tag: string): number | undefined {
  const size = SIZED_TAG.exec(tag)?.[1];
  return size === undefined ? undefined : Number.parseInt(size, 16);
}
