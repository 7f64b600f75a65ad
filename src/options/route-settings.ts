import { RayguardError } from "../errors.js";
import { type RouteSettings, resolveOptions } from "./options.js";

const ROUTE = new Set([
  "firstByteDeadlineMs",
  "idleDeadlineMs",
  "recipientDeadlineMs",
  "heartbeatMs",
  "holdBackOctets",
  "holdBackMs",
  "maxHeaderSectionOctets",
  "maxFieldLines",
]);

/**
 * Checks the numbers a route sets for itself, over those of its guard.
 * @throws {RayguardError} `ERR_RAYGUARD_UNKNOWN_OPTION`, `ERR_RAYGUARD_INVALID_OPTION`
 */
export function resolveRoute(options: Partial<RouteSettings>, base: RouteSettings): RouteSettings {
  const known = Object.keys(options).every((name) => ROUTE.has(name));
  if (!known) {
    throw new RayguardError(
      "ERR_RAYGUARD_UNKNOWN_OPTION",
      `A route may set ${[...ROUTE].join(", ")}; got ${Object.keys(options).join(", ")}.`,
    );
  }
  const resolved = resolveOptions(options) as unknown as Record<string, unknown>;
  const merged: Record<string, unknown> = {};
  for (const name of ROUTE) {
    const isOwn = (options as Record<string, unknown>)[name] !== undefined;
    merged[name] = isOwn ? resolved[name] : (base as unknown as Record<string, unknown>)[name];
  }
  return Object.freeze(merged) as unknown as RouteSettings;
}
