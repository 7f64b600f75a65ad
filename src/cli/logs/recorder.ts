import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { fateOf, ownIdentity } from "../../recorder/process-identity.js";
import { decodeHeader, fileOctets } from "../../recorder/recorder-file.js";
import { decodeSlots } from "../../recorder/slots.js";
import type { RecordedEntry } from "./entry.js";

/** What stands in the file of a flight recorder, whose process may still write to it. */
export interface Flight {
  readonly pid: number;
  readonly fate: RecordedEntry["fate"];
  /** Last sign of life, in milliseconds since 1970. */
  readonly seenAt: number;
  readonly requests: readonly RecordedEntry[];
  /** Requests of which only that much is known. */
  readonly torn: number;
}

/**
 * Reads the file of a flight recorder and changes nothing.
 * @returns what is wrong with it, in words, where it cannot be understood
 */
export function readFlight(path: string): Flight | string {
  const fd = openSync(path, "r");
  try {
    const seenAt = fstatSync(fd).mtimeMs;
    const file = readFileSync(fd);
    const header = decodeHeader(file);
    if (typeof header === "string") return header;
    const { owner, slots } = header;
    // A copy may have been cut short.
    const whole = Math.min(slots, Math.floor(file.length / fileOctets(0)) - 1);
    const fate = fateOf(owner, ownIdentity());
    const requests: RecordedEntry[] = [];
    let torn = 0;
    for (const slot of decodeSlots(file, whole)) {
      if (slot === "torn") torn++;
      else {
        const { startedAt } = slot;
        const at = Math.abs(startedAt) <= 8.64e15 ? startedAt : null;
        requests.push({ ...slot, kind: "recorded", at, pid: owner.pid, host: null, requestId: null, fate });
      }
    }
    return { pid: owner.pid, fate, seenAt, requests, torn };
  } finally {
    closeSync(fd);
  }
}
