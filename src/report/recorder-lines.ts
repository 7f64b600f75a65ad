import type { RecorderListener } from "../recorder/recorder.js";
import { MESSAGES } from "./log.js";
import type { Reporter } from "./reporter.js";

/** What the log says of a flight recorder, and of what it has found. */
export function recorderLines(reporter: Reporter): RecorderListener {
  return {
    ownFailure: (error) => reporter.ownFailure(error),
    isHeard: () => reporter.isHeard(),
    found: (remains) => reporter.killed(remains),
    refused: (file, why) => reporter.warn({ file, why }, MESSAGES.recorderForeign),
    failed: (error) => reporter.warn({ err: error }, MESSAGES.recorderOff),
    full: (slots) => reporter.warn({ slots }, MESSAGES.recorderFull),
  };
}
