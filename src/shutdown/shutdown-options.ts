import { constants } from "node:os";
import { invalid, MAX_TIMER_MS, membersOf, whole } from "../option-checks.js";

/** What happens on a signal. */
export interface ShutdownOptions {
  /** Signals that end the process. @default ["SIGTERM", "SIGINT", "SIGHUP"] */
  signals?: readonly NodeJS.Signals[];
  /**
   * How long everything is still served as before while readiness fails already, in milliseconds: as long as a load
   * balancer needs to notice. @default 0
   */
  lameDuckMs?: number;
  /** Longest time after that until the process ends, in milliseconds. @default 25_000 */
  graceMs?: number;
}

export type ShutdownSettings = Readonly<Required<ShutdownOptions>>;

export const SHUTDOWN_DEFAULTS: ShutdownSettings = Object.freeze({
  signals: Object.freeze(["SIGTERM", "SIGINT", "SIGHUP"] as const),
  lameDuckMs: 0,
  graceMs: 25_000,
});

/** @throws {RayguardError} `ERR_RAYGUARD_UNKNOWN_OPTION`, `ERR_RAYGUARD_INVALID_OPTION` */
export function resolveShutdown(options: false | ShutdownOptions | undefined): false | ShutdownSettings {
  if (options === undefined) return SHUTDOWN_DEFAULTS;
  if (options === false) return false;
  membersOf(options, "shutdown", "false or an object", Object.keys(SHUTDOWN_DEFAULTS));
  const { signals = SHUTDOWN_DEFAULTS.signals } = options;
  if (
    !Array.isArray(signals) ||
    !signals.every((signal) => Object.hasOwn(constants.signals, signal) && !isDeadly(signal))
  )
    throw invalid("shutdown.signals", "a list of signals a process can catch", signals);
  return Object.freeze({
    signals: Object.freeze([...new Set(signals)]) as NodeJS.Signals[],
    ...resolveTimes(options),
  });
}

/** @throws {RayguardError} `ERR_RAYGUARD_INVALID_OPTION` */
export function resolveTimes(
  { lameDuckMs, graceMs }: Pick<ShutdownOptions, "lameDuckMs" | "graceMs">,
  base: ShutdownSettings = SHUTDOWN_DEFAULTS,
): { readonly lameDuckMs: number; readonly graceMs: number } {
  return {
    lameDuckMs: whole(lameDuckMs, "shutdown.lameDuckMs", base.lameDuckMs, 0, MAX_TIMER_MS),
    graceMs: whole(graceMs, "shutdown.graceMs", base.graceMs, 0, MAX_TIMER_MS),
  };
}

function isDeadly(signal: string): boolean {
  return signal === "SIGKILL" || signal === "SIGSTOP";
}
