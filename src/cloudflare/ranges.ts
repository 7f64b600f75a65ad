import { Networks, readNetwork } from "../trust/addresses.js";
import { PUBLISHED_RANGES } from "./published-ranges.js";

/** A list of the networks from which Cloudflare connects to origin servers. */
export interface Ranges {
  readonly ipv4: readonly string[];
  readonly ipv6: readonly string[];
  /** Digest Cloudflare gives with the list, where it gave one. */
  readonly etag: string | null;
  /** Day on which the list was last seen to be the published one, as `2026-10-14`. */
  readonly date: string;
}

let inForce: Ranges = PUBLISHED_RANGES;
let networks: Networks | undefined;

/** The list in force in this process: the one that came with the package, until `refreshRanges()` has found another. */
export function currentRanges(): Ranges {
  return inForce;
}

/** Whether an address is one from which Cloudflare connects. @param address - one that `readAddress` has returned */
export function isCloudflare(address: string): boolean {
  networks ??= compile(inForce);
  return networks.has(address);
}

/** Puts another list in force, all of it at once. Connections that are open keep what was decided of them. */
export function adoptRanges(ranges: Ranges): void {
  networks = compile(ranges);
  inForce = ranges;
}

function compile({ ipv4, ipv6 }: Ranges): Networks {
  return new Networks([...ipv4, ...ipv6].map(readNetwork).filter((network) => network !== null));
}
