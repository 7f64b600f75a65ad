import { allRanges, header, type RangeFormat } from "./format.js";

/**
 * `geo`, not `allow`: behind set_real_ip_from the address that `allow` looks at is the visitor's, so a list of the
 * edge's ranges would refuse everybody. `$realip_remote_addr` is the peer, with and without it.
 */
export const nginx: RangeFormat = (list) => {
  const ranges = allRanges(list).map((range) => `    ${range} 1;\n`);
  return `${header(
    list,
    "nginx",
    "Include it in http {}; then, in a server {}: if ($rayguard_edge = 0) { return 403; }",
  )}geo $realip_remote_addr $rayguard_edge {
    default 0;
${ranges.join("")}}
`;
};

/** Who may name the visitor, and in which field. */
export const nginxRealIp: RangeFormat = (list) => {
  const ranges = allRanges(list).map((range) => `set_real_ip_from ${range};\n`);
  const usage =
    "Include it in http {} or server {}: $remote_addr is the visitor's address, where the edge is the peer.";
  return `${header(list, "nginx-realip", usage)}${ranges.join("")}real_ip_header CF-Connecting-IP;\n`;
};

/**
 * `Require ip` would look at the address mod_remoteip has put in place of the peer's, and refuse every visitor; hence an
 * expression, which is given a name so that it can stand in server context.
 */
export const apache: RangeFormat = (list) => {
  const trusted = allRanges(list).map((range) => `RemoteIPTrustedProxy ${range}\n`);
  const peers = allRanges(list).map((range) => `%{CONN_REMOTE_ADDR} -ipmatch '${range}'`);
  return `${header(
    list,
    "apache",
    "Needs mod_remoteip and mod_authz_core. Include it outside of any <VirtualHost>; then, in a <Location>:",
    '"Require rayguard-edge" admits what comes from the edge. "Require ip" would be asked about the visitor instead.',
  )}RemoteIPHeader CF-Connecting-IP
${trusted.join("")}<AuthzProviderAlias expr rayguard-edge "${peers.join(" || ")}">
</AuthzProviderAlias>
`;
};

/** A file for `acl … src -f`: one range a line. */
export const haproxy: RangeFormat = (list) => {
  const usage = "A pattern file: acl from_edge src -f FILE";
  return `${header(list, "haproxy", usage)}${allRanges(list).join("\n")}\n`;
};
