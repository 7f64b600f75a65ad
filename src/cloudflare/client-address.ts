import { isIPv6 } from "node:net";
import { readAddress } from "../trust/address.js";

/** What a field that holds an address is made of: no port, no zone id ("fe80::1%eth0" names somebody else's interface). */
const BARE = /^[0-9a-f.:]{2,45}$/i;

/**
 * Reads CF-Connecting-IP or True-Client-IP: one IPv4 or IPv6 address, or `null`.
 * A list is a sign of forgery, since the edge always overwrites the field with a single address.
 * @see https://developers.cloudflare.com/fundamentals/reference/http-headers/#cf-connecting-ip
 */
export function parseConnectingIp(value: unknown): string | null {
  if (typeof value !== "string" || !BARE.test(value)) return null;
  const address = readAddress(value);
  // A port would have been read, too.
  return address !== null && (address === value || isIPv6(value)) ? address : null;
}

/**
 * The IPv6 address behind a pseudo IPv4 one (240.0.0.0/4, which no client can have): with "Pseudo IPv4: overwrite headers"
 * the edge gives it in CF-Connecting-IPv6. `null` where the address is no such one.
 * @see https://developers.cloudflare.com/network/pseudo-ipv4/
 */
export function parsePseudoIpv4(address: string, ipv6: unknown): string | null {
  const first = Number.parseInt(address, 10);
  if (address.includes(":") || first < 240) return null;
  const named = parseConnectingIp(ipv6);
  return named?.includes(":") ? named : null;
}

/**
 * Reads CF-IPCountry: two letters, or the special `T1` (Tor) and `XX` (unknown).
 * @see https://developers.cloudflare.com/fundamentals/reference/http-headers/#cf-ipcountry
 */
export function parseCountry(headers: NodeJS.Dict<string | string[]>): string | null {
  const value = headers["cf-ipcountry"];
  return typeof value === "string" && /^(?:[A-Z]{2}|T1)$/.test(value) ? value : null;
}
