import { parseCountry } from "../cloudflare/client-address.js";
import { type Caller, claimedAddress, clientAddress, findCaller, type Peer, variesByRequest } from "./caller.js";
import type { Headers } from "./shared-secret.js";

/** What of an exchange tells who asks. */
export interface Asked {
  readonly request: { readonly headers: Headers } | null;
  readonly peer: Peer;
  knownCaller: Caller | undefined;
}

const NO_HEADERS: Headers = {};

/** Who has sent a request. Where that holds for the whole connection, nothing is looked at again. */
export function callerOf(asked: Asked): Caller {
  const { peer } = asked;
  if (!variesByRequest(peer)) return peer.caller;
  asked.knownCaller ??= findCaller(peer, headersOf(asked));
  return asked.knownCaller;
}

/** The address of the client, as far as it is known; `verified` says whether the edge has named it. */
export function clientIpOf(asked: Asked): string | null {
  return clientAddress(asked.peer, callerOf(asked), headersOf(asked));
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
