import { DESCRIBES_CONTENT, FRAMING } from "../http/fields.js";

/** What is wrong, or is not to be had, once other content takes the place of that which was lost. */
const LOST = new Set([...DESCRIBES_CONTENT, ...FRAMING, "trailer", "accept-ranges", "set-cookie"]);
// Whoever answers sets it.
LOST.delete("content-type");

/** Fields that say how long the content may be kept. */
const CACHING = new Set([
  "expires",
  "age",
  "pragma",
  "cdn-cache-control",
  "cloudflare-cdn-cache-control",
  "surrogate-control",
]);

/** What a 416 says of the ranges there are (RFC 9110, section 15.5.17). */
const RANGES = new Set(["content-range", "accept-ranges"]);

/**
 * Whether a field belongs to the content that was lost.
 * @param status - of the answer that takes its place
 */
export function isLostWithContent(name: string, value: unknown, status: number): boolean {
  const key = name.toLowerCase();
  return describesContent(key, status) || limitsCaching(key, value);
}

/**
 * Whether a field of a thrown error's `headers` is out of place in the answer that a framework makes of that error. Cookies
 * are not, nor is what a client error says of its own caching.
 */
export function isRefusedOfError(name: string, value: unknown, status: number): boolean {
  const key = name.toLowerCase();
  if (key === "set-cookie") return false;
  return describesContent(key, status) || (status >= 500 && limitsCaching(key, value));
}

function describesContent(key: string, status: number): boolean {
  return LOST.has(key) && !(status === 416 && RANGES.has(key));
}

function limitsCaching(key: string, value: unknown): boolean {
  if (key === "cache-control") return !/no-store|no-cache|private/i.test(String(value));
  return CACHING.has(key);
}
