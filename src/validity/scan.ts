import type { DraftFacts, HeadersArgument } from "./draft.js";

/**
 * First look at a header section, on the hot path: is there any reason to run the rules at all?
 * It errs on the side of the rules: `true` means that none of the guarded rules can be broken.
 */
export function isPlainlyValid(
  status: number,
  headers: HeadersArgument,
  isOutHeaders: boolean,
  facts: Pick<
    DraftFacts,
    "version" | "requestCloses" | "framingRemoved" | "addsDate" | "gatewayStatus" | "maxFieldLines"
  >,
): boolean {
  // 1xx, 204, 205 and 304 have framing rules of their own; 502 and 504 may be remapped.
  if (status < 200 || status > 599 || status === 204 || status === 205 || status === 304) return false;
  if ((status === 502 || status === 504) && facts.gatewayStatus === "remap") return false;
  if (facts.framingRemoved) return false;
  const section = new Section(facts.version === "1.1", facts.requestCloses);
  if (headers !== null && headers !== undefined) {
    if (Array.isArray(headers)) {
      if (headers.length > 0 && Array.isArray(headers[0])) return false;
      for (let i = 0; i + 1 < headers.length; i += 2) {
        if (!section.takes(headers[i], headers[i + 1])) return false;
      }
    } else if (isOutHeaders) {
      const map = headers as Record<string, [string, unknown]>;
      for (const key in map) {
        const entry = map[key] as [string, unknown];
        if (!section.takes(key, entry[1])) return false;
      }
    } else {
      const map = headers as Record<string, unknown>;
      for (const key in map) {
        if (!section.takes(key, map[key])) return false;
      }
    }
  }
  // Node adds up to four lines of its own: Date, Connection, Keep-Alive and one for framing.
  return (
    section.lines + 4 <= facts.maxFieldLines &&
    !(section.hasLength && section.isChunked) &&
    (facts.addsDate || section.hasDate)
  );
}

class Section {
  lines = 0;
  hasLength = false;
  isChunked = false;
  hasDate = false;
  readonly #isHttp11: boolean;
  readonly #requestCloses: boolean;

  constructor(isHttp11: boolean, requestCloses: boolean) {
    this.#isHttp11 = isHttp11;
    this.#requestCloses = requestCloses;
  }

  takes(name: unknown, value: unknown): boolean {
    if (typeof name !== "string") return false;
    this.lines++;
    if (typeof value !== "string" && typeof value !== "number") return this.#takesArray(name, value);
    switch (name.length) {
      case 4:
        if (isNamed(name, "date")) {
          if (this.hasDate) return false;
          this.hasDate = true;
        }
        return value === value;
      case 7:
        return !isNamed(name, "trailer") && !isNamed(name, "upgrade");
      case 10:
        if (isNamed(name, "keep-alive")) return false;
        return !isNamed(name, "connection") || value === "close" || (value === "keep-alive" && !this.#requestCloses);
      case 14:
        if (!isNamed(name, "content-length")) return value === value;
        if (this.hasLength) return false;
        this.hasLength = true;
        return isLength(value);
      case 17:
        if (!isNamed(name, "transfer-encoding")) return value === value;
        if (this.isChunked) return false;
        this.isChunked = true;
        return value === "chunked" && this.#isHttp11;
      default:
        return value === value; // NaN is no field value
    }
  }

  #takesArray(name: string, value: unknown): boolean {
    // Cookies are the one field that is usually a list of lines. Node checked the items when the list was set, but
    // keeps the list itself, so that it may have changed since.
    if (!Array.isArray(value) || !isNamed(name, "set-cookie")) return false;
    this.lines += value.length - 1;
    for (const item of value) {
      if (typeof item !== "string" || INVALID.test(item)) return false;
    }
    return true;
  }
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the octets a field value must not hold
export const INVALID = /[^\t\x20-\x7e\x80-\xff]/;

function isNamed(name: string, key: string): boolean {
  return name === key || name.toLowerCase() === key;
}

function isLength(value: string | number): boolean {
  if (typeof value === "number") return Number.isSafeInteger(value) && value >= 0;
  return value.length > 0 && value.length < 16 && DIGITS.test(value);
}

const DIGITS = /^[0-9]+$/;
