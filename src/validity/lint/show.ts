/** Longest excerpt of a value in a finding, in characters. */
const EXCERPT = 120;

/** Fields whose values give access to something. A finding names them and keeps the value to itself. */
const SECRET = new Set(["authorization", "proxy-authorization", "cookie", "authentication-info"]);

/** Fields that hold URIs, whose query and user information may give access to something. */
const WITH_URI = new Set(["location", "content-location", "link", "refresh"]);

/** A field line for a finding: escaped, shortened, without secrets. */
export function showField(name: string, value: string): string {
  return `${escapeText(name)}: ${escapeText(withoutSecrets(name.toLowerCase(), value))}`;
}

/**
 * Text that is safe in a log: printable US-ASCII, no control characters, no terminal escapes, and not much of it. The
 * text may have come from a client.
 */
export function escapeText(text: string): string {
  const excerpt = text.length > EXCERPT ? `${text.slice(0, EXCERPT)}...` : text;
  return excerpt.replace(/[^\x20-\x7e]/g, (char) => {
    const code = char.charCodeAt(0);
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}

function withoutSecrets(name: string, value: string): string {
  if (SECRET.has(name)) return "...";
  if (name === "set-cookie") return withoutCookieValue(value);
  if (WITH_URI.has(name)) return value.replace(/\/\/[^/?#@]*@/g, "//...@").replace(/\?[^#>]*/g, "?...");
  return value;
}

function withoutCookieValue(line: string): string {
  const semicolon = line.indexOf(";");
  const pair = semicolon < 0 ? line : line.slice(0, semicolon);
  const equals = pair.indexOf("=");
  return equals < 0 ? "..." : `${pair.slice(0, equals)}=...${semicolon < 0 ? "" : line.slice(semicolon)}`;
}
