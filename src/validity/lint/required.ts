import type { Check, Section } from "./section.js";
import { showField } from "./show.js";

/** 300 needs a Location only where the origin server has a preference, which is not to be seen. */
const REDIRECTIONS = new Set([301, 302, 303, 307, 308]);

/** What a response should offer where it says that there is a choice or a conflict. */
const EXPLAINED = new Map([
  [300, "List the choices, with their URIs and media types."],
  [406, "List the representations that there are, with their URIs and media types."],
  [409, "Say what the conflict is, so that the user can resolve it."],
]);

/** Fields, and content, that a status calls for. RFC 9110, sections 9.3 and 15. */
export const requiredChecks = {
  "RQ-2": (section) => {
    if (section.status !== 405 || section.has("allow")) return undefined;
    return { found: "405 without Allow", advice: "List the methods that the target resource takes: Allow: GET, HEAD." };
  },

  "RQ-4": (section) => {
    if (section.status !== 426 || section.elements("upgrade").length > 0) return undefined;
    return { found: "426 without Upgrade", advice: "Name the protocols to change to: Upgrade: websocket." };
  },

  "RQ-11": (section) => {
    if (!REDIRECTIONS.has(section.status) || section.has("location")) return undefined;
    return { found: `${section.status} without Location`, advice: "Send the target in Location." };
  },

  "RQ-12": (section) => {
    if (section.status !== 201 || section.method !== "POST" || section.has("location")) return undefined;
    return {
      found: "201 to POST without Location",
      advice: "Send the URI of what was created in Location, or answer 200 where nothing got a URI of its own.",
    };
  },

  /** Whether the request had a content coding that is none (`identity`) is all that can be told. */
  "RQ-14": (section) => {
    const accepted = section.value("accept-encoding");
    if (section.status !== 415 || accepted === undefined) return undefined;
    const coding = section.requestValue("content-encoding");
    if (coding !== undefined && coding.toLowerCase() !== "identity") return undefined;
    return {
      found: `415 with ${showField("Accept-Encoding", accepted)} to a request without content coding`,
      advice: "Send Accept (or Accept-Post, Accept-Patch) where the media type was the problem.",
    };
  },

  "RQ-15": (section) => {
    if (section.status < 400 || section.status > 599 || EXPLAINED.has(section.status) || !isEmpty(section))
      return undefined;
    return {
      found: `${section.status} without content`,
      advice: "Explain the error in the content, such as application/problem+json (RFC 9457).",
    };
  },

  /** Whether the content is such a list is not to be seen; that there is none is. */
  "RQ-16": (section) => {
    const advice = EXPLAINED.get(section.status);
    if (advice === undefined || !isEmpty(section)) return undefined;
    return { found: `${section.status} without content`, advice };
  },
} satisfies Record<string, Check>;

/** Known to have no content, where there could be some: a response to HEAD is never said to be empty. */
function isEmpty(section: Section): boolean {
  return section.contentOctets === 0;
}
