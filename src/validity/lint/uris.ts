import type { Check, Section } from "./section.js";
import { showField } from "./show.js";

/**
 * What no URI has (RFC 3986, section 2). The four octets `[ ] | ^` are let pass outside of hosts as well: common URI
 * parsers and encoders leave them as they are, and every recipient takes them.
 */
const NOT_IN_URI = /[^\x21\x23-\x3b\x3d\x3f-\x5b\x5d-\x5f\x61-\x7a\x7c\x7e]|%(?![0-9A-Fa-f]{2})/;

/** True for a URI reference: US-ASCII, escaped, at most one fragment. */
export function isUriReference(text: string): boolean {
  return !NOT_IN_URI.test(text) && text.indexOf("#") === text.lastIndexOf("#");
}

/** URIs in fields. RFC 9110, sections 4.2 and 10.2.2. */
export const uriChecks = {
  "HF-15": (section) => {
    for (const [name, uri, value] of urisOf(section)) {
      const problem = problemOf(uri);
      if (problem !== undefined) return { found: showField(name, value), advice: problem };
    }
    return undefined;
  },

  "MD-13": (section) => {
    const value = section.value("location");
    if (value === undefined || isUriReference(value)) return undefined;
    return {
      found: showField("Location", value),
      advice: "Encode it, with encodeURI() or new URL(target).href: no spaces, no quotes, no octets above 127.",
    };
  },
} satisfies Record<string, Check>;

function urisOf(section: Section): [name: string, uri: string, value: string][] {
  const uris: [string, string, string][] = [];
  for (const name of ["Location", "Content-Location"]) {
    for (const value of section.values(name.toLowerCase())) uris.push([name, value, value]);
  }
  for (const link of section.elements("link", "<>")) {
    const end = link.indexOf(">");
    if (link.startsWith("<") && end > 0) uris.push(["Link", link.slice(1, end), link]);
  }
  return uris;
}

/** Reads the authority of an http or https URI, or of a reference that takes its scheme from the request. */
function problemOf(uri: string): string | undefined {
  const scheme = /^https?:/i.exec(uri)?.[0] ?? "";
  if (scheme === "" && !uri.startsWith("//")) return undefined;
  const authority = /^\/\/([^/?#]*)/.exec(uri.slice(scheme.length))?.[1];
  if (authority === undefined) return "Write the host after two slashes: https://example.com/path.";
  if (authority.includes("@"))
    return "Drop the user information before @: recipients take it for an attempt to mislead.";
  if (authority === "" || authority.startsWith(":")) return "Name the host: https://example.com/path.";
  return undefined;
}

/** `absolute-URI / partial-URI`: a URI reference without fragment. RFC 9110, section 8.7. */
export function isContentLocation(value: string): boolean {
  return isUriReference(value) && !value.includes("#");
}
