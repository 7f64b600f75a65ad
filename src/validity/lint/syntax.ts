import { isToken, TOKEN_SOURCE } from "../../http/grammar.js";
import { readContentRange } from "./ranges.js";
import type { Check, Section } from "./section.js";
import { showField } from "./show.js";
import { isContentLocation } from "./uris.js";

/** RFC 5646, section 2.1, as far as the form of its subtags goes. */
const LANGUAGE_TAG = /^[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*$/;

/** `[ name "/" ] version RWS received-by [ RWS comment ]`. RFC 9110, section 7.6.3. */
const VIA = new RegExp(`^(?:${TOKEN_SOURCE}/)?${TOKEN_SOURCE}[ \\t]+[^\\s(),]+(?:[ \\t]+\\([\\s\\S]*\\))?$`);

/** Longer than this, Server tells more than a recipient can use, and enough to look up flaws. */
const SERVER_OCTETS = 64;

/** Fields of RFC 9110 whose form can be checked on its own. */
export const syntaxChecks = {
  "MD-15": (section) => {
    const element = section.elements("allow").find((method) => !isToken(method));
    if (element === undefined) return undefined;
    return { found: showField("Allow", section.value("allow") ?? ""), advice: "List methods, as in Allow: GET, HEAD." };
  },

  "MD-16": (section) => {
    const element = section.elements("vary").find((name) => !isToken(name));
    if (element === undefined) return undefined;
    return {
      found: showField("Vary", section.values("vary").join(", ")),
      advice: "List field names, as in Vary: Accept-Encoding, Origin.",
    };
  },

  "MD-19": (section) => {
    for (const [name, isValid, advice] of FORMS) {
      for (const value of section.values(name.toLowerCase())) {
        if (!isValid(value, section)) return { found: showField(name, value), advice };
      }
    }
    return undefined;
  },

  "MD-20": (section) => {
    const value = section.value("server");
    if (value === undefined || value.length <= SERVER_OCTETS) return undefined;
    return {
      found: `${showField("Server", value)} (${value.length} octets)`,
      advice: "Name one product, if any, without its modules and their versions.",
    };
  },
} satisfies Record<string, Check>;

type Form = readonly [name: string, isValid: (value: string, section: Section) => boolean, advice: string];

const FORMS: readonly Form[] = [
  ["Content-Language", everyElement("content-language", LANGUAGE_TAG), "List language tags, as in de-AT, en."],
  ["Content-Location", isContentLocation, "Write an absolute or partial URI: ASCII, escaped, without fragment."],
  ["Accept-Ranges", (value) => value !== "" && value.split(",").every(isTokenOrEmpty), "Write bytes or none."],
  [
    "Content-Range",
    (value) => readContentRange(value) !== undefined,
    "Write unit, positions and complete length: bytes 0-99/1234, or bytes */1234.",
  ],
  [
    "Trailer",
    (value) => value.split(",").every(isTokenOrEmpty),
    "List the names of the fields that follow the content.",
  ],
  ["Upgrade", (value) => value.split(",").every(isProtocol), "List protocols, as in websocket or h2c."],
  ["Via", everyElement("via", VIA, "()"), "Write protocol version and recipient: 1.1 proxy.example.com."],
];

/** Elements of all lines are checked at once: a comma may stand in a comment. */
function everyElement(name: string, form: RegExp, span?: "()") {
  return (_value: string, section: Section) => section.elements(name, span).every((element) => form.test(element));
}

/** Empty elements are for HF-11 to report. */
function isTokenOrEmpty(element: string): boolean {
  const text = element.trim();
  return text === "" || isToken(text);
}

function isProtocol(element: string): boolean {
  const [name = "", version, ...rest] = element.trim().split("/");
  if (name === "" && version === undefined) return true;
  return isToken(name) && (version === undefined || isToken(version)) && rest.length === 0;
}
