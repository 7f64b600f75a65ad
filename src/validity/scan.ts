import { isHttpDate } from "../http/date.js";
import { SINGLE_VALUED_IN_HTTP } from "../http/fields.js";
import { isDigits, NOT_IN_VALUE } from "../http/grammar.js";
import { isBodiless, isGatewayStatus } from "../http/status.js";
import { copyOf, type HeadersArgument } from "./draft.js";

/**
 * First look at a header section, on the hot path: is there any reason to run the rules at all? It errs on the side
 * of the rules: `true` means that no guarded rule can be broken.
 * @param headers - of `setHeader`, or what `readHeaders` gave; a list among those of `setHeader` is put in place of itself
 *   with the items it has now, since it may have others the next time
 * @param isOutHeaders - `headers` are those of `setHeader`: [name, value] under the name in lower case
 * @param persists - neither the request nor its version asks for the connection to close
 * @param addsDate - Node will add a Date
 */
export function isPlainlyValid(
  headers: HeadersArgument,
  isOutHeaders: boolean,
  isHttp11: boolean,
  persists: boolean,
  addsDate: boolean,
  maxFieldLines: number,
): boolean {
  seen = 0;
  coding = null;
  // Node adds up to four lines of its own: Date, Connection, Keep-Alive and one for framing.
  lines = 4;
  if (headers !== null && headers !== undefined) {
    if (isOutHeaders) {
      const map = headers as Record<string, [string, unknown]>;
      for (const key in map) {
        const entry = map[key] as [string, unknown];
        if (typeof entry[1] === "object" && Array.isArray(entry[1])) entry[1] = copyOf(entry[1]);
        if (!takes(key, entry[1], isHttp11, persists)) return false;
      }
    } else {
      const flat = headers as readonly unknown[];
      if (flat.length % 2 !== 0) return false; // Node refuses it
      let lengths = 0;
      let alike = false;
      for (let i = 0; i < flat.length; i += 2) {
        if (!takes(flat[i], flat[i + 1], isHttp11, persists)) return false;
        // Only names of the same length can be the same, in whatever case they are written.
        const bit = 1 << (flat[i] as string).length;
        if ((lengths & bit) !== 0) alike = true;
        lengths |= bit;
      }
      if (alike && repeatsSingle(flat as readonly string[])) return false;
    }
  }
  return lines <= maxFieldLines && (seen & FRAMED_TWICE) !== FRAMED_TWICE && (addsDate || (seen & DATE) !== 0);
}

/** Whether no rule is about this status: 1xx, 204, 205 and 304 have framing of their own, 502 and 504 may be remapped. */
export function isPlainStatus(status: number): boolean {
  if (status === 200) return true;
  return status > 200 && status <= 599 && status !== 205 && !isBodiless(status) && !isGatewayStatus(status);
}

const DATE = 1;
const LENGTH = 2;
const CHUNKED = 4;
const FRAMED_TWICE = LENGTH | CHUNKED;
const CONNECTION = 8;

// One scan runs at a time and never calls out, so its state can live here instead of in an object for each response.
let seen = 0;
/** Content-Encoding in the section that was looked at last; empty where there was more than one line. */
export let coding: string | null = null;
let lines = 0;

/** Takes one field into account. @returns false where the rules have to look */
function takes(name: unknown, value: unknown, isHttp11: boolean, persists: boolean): boolean {
  if (typeof name !== "string") return false;
  lines++;
  if (typeof value !== "string" && typeof value !== "number") return takesList(name, value);
  if (Number.isNaN(value)) return false;
  switch (name.length) {
    case 4:
      if (!isNamed(name, "date")) break;
      seen |= DATE;
      return isDate(value);
    case 7:
      if (isNamed(name, "trailer") || isNamed(name, "upgrade")) return false;
      break;
    case 10:
      if (isNamed(name, "keep-alive")) return false;
      if (!isNamed(name, "connection")) break;
      return (value === "close" || (value === "keep-alive" && persists)) && once(CONNECTION);
    case 14:
      if (!isNamed(name, "content-length")) break;
      if ((seen & LENGTH) !== 0) return false;
      seen |= LENGTH;
      return typeof value === "number"
        ? Number.isSafeInteger(value) && value >= 0
        : value.length < 16 && isDigits(value);
    case 16:
      if (isNamed(name, "content-encoding")) coding = coding === null ? String(value) : "";
      break;
    case 17:
      if (!isNamed(name, "transfer-encoding")) break;
      if ((seen & CHUNKED) !== 0 || value !== "chunked" || !isHttp11) return false;
      seen |= CHUNKED;
      break;
  }
  return true;
}

/** A gateway that passes Date on does so for each of its responses, many of them in the same second. */
let lastDate: unknown;

function isDate(value: unknown): boolean {
  if (value === lastDate) return true;
  if (typeof value !== "string" || !isHttpDate(value)) return false;
  lastDate = value;
  return true;
}

/** Whether a field with one value is there twice, among names and values in turn. */
function repeatsSingle(flat: readonly string[]): boolean {
  for (let i = 2; i < flat.length; i += 2) {
    const { length } = flat[i] as string;
    let key: string | undefined;
    for (let before = 0; before < i; before += 2) {
      if ((flat[before] as string).length !== length) continue;
      key ??= (flat[i] as string).toLowerCase();
      if (!SINGLE_VALUED_IN_HTTP.has(key)) break;
      if (isNamed(flat[before] as string, key)) return true;
    }
  }
  return false;
}

function once(field: number): boolean {
  if ((seen & field) !== 0) return false;
  seen |= field;
  return true;
}

function takesList(name: string, value: unknown): boolean {
  // Cookies are the one field that is usually a list of lines. Node checked the items when the list was set, but kept
  // the list itself, so that it may have changed since.
  if (!Array.isArray(value) || !isNamed(name, "set-cookie")) return false;
  lines += value.length - 1;
  for (const item of value) {
    if (typeof item !== "string" || NOT_IN_VALUE.test(item)) return false;
  }
  return true;
}

function isNamed(name: string, key: string): boolean {
  return name === key || name.toLowerCase() === key;
}
