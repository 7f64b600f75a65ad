/**
 * What an edge takes, waits for and counts.
 * @see https://developers.cloudflare.com/fundamentals/reference/connection-limits/
 */
export interface EdgeProfile {
  /** Longest time between two reads from the origin server, in milliseconds, before the edge gives up (524). */
  readonly readTimeoutMs: number;
  /** Longest time an idle connection stays in the edge's pool, in milliseconds. */
  readonly idlePoolMs: number;
  /** Longest time the edge keeps a connection that it has opened and not used yet, in milliseconds; `0` where it has none. */
  readonly unusedPoolMs: number;
  /** Largest response header section, in octets. */
  readonly maxHeaderSectionOctets: number;
  /** Largest number of field lines in a response. */
  readonly maxFieldLines: number;
  /** Largest number of interim responses before the final one. */
  readonly maxInterimResponses: number;
}

/** Largest request header section the edge forwards, in octets. Node takes 16 KiB unless told otherwise. */
export const REQUEST_HEADER_OCTETS = 131_072;

/** Whether a status is one of the edge's own, which says nothing of the origin server's. */
export function isEdgeStatus(status: number): boolean {
  return status >= 520 && status <= 530;
}

/** How much longer than in the edge's pool a connection stays open here, in milliseconds. */
export const POOL_MARGIN_MS = 5_000;

export const EDGE_PROFILES = {
  // 100 s is the lowest read timeout the edge has had (125 s today), 900 s its idle pool; 256 lines is Pingora's limit.
  // Pingora opens a connection when a request needs one, and pools it only after it has carried one
  // (pingora-core/src/connectors/http/v1.rs).
  cloudflare: {
    readTimeoutMs: 100_000,
    idlePoolMs: 900_000,
    unusedPoolMs: 0,
    maxHeaderSectionOctets: 131_072,
    maxFieldLines: 256,
    maxInterimResponses: 5,
  },
  // cloudflared keeps 90 s of idle pool (ingress/origin_service.go), also for a connection that a request had dialled when
  // another one became free first: so does the transport of Go that it uses. It packs the section in base64, which grows it by a third.
  cloudflared: {
    readTimeoutMs: 100_000,
    idlePoolMs: 90_000,
    unusedPoolMs: 90_000,
    maxHeaderSectionOctets: 98_304,
    maxFieldLines: 256,
    maxInterimResponses: 5,
  },
} as const satisfies Record<string, EdgeProfile>;

export type EdgeName = keyof typeof EDGE_PROFILES;
