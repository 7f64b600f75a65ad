import { isCloudflare } from "../cloudflare/ranges.js";
import { invalid, membersOf } from "../option-checks.js";
import { entriesOf, type HopTest, hopTest, type TrustedHops } from "./hops.js";
import { resolveSecret, type SecretOptions, type SharedSecret } from "./shared-secret.js";

/** Who is believed about the client. Every proof that is named must hold. */
export interface TrustOptions {
  /**
   * Hops that name the client in CF-Connecting-IP: the edge, or cloudflared.
   * @default "cloudflare", where no other proof and no `hops` are named
   */
  edge?: TrustedHops;
  /** Proxies of your own between the edge and this process: each appends the one that spoke to it to X-Forwarded-For. */
  hops?: TrustedHops;
  /** A header that only your own zone sends. */
  secret?: SecretOptions;
  /** The peer has shown a certificate that the server has verified: Authenticated Origin Pulls. */
  clientCertificate?: boolean;
  /** Takes True-Client-IP before CF-Connecting-IP. Only with the transform that sets it: else clients choose it. */
  trueClientIp?: boolean;
}

/** The option `trust`, checked; frozen. */
export interface Trust {
  readonly edge: HopTest | null;
  readonly hops: HopTest | null;
  readonly secret: SharedSecret | null;
  readonly clientCertificate: boolean;
  readonly trueClientIp: boolean;
  /** Something stands for the edge, which names clients and countries; without it there are only proxies. */
  readonly hasEdge: boolean;
}

const KNOWN = ["edge", "hops", "secret", "clientCertificate", "trueClientIp"];

/** The edge, known by its addresses. */
const DEFAULT_TRUST: Trust = frozen({ edge: isCloudflare });

/**
 * Checks the option `trust`.
 * @throws {RayguardError} `ERR_RAYGUARD_UNKNOWN_OPTION`, `ERR_RAYGUARD_INVALID_OPTION`
 */
export function resolveTrust(trust: unknown): Trust {
  if (trust === undefined) return DEFAULT_TRUST;
  if (typeof trust === "function") return frozen({ hops: hopTest("trust", trust) });
  if (trust !== null && typeof trust === "object" && !Array.isArray(trust)) return resolveObject(trust);
  if (typeof trust === "number" || typeof trust === "boolean")
    throw invalid(
      "trust",
      'named by address, since whoever connects is a hop, too ("loopback", a network, ...)',
      trust,
    );
  return resolveList(entriesOf("trust", trust));
}

/** In a list `cloudflare` is the edge and the rest are proxies; `loopback` alone is cloudflared. */
function resolveList(entries: readonly string[]): Trust {
  const proxies = entries.filter((entry) => entry !== "cloudflare");
  if (proxies.length === 0) return DEFAULT_TRUST;
  if (entries.length === 1 && entries[0] === "loopback") return frozen({ edge: hopTest("trust", "loopback") });
  const edge = proxies.length === entries.length ? null : isCloudflare;
  return frozen({ edge, hops: hopTest("trust", proxies) });
}

function resolveObject(trust: TrustOptions): Trust {
  membersOf(trust, "trust", "an object", KNOWN);
  const { edge, hops, secret, clientCertificate = false, trueClientIp = false } = trust;
  if (typeof clientCertificate !== "boolean")
    throw invalid("trust.clientCertificate", "true or false", clientCertificate);
  if (typeof trueClientIp !== "boolean") throw invalid("trust.trueClientIp", "true or false", trueClientIp);
  const isBare = edge === undefined && hops === undefined && secret === undefined && !clientCertificate;
  return frozen({
    edge: edge === undefined ? (isBare ? isCloudflare : null) : hopTest("trust.edge", edge),
    hops: hops === undefined ? null : hopTest("trust.hops", hops),
    secret: secret === undefined ? null : resolveSecret(secret),
    clientCertificate,
    trueClientIp,
  });
}

function frozen({
  edge = null,
  hops = null,
  secret = null,
  clientCertificate = false,
  trueClientIp = false,
}: Partial<Trust>): Trust {
  const hasEdge = edge !== null || secret !== null || clientCertificate;
  return Object.freeze({ edge, hops, secret, clientCertificate, trueClientIp, hasEdge });
}
