import type { PublishedRanges } from "./formats.js";

/** nftables: a table of its own, put in place at once, over an older one if there is one (`nft -f FILE`). */
export function nftables({ ipv4, ipv6 }: PublishedRanges, ports: readonly number[]): string[] {
  const to = `tcp dport { ${ports.join(", ")} }`;
  const set = (name: string, type: string, networks: readonly string[]) => [
    `  set ${name} {`,
    `    type ${type}`,
    "    flags interval",
    `    elements = { ${networks.join(", ")} }`,
    "  }",
  ];
  return [
    "# nft -f FILE. Only the edge, and this machine itself, reach the ports of the origin server.",
    "table inet cloudflare",
    "delete table inet cloudflare",
    "table inet cloudflare {",
    ...set("edge4", "ipv4_addr", ipv4),
    ...set("edge6", "ipv6_addr", ipv6),
    "  chain origin {",
    "    type filter hook input priority filter; policy accept;",
    '    iifname "lo" accept',
    `    ${to} ip saddr @edge4 accept`,
    `    ${to} ip6 saddr @edge6 accept`,
    `    ${to} drop`,
    "  }",
    "}",
  ];
}

/** iptables and ip6tables: commands for a shell, which may be run again. */
export function iptables({ ipv4, ipv6 }: PublishedRanges, ports: readonly number[]): string[] {
  const to = `-p tcp -m multiport --dports ${ports.join(",")}`;
  const chain = (command: string, networks: readonly string[]) => [
    `${command} -N CLOUDFLARE 2>/dev/null || ${command} -F CLOUDFLARE`,
    `${command} -A CLOUDFLARE -i lo -j RETURN`,
    ...networks.map((network) => `${command} -A CLOUDFLARE -s ${network} -j RETURN`),
    `${command} -A CLOUDFLARE -j DROP`,
    `${command} -C INPUT ${to} -j CLOUDFLARE 2>/dev/null || ${command} -I INPUT ${to} -j CLOUDFLARE`,
  ];
  return [
    "# sh FILE. Only the edge, and this machine itself, reach the ports of the origin server.",
    "set -e",
    ...chain("iptables -w", ipv4),
    ...chain("ip6tables -w", ipv6),
  ];
}

/** ufw: commands for a shell; ufw refuses by default what no rule allows. */
export function ufw({ ipv4, ipv6 }: PublishedRanges, ports: readonly number[]): string[] {
  return [
    "# sh FILE. ufw refuses by default what no rule allows; remove rules that open these ports to everybody.",
    "set -e",
    ...[...ipv4, ...ipv6].map(
      (network) => `ufw allow proto tcp from ${network} to any port ${ports.join(",")} comment Cloudflare`,
    ),
  ];
}
