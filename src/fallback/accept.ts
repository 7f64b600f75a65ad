import type { IncomingMessage } from "node:http";
import { createRequire } from "node:module";

type Negotiator = typeof import("negotiator");

let negotiator: Negotiator | undefined;

/** Longest Accept field that is read, in octets: browsers send 150, the longest lists of other programs about 1 000. */
const MOST_OCTETS = 2_048;

/** Most media ranges that are compared. */
const MOST_RANGES = 64;

/**
 * The media type of `available` that a request prefers, or `undefined` where it accepts none of them, or sends a field
 * longer than anybody needs: to compare the 30 000 media ranges that fit one takes as long as 1 000 requests, and
 * whoever sends it need not have proved anything. Only fallbacks and health checks ask, so the negotiator is loaded
 * when the first one does: cold imports are counted in milliseconds.
 * @see RFC 9110, section 12.5.1
 */
export function preferredType(request: IncomingMessage, available: string[]): string | undefined {
  const { accept } = request.headers;
  if (accept !== undefined && (accept.length > MOST_OCTETS || accept.split(",", MOST_RANGES + 1).length > MOST_RANGES))
    return undefined;
  negotiator ??= createRequire(import.meta.url)("negotiator") as Negotiator;
  return new negotiator(request).mediaType(available);
}
