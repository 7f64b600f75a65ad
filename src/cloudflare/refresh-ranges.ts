import { RayguardError } from "../errors.js";
import { type Network, readNetwork } from "../trust/addresses.js";
import { adoptRanges, currentRanges, type Ranges } from "./ranges.js";

/** Options of `refreshRanges()`; every one is optional. */
export interface RefreshOptions {
  /** @default globalThis.fetch */
  fetch?: typeof globalThis.fetch;
  /** Address of the list: over https, or on this machine. @default "https://api.cloudflare.com/client/v4/ips" */
  url?: string | URL;
  signal?: AbortSignal;
  /** Longest time it may take, in milliseconds. @default 5_000 */
  timeoutMs?: number;
}

const PUBLISHED_AT = "https://api.cloudflare.com/client/v4/ips";

/** The list has about 700 octets. */
const MAX_OCTETS = 65_536;

/** The list has 15 and 7 networks; 200 leaves room for what may come, not for the whole internet in pieces. */
const MAX_NETWORKS = 200;

/**
 * Shortest prefixes that are taken. Cloudflare has never published a wider network than 104.16.0.0/12 and 2a06:98c0::/29;
 * these leave it four times and 512 times as much. All IPv4 networks together may hold 2^24 addresses: today 1.5 million.
 */
const SHORTEST = { 4: 10, 6: 20 } as const;
const MAX_IPV4_ADDRESSES = 2 ** 24;

/** Networks of which no part can be an edge of Cloudflare (RFC 6890 and its registries). */
const SPECIAL = [
  ...["0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"],
  ...["192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3"],
  ...["2001:db8::/32", "2002::/16", "3fff::/20"],
].map((text) => readNetwork(text) as Network);

/** Global unicast (RFC 4291, section 2.4): everything else in IPv6 is local, mapped or reserved. */
const GLOBAL_IPV6 = readNetwork("2000::/3") as Network;

/**
 * Fetches the networks Cloudflare publishes, checks them, and puts them in force for every guard of this process, all at
 * once. Whatever goes wrong, the list in force stays.
 * @throws {RayguardError} `ERR_RAYGUARD_RANGES`
 */
export async function refreshRanges(options: RefreshOptions = {}): Promise<Ranges & { readonly changed: boolean }> {
  const { fetch = globalThis.fetch, url = PUBLISHED_AT, signal, timeoutMs = 5_000 } = options;
  if (!Number.isInteger(timeoutMs) || timeoutMs < 1)
    throw refused(`timeoutMs must be a whole number of milliseconds, 1 or more; got ${String(timeoutMs)}`);
  const address = trustworthy(url);
  const timeout = AbortSignal.timeout(timeoutMs);
  let text: string;
  try {
    const response = await fetch(address, {
      headers: { Accept: "application/json" },
      // Another host could name other networks.
      redirect: "error",
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    });
    if (response.status !== 200) throw refused(`${address.href} answered with status ${response.status}`);
    text = await read(response);
  } catch (error) {
    if (error instanceof RayguardError) throw error;
    throw refused(`${address.href} could not be read`, error);
  }
  const ranges = check(text);
  const before = currentRanges();
  const changed = signature(ranges) !== signature(before);
  adoptRanges(ranges);
  return { changed, ...ranges };
}

function trustworthy(url: string | URL): URL {
  const address = URL.canParse(url.toString()) ? new URL(url) : null;
  const isHere = address !== null && /^(?:localhost|127(?:\.[0-9]+){3}|\[::1\])$/.test(address.hostname);
  // Over plain HTTP anybody on the way could name networks.
  if (address?.protocol === "https:" || (address?.protocol === "http:" && isHere)) return address;
  throw refused(`url must be an https address, or an http one on this machine; got ${JSON.stringify(String(url))}`);
}

async function read(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let octets = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    octets += chunk.byteLength;
    if (octets > MAX_OCTETS) throw refused(`the list has more than ${MAX_OCTETS} octets`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** Takes a list as a whole or not at all. */
function check(text: string): Ranges {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw refused("the answer is not JSON", error);
  }
  const { success, result } = fields(document);
  if (success !== true) throw refused("the answer does not say success: true");
  const { etag, ipv4_cidrs, ipv6_cidrs } = fields(result);
  const ipv4 = networksOf("ipv4_cidrs", ipv4_cidrs, 4);
  networksOf("ipv6_cidrs", ipv6_cidrs, 6);
  const addresses = ipv4.reduce((sum, { prefix }) => sum + 2 ** (32 - prefix), 0);
  if (addresses > MAX_IPV4_ADDRESSES) throw refused(`its IPv4 networks hold ${addresses} addresses`);
  return Object.freeze({
    ipv4: Object.freeze([...(ipv4_cidrs as string[])]),
    ipv6: Object.freeze([...(ipv6_cidrs as string[])]),
    etag: typeof etag === "string" && /^[\w"/+=-]{1,128}$/.test(etag) ? etag : null,
    date: new Date().toISOString().slice(0, 10),
  });
}

function fields(value: unknown): Record<string, unknown> {
  return value !== null && typeof value === "object" ? (value as Record<string, unknown>) : {};
}

function networksOf(name: string, cidrs: unknown, version: 4 | 6): Network[] {
  if (!Array.isArray(cidrs) || cidrs.length === 0 || cidrs.length > MAX_NETWORKS)
    throw refused(`${name} is no list of 1 to ${MAX_NETWORKS} networks`);
  return cidrs.map((cidr: unknown) => {
    const shown = JSON.stringify(String(cidr).slice(0, 60));
    const network = typeof cidr === "string" && cidr.includes("/") ? readNetwork(cidr) : null;
    if (network === null || network.version !== version || network.hasHostBits)
      throw refused(`${name} holds ${shown}, which is no IPv${version} network`);
    if (network.prefix < SHORTEST[version])
      throw refused(`${name} holds ${shown}, which is wider than /${SHORTEST[version]}`);
    const isSpecial = SPECIAL.some((special) => overlap(special, network));
    if (isSpecial || (version === 6 && !overlap(GLOBAL_IPV6, network)))
      throw refused(`${name} holds ${shown}, which is not public`);
    return network;
  });
}

function overlap(a: Network, b: Network): boolean {
  if (a.version !== b.version) return false;
  const bits = Math.min(a.prefix, b.prefix);
  for (let i = 0; i * 32 < bits; i++) {
    const shift = Math.max(0, 32 - (bits - i * 32));
    if ((a.words[i] as number) >>> shift !== (b.words[i] as number) >>> shift) return false;
  }
  return true;
}

function signature({ ipv4, ipv6 }: Ranges): string {
  return [...ipv4, ...ipv6].sort().join(" ");
}

function refused(why: string, cause?: unknown): RayguardError {
  const message = `Cloudflare's address ranges were not refreshed, and the list in force stays: ${why}.`;
  return new RayguardError("ERR_RAYGUARD_RANGES", message, cause === undefined ? undefined : { cause });
}
