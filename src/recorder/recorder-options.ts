import { resolve } from "node:path";
import { invalid, membersOf, whole } from "../option-checks.js";
import { MAX_SLOTS } from "./recorder-file.js";

/** Options of the flight recorder. */
export interface RecorderOptions {
  /**
   * Base name of its files, in a directory that exists, on this machine, and outlives the process (in a container: a
   * volume). Every process writes one of its own, `path.<pid>`.
   */
  path: string;
  /** Requests in flight there is room for, each 256 octets; more are not recorded. @default 1_024 */
  slots?: number;
}

export type RecorderSettings = Readonly<Required<RecorderOptions>>;

export const RECORDER_DEFAULTS = { slots: 1_024 } as const;

/**
 * Checks the option `recorder` and makes its path absolute.
 * @throws {RayguardError} `ERR_RAYGUARD_UNKNOWN_OPTION`, `ERR_RAYGUARD_INVALID_OPTION`
 */
export function checkRecorder(recorder: unknown = false): false | RecorderSettings {
  if (recorder === false) return false;
  const { path, slots } = membersOf(recorder, "recorder", "false or { path, slots }", ["path", "slots"]);
  if (typeof path !== "string" || !/[^/\\\0]$/.test(path) || path.includes("\0"))
    throw invalid("recorder.path", "the path of a file", path);
  return Object.freeze({
    path: resolve(path), // the app may change its directory later
    slots: whole(slots, "recorder.slots", RECORDER_DEFAULTS.slots, 1, MAX_SLOTS),
  });
}
