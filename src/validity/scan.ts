import { isHttpDate } from "../http/date.js";
import { SINGLE_VALUED_IN_HTTP } from "../http/fields.js";
import { DIGITS, NOT_IN_VALUE } from "../http/grammar.js";
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
      // An object without a prototype, of which V8 looks each name up once more in a `for` … `in`.
      for (const key of Object.keys(map)) {
        const entry = map[key] as [string, unknown];
        const value = entry[1];
        const field = FIELDS.get(key) ?? ANY;
        // Nearly every field: no rule is about its text, and it stands here once.
        if (
          typeof value === "string" &&
          (field < LOOKED_AT || (field === LENGTH && value.length < 16 && DIGITS.test(value)))
        ) {
          seen |= field;
          lines++;
          continue;
        }
        if (typeof value === "object" && Array.isArray(value)) entry[1] = copyOf(value);
        if (!takes(key, field, entry[1], isHttp11, persists)) return false;
      }
    } else {
      const flat = headers as readonly unknown[];
      if (flat.length % 2 !== 0) return false; // Node refuses it
      for (let i = 0; i < flat.length; i += 2) {
        const name = flat[i];
        if (typeof name !== "string") return false;
        const value = flat[i + 1];
        const field = FIELDS.get(name) ?? FIELDS.get(name.toLowerCase()) ?? ANY;
        if (
          typeof value === "string" &&
          (field < LOOKED_AT || (field === LENGTH && value.length < 16 && DIGITS.test(value))) &&
          (seen & field) === 0
        ) {
          seen |= field;
          lines++;
          continue;
        }
        if (!takes(name, field, value, isHttp11, persists)) return false;
      }
    }
  }
  return lines <= maxFieldLines && (seen & FRAMED_TWICE) !== FRAMED_TWICE && (addsDate || (seen & DATE) !== 0);
}

/** Whether no rule is about this status: 1xx, 204, 205 and 304 have framing of their own, 502 and 504 may be remapped. */
export function isPlainStatus(status: number): boolean {
  if (status === 200) return true;
  return status > 200 && status <= 599 && status !== 205 && !isBodiless(status) && !isGatewayStatus(status);
}

/** A bit for each field that is looked at. Of those from `LOOKED_AT` on the text matters, of the others that they occur once. */
const ANY = 0;
const LOOKED_AT = 1 << 24;
const DATE = 1 << 24;
const CONNECTION = 1 << 25;
const LENGTH = 1 << 26;
const CHUNKED = 1 << 27;
const CODING = 1 << 28;
const REFUSED = 1 << 29;
const FRAMED_TWICE = LENGTH | CHUNKED;

/** Names are compared without case: `writeHead` takes them in any. */
const FIELDS: ReadonlyMap<string, number> = new Map([
  ...[...SINGLE_VALUED_IN_HTTP].map((name, bit): [string, number] => [name, 1 << bit]),
  ["date", DATE],
  ["connection", CONNECTION],
  ["content-length", LENGTH],
  ["transfer-encoding", CHUNKED],
  ["content-encoding", CODING],
  ["keep-alive", REFUSED],
  ["trailer", REFUSED],
  ["upgrade", REFUSED],
]);

// One scan runs at a time and never calls out, so its state can live here instead of in an object for each response.
let seen = 0;
/** Content-Encoding in the section that was looked at last; empty where there was more than one line. */
export let coding: string | null = null;
let lines = 0;

/** Takes one field into account. @returns false where the rules have to look */
function takes(name: string, field: number, value: unknown, isHttp11: boolean, persists: boolean): boolean {
  lines++;
  if (typeof value !== "string" && typeof value !== "number") return takesList(name, value);
  if (Number.isNaN(value)) return false;
  if (field === CODING) {
    coding = coding === null ? String(value) : "";
    return true;
  }
  if ((seen & field) !== 0) return false;
  seen |= field;
  switch (field) {
    case DATE:
      return isDate(value);
    case CONNECTION:
      return value === "close" || (value === "keep-alive" && persists);
    case LENGTH:
      return typeof value === "number"
        ? Number.isSafeInteger(value) && value >= 0
        : value.length < 16 && DIGITS.test(value);
    case CHUNKED:
      return value === "chunked" && isHttp11;
    default:
      return field !== REFUSED;
  }
}

/** A gateway that passes Date on does so for each of its responses, many of them in the same second. */
let lastDate: unknown;

function isDate(value: unknown): boolean {
  if (value === lastDate) return true;
  if (typeof value !== "string" || !isHttpDate(value)) return false;
  lastDate = value;
  return true;
}

function takesList(name: string, value: unknown): boolean {
  // Cookies are the one field that is usually a list of lines. Node checked the items when the list was set, but kept
  // the list itself, so that it may have changed since.
  if (!Array.isArray(value) || name.toLowerCase() !== "set-cookie") return false;
  lines += value.length - 1;
  for (const item of value) {
    if (typeof item !== "string" || NOT_IN_VALUE.test(item)) return false;
  }
  return true;
}
