import { LIST_VALUED, REQUEST_ONLY, SINGLE_VALUED, SINGLE_VALUED_IN_HTTP, writtenName } from "../../http/fields.js";
import { isWhitespace } from "../../http/grammar.js";
import { split } from "../../http/parameters.js";
import type { Check } from "./section.js";
import { escapeText, showField } from "./show.js";

/** The guard does not touch these, since the message is whole. Strict-Transport-Security has XS-3. */
const SINGLE = [...SINGLE_VALUED].filter(
  (name) => !SINGLE_VALUED_IN_HTTP.has(name) && name !== "strict-transport-security",
);

/** Fields whose grammar tolerates whitespace around `=`. RFC 9110, section 11.2; RFC 9112, section 7; RFC 8288, section 3. */
const WITH_BAD_WHITESPACE = [
  "Authentication-Info",
  "Link",
  "Proxy-Authenticate",
  "Transfer-Encoding",
  "WWW-Authenticate",
];

/** Fields with quoted strings. */
const WITH_QUOTED_STRINGS = ["Cache-Control", "Content-Disposition", "Content-Type", ...WITH_BAD_WHITESPACE];

/** Any field line, whatever it means. RFC 9110, section 5. */
export const fieldChecks = {
  /** Node writes such a value in latin1 or in UTF-8, depending on how the content is sent. */
  "HF-8": (section) => {
    for (const [name, value] of section.subject.head.fields) {
      const at = value.search(/[\x80-\uffff]/);
      if (at < 0) continue;
      return {
        found: `${escapeText(name)}: ${escapeText(value.charAt(at))} at position ${at}`,
        advice: "Percent-encode the value, or use the extended form of parameters: filename*=UTF-8''na%C3%AFve.txt.",
      };
    }
    return undefined;
  },

  "HF-9": (section) => {
    for (const [name, value] of section.subject.head.fields) {
      if (!isWhitespace(value.charCodeAt(0)) && !isWhitespace(value.charCodeAt(value.length - 1))) continue;
      return {
        found: `${escapeText(name)}: whitespace ${isWhitespace(value.charCodeAt(0)) ? "before" : "after"} the value`,
        advice: "Trim the value: HTTP/2 recipients treat the response as malformed.",
      };
    }
    return undefined;
  },

  /** Whichever line a recipient takes, another takes the other. */
  "HF-10": (section) => {
    const key = SINGLE.find((field) => section.values(field).length > 1);
    if (key === undefined) return undefined;
    const name = writtenName(key);
    return {
      found: `${section.values(key).length} lines of ${name}`,
      advice: `Send ${name} once: set it instead of appending to it.`,
    };
  },

  "HF-11": (section) => {
    for (const [name, span] of LIST_VALUED) {
      for (const value of section.values(name)) {
        const elements = split(value, ",", span);
        // An empty value is a list without elements, which is valid for most fields.
        if (elements.length < 2 || !elements.includes("")) continue;
        return {
          found: showField(writtenName(name), value),
          advice: "Leave out empty elements, and commas at either end.",
        };
      }
    }
    return undefined;
  },

  "HF-12": (section) => {
    for (const name of WITH_BAD_WHITESPACE) {
      for (const value of section.values(name.toLowerCase())) {
        if (!hasBadWhitespace(value)) continue;
        return { found: showField(name, value), advice: 'Write parameters without spaces around =: realm="api".' };
      }
    }
    for (const name of WITH_QUOTED_STRINGS) {
      for (const value of section.values(name.toLowerCase())) {
        if (!hasNeedlessQuotedPair(value)) continue;
        return { found: showField(name, value), advice: 'Put a backslash only before " and another backslash.' };
      }
    }
    return undefined;
  },

  /** RFC 9110, section 2.2: a sender leaves alone what only the other role may generate. */
  "HF-14": (section) => {
    const key = [...REQUEST_ONLY].find((field) => section.has(field));
    if (key === undefined) return undefined;
    const name = writtenName(key);
    return {
      found: `${name} in a response`,
      advice: `Drop ${name}, which has a meaning in requests only; use a field of your own for your own data.`,
    };
  },
} satisfies Record<string, Check>;

/** Whitespace beside the `=` of a parameter. The target of a link is none. */
function hasBadWhitespace(value: string): boolean {
  for (const element of split(value, ",", "<>")) {
    for (const part of split(element, ";", "<>")) {
      const equals = part.indexOf("=");
      if (equals < 1 || part.startsWith("<") || part.slice(0, equals).includes('"')) continue;
      if (isWhitespace(part.charCodeAt(equals - 1)) || isWhitespace(part.charCodeAt(equals + 1))) return true;
    }
  }
  return false;
}

function hasNeedlessQuotedPair(value: string): boolean {
  let quoted = false;
  for (let at = 0; at < value.length; at++) {
    const char = value[at];
    if (char === '"') quoted = !quoted;
    else if (quoted && char === "\\") {
      at++;
      if (at < value.length && value[at] !== '"' && value[at] !== "\\") return true;
    }
  }
  return false;
}
