import { randomBytes } from "node:crypto";
import { closeSync, constants, fstatSync, openSync, readdirSync, readSync, renameSync, unlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fateOf, type ProcessIdentity } from "./process-identity.js";
import { decodeHeader, fileOctets } from "./recorder-file.js";
import { decodeSlots, type Recorded, SLOT_OCTETS } from "./slots.js";

/** What a process that is gone has left behind. */
export interface Remains {
  readonly pid: number;
  /** Last sign of life, in milliseconds since 1970. */
  readonly seenAt: number;
  /** Its requests, if any: `"torn"` for one of which only that much is known. */
  readonly requests: readonly (Recorded | "torn")[];
}

/** Whom to tell of what was found. */
export interface Finder {
  found(remains: Remains): void;
  /** Whether anybody hears of it: what nobody does is left for the next start. */
  isHeard(): boolean;
  /** A file that is not touched. @param why - what is wrong with it, in words */
  refused(file: string, why: string): void;
}

interface Refusal {
  readonly why: string;
}

/** A process shows that it lives at least this often, in milliseconds. */
export const HEARTBEAT_MS = 10_000;

/** After so much silence a process nobody can look for is gone, and a claim was left lying, in milliseconds. */
export const SILENCE_MS = 3 * HEARTBEAT_MS;

/** What follows the base name: the number of the process, a second number where it has several files, a claim. */
const NAME = /^(\d+(?:-\d+)?)(\.claim-[0-9a-f]+)?$/;

/**
 * Looks for the files of processes that are gone, and takes them away. Two processes may search at once: a file belongs
 * to the one that could rename it.
 * @param path - base name of the files, as in the options
 * @returns whether to look again after `SILENCE_MS`, since a file may or may not belong to a process that lives
 * @throws where the directory cannot be read
 */
export function searchRemains(path: string, own: ProcessIdentity, finder: Finder): boolean {
  const directory = dirname(path);
  const base = `${basename(path)}.`;
  let again = false;
  for (const name of readdirSync(directory)) {
    const [, owned, claimed] = NAME.exec(name.startsWith(base) ? name.slice(base.length) : "") ?? [];
    if (owned === undefined) continue;
    const file = join(directory, name);
    try {
      const seen = look(file, own, claimed !== undefined);
      if (seen === "perhaps alive") again = true;
      else if (seen !== "alive") {
        if ("why" in seen) finder.refused(file, seen.why);
        else if (seen.requests.length > 0 && !finder.isHeard()) again = true;
        else take(file, join(directory, `${base}${owned}.claim-${randomBytes(8).toString("hex")}`), seen, finder);
      }
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // Somebody else was faster, or its process has just removed it.
      if (code !== "ENOENT") finder.refused(file, `it cannot be read or removed (${code ?? String(error)})`);
    }
  }
  return again;
}

function take(file: string, claim: string, remains: Remains, finder: Finder): void {
  renameSync(file, claim);
  finder.found(remains);
  unlinkSync(claim);
}

function look(file: string, own: ProcessIdentity, isClaimed: boolean): Remains | Refusal | "alive" | "perhaps alive" {
  // A name may lead anywhere: neither follow a link, nor wait for somebody to write to a pipe.
  const fd = openSync(file, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0));
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) return { why: "it is no file" };
    if (process.getuid !== undefined && stat.uid !== process.getuid()) return { why: "it belongs to another user" };
    const header = decodeHeader(readUpTo(fd, SLOT_OCTETS));
    if (typeof header === "string") return { why: header };
    const { owner, slots } = header;
    if (stat.size !== fileOctets(slots)) return { why: `it has ${stat.size} octets instead of ${fileOctets(slots)}` };
    const fate = fateOf(owner, own);
    if (fate === "alive") return fate;
    const silentSince = isClaimed ? stat.ctimeMs : stat.mtimeMs;
    if ((fate === "unknown" || isClaimed) && Date.now() - silentSince < SILENCE_MS) return "perhaps alive";
    const requests = decodeSlots(readUpTo(fd, stat.size), slots);
    return { pid: owner.pid, seenAt: stat.mtimeMs, requests };
  } finally {
    closeSync(fd);
  }
}

function readUpTo(fd: number, octets: number): Buffer {
  const content = Buffer.alloc(octets);
  return content.subarray(0, readSync(fd, content, 0, octets, 0));
}
