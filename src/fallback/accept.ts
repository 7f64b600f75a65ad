import type { IncomingMessage } from "node:http";
import { createRequire } from "node:module";

type Negotiator = typeof import("negotiator");

let negotiator: Negotiator | undefined;

/**
 * The media type of `available` that a request prefers, or `undefined` where it accepts none of them. Only fallbacks
 * and health checks ask, so the negotiator is loaded when the first one does: cold imports are counted in milliseconds.
 * @see RFC 9110, section 12.5.1
 */
export function preferredType(request: IncomingMessage, available: string[]): string | undefined {
  negotiator ??= createRequire(import.meta.url)("negotiator") as Negotiator;
  return new negotiator(request).mediaType(available);
}
