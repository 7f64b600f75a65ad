import { isIP } from "node:net";
import { unmapped } from "../trust/addresses.js";

/**
 * Reads CF-Connecting-IP or True-Client-IP: one IPv4 or IPv6 address, or `null`.
 * A list is a sign of forgery, since the edge always overwrites the field with a single address.
 * @see https://developers.cloudflare.com/fundamentals/reference/http-headers/#cf-connecting-ip
 */
export function parseConnectingIp(value: unknown): string | null {
  if (typeof value !== "string" || value.length > 45) return null;
  const version = isIP(value);
  if (version === 4) return value;
  // A zone id ("fe80::1%eth0") passes isIP, but names an interface of somebody else's machine.
  return version === 6 && !value.includes("%") ? unmapped(value) : null;
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
