import { isCloudflare } from "../cloudflare/ranges.js";
import { invalid } from "../option-checks.js";
import { type Network, Networks, readNetwork } from "./addresses.js";

/**
 * Hops that are trusted: networks and addresses, the names `cloudflare`, `loopback`, `linklocal` and `uniquelocal`, one or
 * several (a list, or text with commas); or a function, such as Express's `app.get("trust proxy fn")`.
 */
export type TrustedHops = string | readonly string[] | ((address: string, hop: number) => boolean);

/** Whether a hop is trusted. @param hop - 0 for the peer, 1 for the one that spoke to it, and so on */
export type HopTest = (address: string, hop: number) => boolean;

/** The names that proxy-addr has, and with it Express and Fastify. */
const NAMES: Readonly<Record<string, readonly string[]>> = {
  loopback: ["127.0.0.0/8", "::1/128"],
  linklocal: ["169.254.0.0/16", "fe80::/10"],
  uniquelocal: ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"],
};

let local: Networks | undefined;

/** Whether an address belongs to this machine or to a private network. */
export function isLocal(address: string): boolean {
  // Not before it is asked: reading the first IPv6 address costs Node 20 some 5 ms, for a large regular expression.
  local ??= new Networks(Object.values(NAMES).flat().map(read));
  return local.has(address);
}

/** The entries of a list, or of a text with commas. @throws {RayguardError} `ERR_RAYGUARD_INVALID_OPTION` */
export function entriesOf(name: string, hops: unknown): string[] {
  const entries = typeof hops === "string" ? hops.split(",").map((entry) => entry.trim()) : hops;
  if (!Array.isArray(entries) || entries.length === 0)
    throw invalid(name, 'a network, "cloudflare", "loopback", a list of them, a function or an object', hops);
  for (const entry of entries) {
    if (entry === "cloudflare" || Object.hasOwn(NAMES, entry as string)) continue;
    const network = typeof entry === "string" ? readNetwork(entry) : null;
    if (network === null)
      throw invalid(name, 'made of networks such as "10.0.0.0/8", or "cloudflare", "loopback", ...', entry);
    if (network.prefix === 0) throw invalid(name, "a list that does not trust everybody", entry);
  }
  return entries;
}

/** Makes a test of trusted hops. @throws {RayguardError} `ERR_RAYGUARD_INVALID_OPTION` */
export function hopTest(name: string, hops: unknown): HopTest {
  if (typeof hops === "function") return guarded(hops as HopTest);
  const entries = entriesOf(name, hops);
  const own = entries.filter((entry) => entry !== "cloudflare");
  if (own.length === 0) return isCloudflare;
  const networks = new Networks(
    own.flatMap((entry) => (Object.hasOwn(NAMES, entry) ? (NAMES[entry] ?? []) : [entry])).map(read),
  );
  if (own.length === entries.length) return (address) => networks.has(address);
  return (address) => networks.has(address) || isCloudflare(address);
}

/** A function of the user that fails, or that answers with anything but `true`, a promise say, trusts nobody. */
function guarded(test: HopTest): HopTest {
  return (address, hop) => {
    try {
      return test(address, hop) === true;
    } catch {
      return false;
    }
  };
}

function read(text: string): Network {
  return readNetwork(text) as Network;
}
