export type { EdgeName, EdgeProfile } from "./cloudflare/edge.js";
export { forwardRay } from "./cloudflare/forward-ray.js";
export { currentRanges, type Ranges } from "./cloudflare/ranges.js";
export type { Ray } from "./cloudflare/ray.js";
export { type RefreshOptions, refreshRanges } from "./cloudflare/refresh-ranges.js";
export { ERROR_CODES, RayguardError, type RayguardErrorCode } from "./errors.js";
export type { FallbackContent } from "./fallback/content.js";
export { createGuard, type Guard } from "./guard.js";
export type { HealthOptions } from "./health.js";
export type { HealthCheck } from "./health-checks.js";
export type { Action, Incident, Prevented } from "./incidents.js";
export { currentRequest } from "./lifecycle/current-exchange.js";
export type { DrainOptions } from "./lifecycle/ending.js";
export { OVERLOAD_DEFAULTS, type OverloadOptions } from "./lifecycle/overload-options.js";
export type { RecorderOptions } from "./lifecycle/recorder-options.js";
export type { WatchdogOptions } from "./lifecycle/watchdog-options.js";
export type { Logger, RequestRecord } from "./log.js";
export { DEFAULTS, type GuardOptions, type RouteSettings } from "./options.js";
export type { GuardedListener, GuardedRequest, RequestContext } from "./request-context.js";
export type { GuardStats } from "./stats.js";
export { CHANNELS } from "./supervision.js";
export type { TrustedHops } from "./trust/hops.js";
export type { SecretOptions } from "./trust/shared-secret.js";
export type { TrustOptions } from "./trust/trust-options.js";

declare module "node:http" {
  interface IncomingMessage {
    /** What the guard knows of this request. There once a guard has seen it: behind its listener, middleware or hook. */
    rayguard?: import("./request-context.js").RequestContext;
  }
}
