import { isIP } from "node:net";

/** Longest text that can hold an address with brackets, a zone id and a port. */
const MAX_LENGTH = 80;

const PORT = /^(?::[0-9]{1,5})?$/;

/**
 * Reads an IP address as hops write it: with a port, in brackets, with a zone id, or IPv4 inside IPv6. Returns the bare
 * address, IPv4 in dotted form wherever it is one, or `null`.
 * @see RFC 7239, section 6; RFC 4291, section 2.5.5.2
 */
export function readAddress(text: string): string | null {
  if (text.length > MAX_LENGTH) return null;
  let host = text.trim();
  if (host.startsWith("[")) {
    const close = host.indexOf("]");
    if (close === -1 || !PORT.test(host.slice(close + 1))) return null;
    host = withoutZone(host.slice(1, close));
    return isIP(host) === 6 ? unmapped(host) : null;
  }
  const colon = host.indexOf(":");
  if (colon !== -1 && colon === host.lastIndexOf(":")) {
    if (!PORT.test(host.slice(colon))) return null;
    host = host.slice(0, colon);
  } else if (colon !== -1) host = withoutZone(host);
  const version = isIP(host);
  if (version === 0) return null;
  return version === 4 ? host : unmapped(host);
}

/** A zone id names an interface of whoever wrote it, and says nothing to anybody else. */
function withoutZone(host: string): string {
  const zone = host.indexOf("%");
  return zone === -1 ? host : host.slice(0, zone);
}

/** The IPv4 address inside a valid IPv6 one, where there is one; else the address as it is. */
export function unmapped(ipv6: string): string {
  const first = ipv6[0];
  if (first !== ":" && first !== "0") return ipv6;
  const [a, b, c, d] = readIpv6(ipv6) as unknown as [number, number, number, number];
  if (a !== 0 || b !== 0 || c !== 0xffff) return ipv6;
  return `${d >>> 24}.${(d >>> 16) & 255}.${(d >>> 8) & 255}.${d & 255}`;
}

/** A valid IPv4 address as one number of 32 bits. */
export function readIpv4(text: string): number {
  let number = 0;
  let octet = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 46) {
      number = number * 256 + octet;
      octet = 0;
    } else octet = octet * 10 + code - 48;
  }
  return number * 256 + octet;
}

/** A valid IPv6 address, without zone id, as four numbers of 32 bits. */
export function readIpv6(text: string): Uint32Array {
  const groups = new Uint16Array(8);
  const dots = text.indexOf(".");
  let ipv6 = text;
  if (dots !== -1) {
    const start = text.lastIndexOf(":") + 1;
    const number = readIpv4(text.slice(start));
    ipv6 = `${text.slice(0, start)}${(number >>> 16).toString(16)}:${(number & 0xffff).toString(16)}`;
  }
  const gap = ipv6.indexOf("::");
  const head = gap === -1 ? ipv6 : ipv6.slice(0, gap);
  const tail = gap === -1 ? "" : ipv6.slice(gap + 2);
  const before = head === "" ? [] : head.split(":");
  const after = tail === "" ? [] : tail.split(":");
  for (let i = 0; i < before.length; i++) groups[i] = Number.parseInt(before[i] as string, 16);
  for (let i = 0; i < after.length; i++) groups[8 - after.length + i] = Number.parseInt(after[i] as string, 16);
  const words = new Uint32Array(4);
  for (let i = 0; i < 4; i++) words[i] = (groups[2 * i] as number) * 65_536 + (groups[2 * i + 1] as number);
  return words;
}
