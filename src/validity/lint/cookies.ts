import { readImfFixdate } from "../../http/date.js";
import { isDigits, isToken, trimWhitespace } from "../../http/grammar.js";
import { firstRepeated } from "./first-repeated.js";
import type { Check } from "./section.js";
import { escapeText, showField } from "./show.js";

/** RFC 6265, section 4.1.1: no whitespace, quotes, commas, semicolons, backslashes. */
const COOKIE_VALUE = /^(?:[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*|"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*")$/;

interface SetCookie {
  readonly name: string;
  readonly value: string | undefined;
  readonly attributes: readonly (readonly [name: string, value: string])[];
}

/** Cookies. The value of a cookie never gets into a finding. RFC 6265, section 4.1. */
export const cookieChecks = {
  /**
   * Reported is what user agents read differently: the name, the value, Expires and Max-Age. A Max-Age of 0, which the
   * grammar does not know, and a semicolon without a space are read alike by all.
   */
  "XS-1": (section) => {
    for (const line of section.values("set-cookie")) {
      const advice = problemOf(readSetCookie(line));
      if (advice !== undefined) return { found: showField("Set-Cookie", line), advice };
    }
    return undefined;
  },

  "XS-2": (section) => {
    const cookies = section.values("set-cookie").map(readSetCookie);
    const twice = firstRepeated(cookies.map(({ name }) => name));
    if (twice !== undefined) {
      return { found: `Set-Cookie twice for ${escapeText(twice)}`, advice: "Set each cookie once in a response." };
    }
    for (const { name, attributes } of cookies) {
      const repeated = firstRepeated(attributes.map(([attribute]) => attribute));
      if (repeated === undefined) continue;
      return {
        found: `${escapeText(repeated)} twice in the cookie ${escapeText(name)}`,
        advice: "Give each attribute once.",
      };
    }
    return undefined;
  },
} satisfies Record<string, Check>;

function readSetCookie(line: string): SetCookie {
  const [pair = "", ...rest] = line.split(";");
  const [name, value] = readPair(pair);
  const attributes = rest
    .filter((text) => trimWhitespace(text) !== "")
    .map((text) => {
      const [attribute, argument] = readPair(text);
      return [attribute.toLowerCase(), argument ?? ""] as const;
    });
  return { name, value, attributes };
}

function readPair(text: string): [name: string, value: string | undefined] {
  const equals = text.indexOf("=");
  if (equals < 0) return [trimWhitespace(text), undefined];
  return [trimWhitespace(text.slice(0, equals)), trimWhitespace(text.slice(equals + 1))];
}

function problemOf({ name, value, attributes }: SetCookie): string | undefined {
  if (value === undefined || !isToken(name)) return "Write name=value, with a name of letters, digits, - and _.";
  if (!COOKIE_VALUE.test(value)) return "Encode the value, with encodeURIComponent() or base64url.";
  for (const [attribute, argument] of attributes) {
    if (attribute === "expires" && readImfFixdate(argument) === undefined) {
      return "Write Expires as Date.prototype.toUTCString() does: Sun, 06 Nov 1994 08:49:37 GMT.";
    }
    if (attribute === "max-age" && !isDigits(argument)) return "Give Max-Age whole seconds, not below 0.";
  }
  return undefined;
}
