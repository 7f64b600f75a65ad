import { allRanges, header, type RangeFormat } from "./format.js";

/** A table of its own, replaced as a whole in one transaction: at no moment is the port open or the edge shut out. */
export const nftables: RangeFormat = (list, { ports }) => {
  const set = (name: string, type: string, ranges: readonly string[]) => `    set ${name} {
        type ${type}
        flags interval
        elements = {
${ranges.map((range) => `            ${range},\n`).join("")}        }
    }
`;
  const sets: string[] = [];
  const admitted: string[] = [];
  const families = [
    ["edge4", "ipv4_addr", "ip", list.ipv4],
    ["edge6", "ipv6_addr", "ip6", list.ipv6],
  ] as const;
  for (const [name, type, family, ranges] of families) {
    if (ranges.length === 0) continue; // an empty list of elements is a syntax error
    sets.push(set(name, type, ranges));
    admitted.push(`        tcp dport @ports ${family} saddr @${name} accept\n`);
  }
  return `${header(list, "nftables", "Load it with: nft -f FILE, as often as you like; other tables stay as they are.")}
table inet rayguard
delete table inet rayguard
table inet rayguard {
${sets.join("")}    set ports {
        type inet_service
        elements = { ${ports.join(", ")} }
    }
    chain input {
        type filter hook input priority filter; policy accept;
        iifname "lo" accept
${admitted.join("")}        tcp dport @ports drop
    }
}
`;
};

/**
 * A shell script, since one restore file cannot hook its chain into INPUT without doing it again each time. The chain is
 * replaced in one transaction for each family.
 */
export const iptables: RangeFormat = (list, { ports }) => {
  const family = (command: string, ranges: readonly string[]) => {
    // multiport takes 15 ports at most, a line for each takes any number.
    const refused = ports.map((port) => `-A RAYGUARD -p tcp --dport ${port} -j DROP\n`);
    const hook = "INPUT ! -i lo -p tcp -j RAYGUARD";
    return `${command}-restore --noflush <<'RULES'
*filter
:RAYGUARD - [0:0]
${ranges.map((range) => `-A RAYGUARD -s ${range} -j RETURN\n`).join("")}${refused.join("")}COMMIT
RULES
${command} -C ${hook} 2>/dev/null || ${command} -I ${hook}
`;
  };
  return `#!/bin/sh
${header(list, "iptables", "Run it as root, as often as you like; rules of other chains stay as they are.")}set -eu
${family("iptables", list.ipv4)}${family("ip6tables", list.ipv6)}`;
};

/** Only what is allowed: what is not is refused by ufw's own default policy. */
export const ufw: RangeFormat = (list, { ports }) => {
  const commands = allRanges(list).map(
    (range) => `ufw allow proto tcp from ${range} to any port ${ports.join(",")} comment 'cloudflare ${list.date}'\n`,
  );
  return `#!/bin/sh
${header(
  list,
  "ufw",
  "Run it as root. It admits the edge; that others are refused is up to: ufw default deny incoming",
  `Take back what admits everybody, such as: ${ports.map((port) => `ufw delete allow ${port}/tcp`).join("; ")}`,
  "Ranges of an older list stay until deleted; their comment has its date: ufw status numbered",
)}set -eu
${commands.join("")}`;
};
