import { isIP } from "node:net";
import { invalid, MAX_TIMER_MS, membersOf, whole } from "../option-checks.js";

/** Options of the watchdog, a thread that answers health checks while the event loop is blocked. */
export interface WatchdogOptions {
  /** Port of its own, on which the health paths are answered; `0` takes a free one. @default 9_520 */
  port?: number;
  /** IP address, or `localhost`, to listen at. @default "127.0.0.1" */
  host?: string;
  /** Silence of the event loop from which it counts as blocked, in milliseconds. @default 1_000 */
  thresholdMs?: number;
}

export type WatchdogSettings = Readonly<Required<WatchdogOptions>>;

export const WATCHDOG_DEFAULTS: WatchdogSettings = { port: 9_520, host: "127.0.0.1", thresholdMs: 1_000 };

/** @throws {RayguardError} `ERR_RAYGUARD_UNKNOWN_OPTION`, `ERR_RAYGUARD_INVALID_OPTION` */
export function resolveWatchdog(value: unknown): WatchdogSettings | false {
  if (value === undefined || value === false) return false;
  if (value === true) return Object.freeze({ ...WATCHDOG_DEFAULTS });
  const expected = "true, false or an object with port, host and thresholdMs";
  const given = membersOf(value, "watchdog", expected, Object.keys(WATCHDOG_DEFAULTS));
  const { port, host = WATCHDOG_DEFAULTS.host, thresholdMs } = given;
  if (typeof host !== "string" || (host !== "localhost" && isIP(host) === 0))
    throw invalid("watchdog.host", 'an IP address or "localhost"', host);
  return Object.freeze({
    port: whole(port, "watchdog.port", WATCHDOG_DEFAULTS.port, 0, 65_535),
    host,
    // Below this the timers of a loaded machine alone look like a block.
    thresholdMs: whole(thresholdMs, "watchdog.thresholdMs", WATCHDOG_DEFAULTS.thresholdMs, 50, MAX_TIMER_MS),
  });
}
