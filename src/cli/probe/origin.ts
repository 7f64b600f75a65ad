import { isIP, isIPv6 } from "node:net";
import type { ConnectionOptions } from "node:tls";
import { InvalidArgumentError } from "commander";

/** `--resolve`: where a host is to be found, whatever DNS says. */
export interface Resolve {
  readonly host: string;
  readonly address: string;
  readonly port?: number;
}

/** The origin server, as it is named and as it is reached. */
export interface Origin {
  /** `https:` or `http:`. */
  readonly secure: boolean;
  /** Host name or address of the URL, without brackets. */
  readonly hostname: string;
  /** Value of Host. */
  readonly authority: string;
  /** What is connected to: an address, or a name for DNS. */
  readonly address: string;
  readonly port: number;
  /** Path and query. */
  readonly path: string;
}

/**
 * Nothing is refused here that the edge could accept: what is wrong with the certificate or the protocol is found in
 * words, after the handshake.
 */
export function tlsOptions({ hostname }: Origin, alpn: readonly string[]): ConnectionOptions {
  return {
    ...(isIP(hostname) === 0 ? { servername: hostname } : {}),
    ALPNProtocols: [...alpn],
    rejectUnauthorized: false,
    minVersion: "TLSv1",
    ciphers: "DEFAULT@SECLEVEL=0",
  };
}

export function originOf(url: URL, resolves: readonly Resolve[]): Origin {
  const hostname = url.hostname.replace(/^\[|\]$/g, "");
  const secure = url.protocol === "https:";
  const named = Number(url.port || (secure ? 443 : 80));
  const resolve = resolves.find(({ host }) => host.toLowerCase() === hostname);
  return {
    secure,
    hostname,
    authority: url.host,
    address: resolve?.address ?? hostname,
    port: resolve?.port ?? named,
    path: url.pathname + url.search,
  };
}

/** Reads `host:address`, `host:address:port` and curl's `host:port:address`; an IPv6 address may have brackets. */
export function resolveOption(value: string, before: readonly Resolve[] = []): Resolve[] {
  const colon = value.indexOf(":");
  const host = value.slice(0, colon);
  const rest = value.slice(colon + 1);
  const [, portFirst, behind = rest] = /^(\d{1,5}):(.+)$/.exec(rest) ?? [];
  const bare = unbracketed(behind);
  const [, addressFirst = "", portLast] = /^(.+):(\d{1,5})$/.exec(rest) ?? [];
  let found: { address: string; port: string | undefined } | undefined;
  // First: the colons of an IPv6 address look like a port, too.
  if (isIPv6(unbracketed(rest))) found = { address: unbracketed(rest), port: undefined };
  else if (isIP(bare) !== 0) found = { address: bare, port: portFirst };
  else if (isIP(unbracketed(addressFirst)) !== 0) found = { address: unbracketed(addressFirst), port: portLast };
  const port = found?.port === undefined ? undefined : Number(found.port);
  if (colon < 1 || found === undefined || port === 0 || (port ?? 0) > 65_535) {
    throw new InvalidArgumentError(`It must be host:address[:port], or host:port:address as for curl; got "${value}".`);
  }
  return [...before, { host, address: found.address, ...(port === undefined ? {} : { port }) }];
}

function unbracketed(address: string): string {
  return address.replace(/^\[(.*)\]$/, "$1");
}
