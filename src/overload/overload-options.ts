import { MAX_TIMER_MS, membersOf, ratio, whole } from "../option-checks.js";

/** Limits beyond which a request is refused with a complete 503; `false` turns a single one off. */
export interface OverloadOptions {
  /** Requests that are handed to the app at a time; the others wait. @default 1_000 */
  maxInFlight?: number | false;
  /** Requests that may wait for their turn; `0` has nobody wait. @default 500 */
  maxQueued?: number;
  /** Longest time one may wait, in milliseconds. @default 500 */
  maxQueuedMs?: number;
  /** Longest time the event loop may be behind, in milliseconds. @default 100 */
  maxEventLoopDelayMs?: number | false;
  /** Largest part of an interval the event loop may be busy, over 0 and up to 1. @default false */
  maxEventLoopUtilization?: number | false;
  /** Largest part of the heap, or of the container's memory, that may be in use, over 0 and up to 1. @default 0.95 */
  maxHeapRatio?: number | false;
  /** `Retry-After` of a refusal, in seconds. @default 5 */
  retryAfterS?: number;
}

/** Limits with every default filled in; frozen. */
export type OverloadSettings = Readonly<Required<OverloadOptions>>;

/**
 * A loop that is busy all the time and never late is a machine well used, not one overloaded: utilisation limits only
 * where it is asked for.
 */
export const OVERLOAD_DEFAULTS: OverloadSettings = Object.freeze({
  maxInFlight: 1_000,
  maxQueued: 500,
  maxQueuedMs: 500,
  maxEventLoopDelayMs: 100,
  maxEventLoopUtilization: false,
  maxHeapRatio: 0.95,
  retryAfterS: 5,
});

/**
 * Checks the option `overload` and fills in the defaults.
 * @throws {RayguardError} `ERR_RAYGUARD_UNKNOWN_OPTION`, `ERR_RAYGUARD_INVALID_OPTION`
 */
export function resolveOverload(overload: unknown): false | OverloadSettings {
  if (overload === undefined || overload === false) return false;
  if (overload === true) return OVERLOAD_DEFAULTS;
  const given = membersOf(overload, "overload", "true, false or an object", Object.keys(OVERLOAD_DEFAULTS));
  const number = (name: keyof OverloadOptions, least: number, most?: number) =>
    whole(given[name], `overload.${name}`, OVERLOAD_DEFAULTS[name] as number, least, most);
  const part = (name: keyof OverloadOptions) => ratio(given[name], `overload.${name}`, OVERLOAD_DEFAULTS[name]);
  return Object.freeze({
    maxInFlight: given.maxInFlight === false ? false : number("maxInFlight", 1),
    maxQueued: number("maxQueued", 0),
    maxQueuedMs: number("maxQueuedMs", 1, MAX_TIMER_MS),
    maxEventLoopDelayMs: given.maxEventLoopDelayMs === false ? false : number("maxEventLoopDelayMs", 1, MAX_TIMER_MS),
    maxEventLoopUtilization: part("maxEventLoopUtilization"),
    maxHeapRatio: part("maxHeapRatio"),
    retryAfterS: number("retryAfterS", 0, MAX_TIMER_MS),
  });
}
