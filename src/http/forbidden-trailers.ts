/**
 * Fields that no sender puts into a trailer section: their meaning is needed before the content, or for how the message
 * is received at all. ETag, Authentication-Info and digests are not among them: their definitions permit it.
 * @see RFC 9110, section 6.5.1
 */
export const FORBIDDEN_TRAILERS: ReadonlySet<string> = new Set([
  // framing and connection
  ...[
    "transfer-encoding",
    "content-length",
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
  ],
  // routing and request modifiers
  ...["host", "max-forwards", "expect", "range", "cache-control", "pragma"],
  ...["if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range"],
  // authentication and cookies
  ...["authorization", "proxy-authorization", "www-authenticate", "proxy-authenticate", "cookie", "set-cookie"],
  // response controls
  ...["age", "date", "expires", "location", "retry-after", "vary", "warning"],
  // what describes the content
  ...["content-encoding", "content-language", "content-location", "content-range", "content-type"],
]);

/** Whether a field, in any case, must not be a trailer. */
export function isForbiddenTrailer(name: string): boolean {
  return FORBIDDEN_TRAILERS.has(name.toLowerCase());
}
