import type { PublishedRanges } from "./formats.js";

/**
 * nginx: what a server refuses that does not come from the edge. By the address of the connection, which `allow` and `deny`
 * no longer see once real_ip_header has put the client's in its place.
 */
export function nginx(ranges: PublishedRanges): string[] {
  return [
    "# Inside http { }. In a server { } that only the edge may reach:",
    "#   if ($is_cloudflare = 0) { return 403; }",
    "geo $realip_remote_addr $is_cloudflare {",
    "  default 0;",
    ...all(ranges).map((network) => `  ${network} 1;`),
    "}",
  ];
}

/** nginx: the client's address in the place of the edge's. */
export function nginxRealip(ranges: PublishedRanges): string[] {
  return [
    "# Inside http { } or server { }; needs ngx_http_realip_module.",
    ...all(ranges).map((network) => `set_real_ip_from ${network};`),
    "real_ip_header CF-Connecting-IP;",
  ];
}

/** Apache: the same two; CONN_REMOTE_ADDR is the address of the connection, which `Require ip` no longer sees. */
export function apache(ranges: PublishedRanges): string[] {
  return [
    "# Inside <Location> or <Directory>: refuses with 403 what does not come from the edge. Needs Apache 2.4.",
    "<RequireAny>",
    ...all(ranges).map((network) => `  Require expr "%{CONN_REMOTE_ADDR} -ipmatch '${network}'"`),
    "</RequireAny>",
  ];
}

export function apacheRemoteip(ranges: PublishedRanges): string[] {
  return [
    "# Inside the server or a <VirtualHost>; needs mod_remoteip.",
    "RemoteIPHeader CF-Connecting-IP",
    ...all(ranges).map((network) => `RemoteIPTrustedProxy ${network}`),
  ];
}

/** HAProxy: a file for `acl from_edge src -f FILE`. */
export function haproxy(ranges: PublishedRanges): string[] {
  return ["# acl from_edge src -f FILE", ...all(ranges)];
}

function all({ ipv4, ipv6 }: PublishedRanges): string[] {
  return [...ipv4, ...ipv6];
}
