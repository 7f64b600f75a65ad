import type { Span } from "./fields.js";
import { isToken, QUOTED_STRING, trimWhitespace } from "./grammar.js";

/**
 * Splits at `separator`, but not inside quoted strings, nor inside `span`: comments of Via, URIs of Link. Parts come
 * trimmed, empty ones included.
 */
export function split(value: string, separator: "," | ";", span?: Span): string[] {
  const parts: string[] = [];
  let start = 0;
  let quoted = false;
  let depth = 0;
  for (let at = 0; at < value.length; at++) {
    const char = value[at];
    if (quoted) {
      if (char === "\\") at++;
      else if (char === '"') quoted = false;
    } else if (char === '"' && depth === 0) quoted = true;
    else if (span !== undefined && char === span[0]) depth++;
    else if (span !== undefined && char === span[1] && depth > 0) depth--;
    else if (char === separator && depth === 0) {
      parts.push(trimWhitespace(value.slice(start, at)));
      start = at + 1;
    }
  }
  parts.push(trimWhitespace(value.slice(start)));
  return parts;
}

/** A `name=value` pair, or a name alone. */
export interface Parameter {
  /** In lower case: parameter names ignore case. */
  readonly name: string;
  /** Without quotes and quoted-pairs; `undefined` for a name alone. */
  readonly value: string | undefined;
  readonly quoted: boolean;
}

/**
 * Reads `token [ "=" ( token / quoted-string ) ]`, the form of parameters, cache directives and challenge parameters.
 * @returns `undefined` where the text does not match.
 */
export function readParameter(text: string): Parameter | undefined {
  const equals = text.indexOf("=");
  const name = equals < 0 ? text : text.slice(0, equals);
  if (!isToken(name)) return undefined;
  if (equals < 0) return { name: name.toLowerCase(), value: undefined, quoted: false };
  const value = text.slice(equals + 1);
  if (isToken(value)) return { name: name.toLowerCase(), value, quoted: false };
  if (!QUOTED_STRING.test(value)) return undefined;
  return { name: name.toLowerCase(), value: value.slice(1, -1).replace(/\\(.)/g, "$1"), quoted: true };
}

/** A media type, in lower case, and its parameters. */
export interface MediaType {
  readonly type: string;
  readonly parameters: readonly Parameter[];
}

/**
 * Reads a Content-Type value.
 * @returns `undefined` where it does not match RFC 9110, section 8.3.1.
 */
export function readMediaType(value: string): MediaType | undefined {
  const [essence = "", ...rest] = split(value, ";");
  const slash = essence.indexOf("/");
  if (slash < 0 || !isToken(essence.slice(0, slash)) || !isToken(essence.slice(slash + 1))) return undefined;
  const parameters: Parameter[] = [];
  for (const text of rest) {
    if (text === "") continue; // The grammar has an optional parameter after each semicolon (section 5.6.6).
    const parameter = readParameter(text);
    if (parameter?.value === undefined) return undefined;
    parameters.push(parameter);
  }
  return { type: essence.toLowerCase(), parameters };
}
