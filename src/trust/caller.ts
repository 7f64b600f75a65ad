import { parseConnectingIp, parseCountry, parsePseudoIpv4 } from "../cloudflare/client-address.js";
import { readAddress } from "./addresses.js";
import { isLocal } from "./hops.js";
import type { Headers } from "./shared-secret.js";
import type { Trust } from "./trust-options.js";

/** What is known of the other end of a connection. */
export interface PeerFacts {
  /** Its address, as `socket.remoteAddress` gives it. */
  readonly address: string | undefined;
  /** It came through a Unix domain socket, from this machine. */
  readonly isUnix?: boolean;
  /** It has shown a certificate that the server has verified. */
  readonly hasCertificate?: boolean;
}

/** Whoever is at the other end of a connection, and what `trust` makes of it: decided once for each. */
export interface Peer {
  readonly trust: Trust;
  readonly address: string | null;
  readonly hasCertificate: boolean;
  /** A proxy of the user's own, which tells in X-Forwarded-For who spoke to it. */
  readonly isProxy: boolean;
  /** On this machine, or in a private network. */
  readonly isLocal: boolean;
  /** What holds for every request of the connection, where the peer is no proxy and there is no secret to look at. */
  readonly caller: Caller;
  /** Where that is not so: the caller differs from one request to the next. */
  readonly varies: boolean;
}

/** The outermost hop that is known for certain: the peer, or whoever trusted proxies say has spoken to them. */
export interface Caller {
  readonly address: string | null;
  /** It has proved itself, so that what it says of the client is believed. */
  readonly verified: boolean;
  /** How many addresses of X-Forwarded-For lead to it, from the right. */
  readonly depth: number;
}

/** Longest chain of own proxies that is followed. */
const MAX_PROXIES = 32;

/** Decides about a peer. */
export function judgePeer(trust: Trust, { address: raw, isUnix = false, hasCertificate = false }: PeerFacts): Peer {
  const address = raw === undefined ? null : readAddress(raw);
  // Whoever can open a Unix domain socket is on this machine.
  const asked = isUnix ? "127.0.0.1" : address;
  const isEdge = asked !== null && trust.edge?.(asked, 0) === true;
  const isProxy = !isEdge && asked !== null && trust.hops?.(asked, 0) === true;
  const caller = { address, verified: proves(trust, isEdge, isProxy, hasCertificate), depth: 0 };
  const varies = isProxy || trust.secret !== null;
  return { trust, address, hasCertificate, isProxy, isLocal: asked !== null && isLocal(asked), caller, varies };
}

/** Whether every proof that is named holds, as far as the connection tells. */
function proves(trust: Trust, isEdge: boolean, isProxy: boolean, hasCertificate: boolean): boolean {
  if (!trust.hasEdge) return isProxy;
  return (trust.edge === null || isEdge) && (!trust.clientCertificate || hasCertificate);
}

/** Who has sent a request: follows X-Forwarded-For from the right, for as long as hops are trusted. */
export function findCaller(peer: Peer, headers: Headers): Caller {
  const { trust, hasCertificate } = peer;
  let { address, verified, depth } = peer.caller;
  if (peer.isProxy) {
    const chain = textOf(headers["x-forwarded-for"]);
    let isEdge = false;
    for (let end = chain.length; end > 0 && depth < MAX_PROXIES; ) {
      const comma = chain.lastIndexOf(",", end - 1);
      const next = readAddress(chain.slice(comma + 1, end));
      if (next === null) break;
      address = next;
      depth++;
      isEdge = trust.edge?.(next, depth) === true;
      if (isEdge || trust.hops?.(next, depth) !== true) break;
      end = comma;
    }
    verified = proves(trust, isEdge, true, hasCertificate);
  }
  return { address, verified: verified && trust.secret?.matches(headers) !== false, depth };
}

/**
 * The address of the client. The edge names it in CF-Connecting-IP; one that is known by its address and does not, in the
 * last address it has added to X-Forwarded-For. Where there is no edge, or none that proved itself, it is the caller.
 */
export function clientAddress({ trust }: Peer, caller: Caller, headers: Headers): string | null {
  if (!caller.verified || !trust.hasEdge) return caller.address;
  let named = trust.trueClientIp ? parseConnectingIp(headers["true-client-ip"]) : null;
  if (named === null) {
    named = parseConnectingIp(headers["cf-connecting-ip"]);
    const ipv6 = headers["cf-connecting-ipv6"];
    if (named !== null && ipv6 !== undefined) named = parsePseudoIpv4(named, ipv6) ?? named;
  }
  if (named !== null || trust.edge === null) return named ?? caller.address;
  return forwardedFor(headers, caller.depth) ?? caller.address;
}

/** The address that the hop at `depth` has appended. */
function forwardedFor(headers: Headers, depth: number): string | null {
  const chain = textOf(headers["x-forwarded-for"]);
  if (chain === "") return null;
  const entry = chain.split(",").at(-1 - depth);
  return entry === undefined ? null : readAddress(entry);
}

/** What a caller without proof says of itself, where that is an address: for the log, under another name. */
export function claimedAddress(caller: Caller, headers: Headers): string | null {
  if (caller.verified) return null;
  const claimed = parseConnectingIp(headers["cf-connecting-ip"]);
  return claimed === caller.address ? null : claimed;
}

function textOf(value: string | string[] | undefined): string {
  return typeof value === "string" ? value : (value?.join(",") ?? "");
}

// -- of an exchange ------------------------------------------------------------------------------------------------

/** What of an exchange tells who asks. */
export interface Asked {
  readonly request: { readonly headers: Headers } | null;
  readonly peer: Peer;
  knownCaller: Caller | undefined;
}

/** Those of what is no request. */
export const NO_HEADERS: Headers = {};

/** Who has sent a request. Where that holds for the whole connection, nothing is looked at again. */
export function callerOf(asked: Asked, peer: Peer = asked.peer): Caller {
  if (!peer.varies) return peer.caller;
  asked.knownCaller ??= findCaller(peer, headersOf(asked));
  return asked.knownCaller;
}

/** The address of the client, as far as it is known; `verified` says whether the edge has named it. */
export function clientIpOf(asked: Asked): string | null {
  const { peer } = asked;
  return clientAddress(peer, callerOf(asked, peer), headersOf(asked));
}

/** The address a caller without proof claims for its client. */
export function claimedIpOf(asked: Asked): string | null {
  return claimedAddress(callerOf(asked), headersOf(asked));
}

/** The country of the client, where the edge has named it. */
export function countryOf(asked: Asked): string | null {
  return asked.peer.trust.hasEdge && callerOf(asked).verified ? parseCountry(headersOf(asked)) : null;
}

function headersOf({ request }: Asked): Headers {
  return request?.headers ?? NO_HEADERS;
}
