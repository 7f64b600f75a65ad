import type { Ranges } from "../../cloudflare/ranges.js";

/** What a format may be told beside the ranges. */
export interface RangeFacts {
  /** TCP ports that only the edge may reach; firewalls alone ask for them. */
  readonly ports: readonly number[];
}

/** Writes the ranges in the language of one program. Pure: the same list gives the same text, octet for octet. */
export type RangeFormat = (list: Ranges, facts: RangeFacts) => string;

/** Comment lines that say where the text comes from and how it is used, each marked with `#`. */
export function header(list: Ranges, format: string, ...usage: readonly string[]): string {
  const origin = `Cloudflare's address ranges of ${list.date}, etag ${list.etag ?? "unknown"}`;
  const lines = [origin, `Made by: rayguard ranges --format ${format}`, ...usage];
  return lines.map((line) => `# ${line}\n`).join("");
}

/** IPv4 first, in the order in which they were published. */
export function allRanges({ ipv4, ipv6 }: Ranges): string[] {
  return [...ipv4, ...ipv6];
}
