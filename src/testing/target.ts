import net from "node:net";
import tls from "node:tls";
import { badArgument } from "./argument.js";

/** Where to connect: `http(s)://host:port`, an address, or a server that listens. */
export type Target = string | { host?: string; port: number; tls?: boolean | tls.ConnectionOptions } | net.Server;

/** A target, ready to be connected to. */
export interface Endpoint {
  readonly address: { host: string; port: number } | { path: string };
  /** Options of TLS; `undefined`: none. */
  readonly tls: tls.ConnectionOptions | undefined;
  /** Value of Host. */
  readonly host: string;
  /** Request target when a request names none. */
  readonly path: string;
}

/** A connection: `socket` carries the octets, `transport` is the TCP socket below it, or the same one. */
export interface Connection {
  readonly socket: net.Socket;
  readonly transport: net.Socket;
  /** Emitted by `socket` when octets can be written. */
  readonly ready: "connect" | "secureConnect";
}

export function resolveTarget(target: Target): Endpoint {
  if (typeof target === "string") return fromUrl(target);
  if (target instanceof net.Server) return fromServer(target);
  if (target === null || typeof target !== "object" || !Number.isInteger(target.port)) {
    throw badArgument("target must be an http(s) URL, { host, port } or a listening server.");
  }
  const { host = "127.0.0.1", port } = target;
  const secure = target.tls === true ? {} : target.tls || undefined;
  return { address: { host, port }, tls: secure, host: authority(host, port), path: "/" };
}

/** Starts to connect. Our side stays open when the server ends its own. */
export function connect({ address, tls: options }: Endpoint): Connection {
  const transport = net.connect({ ...address, allowHalfOpen: true, noDelay: true });
  if (options === undefined) return { socket: transport, transport, ready: "connect" };
  const named = "host" in address && net.isIP(address.host) === 0 ? { servername: address.host } : {};
  const socket = tls.connect({
    ...named,
    ALPNProtocols: ["http/1.1"],
    // What answers is the caller's own server under test, as a rule with a certificate made for the occasion.
    rejectUnauthorized: false,
    ...options,
    socket: transport,
  });
  return { socket, transport, ready: "secureConnect" };
}

function fromUrl(target: string): Endpoint {
  const url = URL.canParse(target) ? new URL(target) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw badArgument(`target must be an http(s) URL; got ${JSON.stringify(target)}.`);
  }
  const secure = url.protocol === "https:";
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const port = Number(url.port || (secure ? 443 : 80));
  return { address: { host, port }, tls: secure ? {} : undefined, host: url.host, path: url.pathname + url.search };
}

function fromServer(server: net.Server): Endpoint {
  const bound = server.address();
  if (bound === null) throw badArgument("target is a server that does not listen yet; await its listening event.");
  const secure = server instanceof tls.Server ? {} : undefined;
  if (typeof bound === "string") return { address: { path: bound }, tls: secure, host: "localhost", path: "/" };
  // An unspecified address is one to listen at, not to connect to.
  const host = bound.address === "::" ? "::1" : bound.address === "0.0.0.0" ? "127.0.0.1" : bound.address;
  return { address: { host, port: bound.port }, tls: secure, host: authority(host, bound.port), path: "/" };
}

function authority(host: string, port: number): string {
  return `${net.isIPv6(host) ? `[${host}]` : host}:${port}`;
}
