import { iptables, nftables, ufw } from "./firewalls.js";
import { apache, apacheRemoteip, haproxy, nginx, nginxRealip } from "./web-servers.js";

/** A list of address ranges, and which one it is. */
export interface PublishedRanges {
  readonly ipv4: readonly string[];
  readonly ipv6: readonly string[];
  readonly etag: string | null;
  readonly date: string;
}

type Format = (ranges: PublishedRanges, ports: readonly number[]) => string[];

const COMMENTED: Readonly<Record<string, Format>> = {
  nginx,
  "nginx-realip": nginxRealip,
  apache,
  "apache-remoteip": apacheRemoteip,
  haproxy,
  nftables,
  iptables,
  ufw,
};

/** Names of the formats. */
export const FORMATS: readonly string[] = [...Object.keys(COMMENTED), "json"];

/**
 * Address ranges as configuration.
 * @param ports - TCP ports of the origin server, for the formats of firewalls
 */
export function formatRanges(format: string, ranges: PublishedRanges, ports: readonly number[]): string {
  const write = COMMENTED[format];
  if (write === undefined) return JSON.stringify(ranges, null, 2);
  const { date, etag } = ranges;
  const head = `# Cloudflare's address ranges as of ${date}${etag === null ? "" : `, etag ${etag}`}.`;
  return [head, `# Made by: rayguard ranges --format ${format}`, ...write(ranges, ports)].join("\n");
}
