/** Fields that must not come after the content: framing, routing, authentication, cookies, what describes the content. */
const FORBIDDEN = new Set([
  "age",
  "authorization",
  "cache-control",
  "connection",
  "content-encoding",
  "content-length",
  "content-range",
  "content-type",
  "cookie",
  "date",
  "expect",
  "expires",
  "host",
  "keep-alive",
  "location",
  "max-forwards",
  "pragma",
  "proxy-authenticate",
  "proxy-authorization",
  "range",
  "retry-after",
  "set-cookie",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "vary",
  "warning",
  "www-authenticate",
]);

const LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+): ?[\t\x20-\x7e\x80-\xff]*$/;

/** Splits rendered trailer lines into those that may go out and the names of those that may not (RFC 9110, section 6.5.1). */
export function sortTrailers(rendered: string): { kept: string; dropped: string[] } {
  let kept = "";
  const dropped: string[] = [];
  for (const line of rendered.split("\r\n")) {
    if (line === "") continue;
    const name = LINE.exec(line)?.[1];
    if (name === undefined || FORBIDDEN.has(name.toLowerCase()))
      dropped.push(name?.toLowerCase() ?? "a malformed line");
    else kept += `${line}\r\n`;
  }
  return { kept, dropped };
}
