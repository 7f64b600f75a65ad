import { defaultLogger, MESSAGES } from "../report/log.js";
import { startWatchdog, type WatchdogOwner } from "../watchdog/watchdog.js";

/** Parts of the time after which the keeper ends a process: when its stack is read, and when that is written to stderr. */
const READ_AT = 0.7;
const TELL_AT = 0.85;

const owner: WatchdogOwner = {
  ownFailure: (err) => defaultLogger().warn({ err }, MESSAGES.watchdogFailed),
  info: () => {},
  warn: (record, message) => defaultLogger().warn(record, message),
  // Over before the keeper has ended the process: whoever wants to hear of that has a watchdog of the app's own.
  blocked: () => {},
};

/**
 * Has a process whose event loop stands still say what it is about, while it is still there.
 * @param blockedMs - after so long the keeper ends it, in milliseconds
 */
export function noticeBlock(blockedMs: number): void {
  startWatchdog(Math.ceil(blockedMs * READ_AT), Math.ceil(blockedMs * TELL_AT), null, owner);
}
