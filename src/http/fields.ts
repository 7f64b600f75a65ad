/** Fields by what they have in common. Names are in lower case, as they are looked up. */

/** Fields of one connection, which HTTP/2 does not have. RFC 9110, section 7.6.1; RFC 9113, section 8.2.2. */
export const HOP_BY_HOP: ReadonlySet<string> = new Set([
  ...["connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade", "http2-settings"],
]);

/** Fields that say where a message ends. RFC 9112, section 6.3. */
export const FRAMING: ReadonlySet<string> = new Set(["content-length", "transfer-encoding"]);

/**
 * Response fields of HTTP itself that have one value: of two lines some recipients take the one, some the other, and some
 * refuse the message. A second Content-Length is a matter of framing. RFC 9110, section 5.3, and RFC 9111, section 5.
 */
export const SINGLE_VALUED_IN_HTTP: ReadonlySet<string> = new Set([
  ...["age", "content-location", "content-range", "content-type", "date", "etag", "expires", "last-modified"],
  ...["location", "retry-after", "server"],
]);

/** The same with fields of other specifications, whose repetition leaves the message whole. RFC 9110, section 5.3. */
export const SINGLE_VALUED: ReadonlySet<string> = new Set([
  ...SINGLE_VALUED_IN_HTTP,
  // RFC 6266, HTML, RFC 8594
  ...["content-disposition", "refresh", "sunset"],
  // Fetch
  ...["access-control-allow-origin", "access-control-allow-credentials", "access-control-max-age"],
  // HTML and Fetch
  ...["cross-origin-embedder-policy", "cross-origin-opener-policy", "cross-origin-resource-policy"],
  ...["origin-agent-cluster"],
  // RFC 6797
  "strict-transport-security",
]);

/** Spans in which the commas of a list separate nothing: comments, and URIs. Quoted strings are such in any list. */
export type Span = "()" | "<>";

/** Response fields whose value is a list, of which each line has a part, and the span that is theirs. RFC 9110, section 5.6.1. */
export const LIST_VALUED: ReadonlyMap<string, Span | undefined> = new Map<string, Span | undefined>([
  ...[
    ...["accept", "accept-encoding", "accept-patch", "accept-post", "accept-ranges", "allow", "cache-control"],
    ...["connection", "content-encoding", "content-language", "pragma", "server-timing", "timing-allow-origin"],
    ...["trailer", "transfer-encoding", "upgrade", "vary", "www-authenticate", "access-control-allow-headers"],
    ...["access-control-allow-methods", "access-control-expose-headers"],
  ].map((name) => [name, undefined] as const),
  ["link", "<>"],
  ["via", "()"],
]);

/**
 * Fields that only a request may have. RFC 9110, sections 7.2, 10.1, 11.6.2, 12.5, 13.1 and 14.2; RFC 6265, section 5.4;
 * the Fetch and Fetch Metadata standards.
 */
export const REQUEST_ONLY: ReadonlySet<string> = new Set([
  ...["accept-charset", "accept-language", "authorization", "cookie", "expect", "from", "host", "if-match"],
  ...["if-modified-since", "if-none-match", "if-range", "if-unmodified-since", "max-forwards", "origin"],
  ...["proxy-authorization", "range", "referer", "te", "upgrade-insecure-requests", "user-agent"],
  ...["access-control-request-headers", "access-control-request-method"],
  ...["sec-fetch-dest", "sec-fetch-mode", "sec-fetch-site"],
]);

/**
 * Fields that say something about the content they come with, and nothing about other content. RFC 9110, sections 8 and
 * 14.4; RFC 6266; RFC 9530 and its forerunners.
 */
export const DESCRIBES_CONTENT: ReadonlySet<string> = new Set([
  ...["content-type", "content-encoding", "content-language", "content-length", "content-location", "content-range"],
  ...["content-disposition", "content-md5", "content-digest", "repr-digest", "digest", "etag", "last-modified"],
]);

/**
 * Fields that no sender puts into a trailer section: their meaning is needed before the content, or for how the message
 * is received at all. ETag, Authentication-Info and digests are not among them: their definitions permit it.
 * RFC 9110, section 6.5.1.
 */
export const NEVER_IN_TRAILERS: ReadonlySet<string> = new Set([
  ...HOP_BY_HOP,
  ...FRAMING,
  "trailer",
  // routing and request modifiers
  ...["host", "max-forwards", "expect", "range", "cache-control", "pragma"],
  ...["if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range"],
  // authentication and cookies
  ...["authorization", "proxy-authorization", "www-authenticate", "proxy-authenticate", "cookie", "set-cookie"],
  // response controls
  ...["age", "date", "expires", "location", "retry-after", "vary", "warning"],
  // how the content is to be read
  ...["content-encoding", "content-language", "content-location", "content-range", "content-type"],
]);

/** Whether a field, in any case, must not be a trailer. */
export function isForbiddenTrailer(name: string): boolean {
  return NEVER_IN_TRAILERS.has(name.toLowerCase());
}

/** A name as it is usually written. */
export function writtenName(name: string): string {
  if (name === "etag") return "ETag";
  return name.replace(/^(?:te|www)(?=$|-)|(?:^|-)[a-z]/g, (letters) => letters.toUpperCase());
}
