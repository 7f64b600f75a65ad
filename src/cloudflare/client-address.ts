import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { isIP } from "node:net";

/**
 * Reads CF-Connecting-IP: one IPv4 or IPv6 address, or `null`.
 * A list is a sign of forgery, since the edge always overwrites the field with a single address.
 * @see https://developers.cloudflare.com/fundamentals/reference/http-headers/#cf-connecting-ip
 */
export function parseConnectingIp(value: unknown): string | null {
  if (typeof value !== "string" || value.length > 45) return null;
  // A zone id ("fe80::1%eth0") passes isIP, but names an interface of somebody else's machine.
  return isIP(value) !== 0 && !value.includes("%") ? value : null;
}

/**
 * Reads CF-IPCountry: two letters, or the special `T1` (Tor) and `XX` (unknown).
 * @see https://developers.cloudflare.com/fundamentals/reference/http-headers/#cf-ipcountry
 */
export function parseCountry(headers: IncomingHttpHeaders): string | null {
  const value = headers["cf-ipcountry"];
  return typeof value === "string" && /^(?:[A-Z]{2}|T1)$/.test(value) ? value : null;
}

/** CF-Connecting-IP where it is an address, else the address of the peer. */
export function clientAddress(request: IncomingMessage | null, peerAddress: string | undefined): string | null {
  return parseConnectingIp(request?.headers["cf-connecting-ip"]) ?? peerAddress ?? null;
}
