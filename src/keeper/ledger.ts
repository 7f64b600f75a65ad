import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { RayguardError } from "../errors.js";
import { fateOf, ownIdentity, type ProcessIdentity } from "../recorder/process-identity.js";
import { decodeHeader, wasFull } from "../recorder/recorder-file.js";
import { SLOT_OCTETS, type Slot, takenSlots } from "../recorder/slots.js";
import { LEDGER_SLOTS } from "./options.js";

/** Where files are memory. */
const SHARED_MEMORY = "/dev/shm";

const PREFIX = "rayguard-keeper-";
/** Says whose directory it is. */
const OWNER = "owner";

/** What a worker has left in its ledgers. */
export interface Left {
  /** By connection, in the order of their requests. */
  readonly slots: ReadonlyMap<number, readonly Slot[]>;
  /** Some request has found no slot: a connection without one may be anything. */
  readonly isPartial: boolean;
}

/** The directory in which workers write down what they are about. */
export class LedgerDirectory {
  readonly #directory: string;
  /** Base name of the files. */
  readonly path: string;
  /** Ledgers that are open, by process. */
  readonly #held = new Map<number, readonly number[]>();

  /**
   * @param workers - number of processes at a time
   * @throws {RayguardError} `ERR_RAYGUARD_LEDGER`
   */
  constructor(parent: string | undefined, workers: number) {
    const place = resolve(parent ?? (hasRoom(SHARED_MEMORY, workers) ? SHARED_MEMORY : tmpdir()));
    try {
      this.#directory = mkdtempSync(join(place, PREFIX));
      this.#sign();
      removeLeft(place);
    } catch (cause) {
      const why = (cause as NodeJS.ErrnoException).code ?? String(cause);
      throw new RayguardError("ERR_RAYGUARD_LEDGER", `No ledger can be written in ${place} (${why}).`, { cause });
    }
    this.path = join(this.#directory, "ledger");
  }

  #sign(): void {
    writeFileSync(join(this.#directory, OWNER), JSON.stringify(ownIdentity()), { mode: 0o600 });
  }

  /**
   * Makes the directory again where somebody has taken it away, as systemd-logind does when a user logs out (`RemoveIPC`).
   * Where that fails, the next process has no ledger, and says so.
   */
  renew(): void {
    try {
      mkdirSync(this.#directory, { mode: 0o700 });
      this.#sign();
    } catch {
      // it is there, as nearly always
    }
  }

  /** Opens the ledgers of a process: whatever becomes of their names, they can be read when it is gone. */
  hold(pid: number): void {
    if (!this.#held.has(pid)) this.#held.set(pid, this.#filesOf(pid).flatMap(opened));
  }

  #filesOf(pid: number): string[] {
    const own = new RegExp(`^${basename(this.path)}\\.${pid}(?:-\\d+)?$`);
    try {
      const names = readdirSync(this.#directory).filter((name) => own.test(name));
      return names.map((name) => join(this.#directory, name));
    } catch {
      return [];
    }
  }

  /** Takes the ledgers of a process that is gone: every guard in it has had one. */
  take(pid: number): Left {
    const found: Slot[] = [];
    let isPartial = false;
    const held = [...(this.#held.get(pid) ?? [])];
    this.#held.delete(pid);
    const known = new Set(held.map((fd) => fstatSync(fd).ino));
    for (const file of this.#filesOf(pid)) {
      const [fd] = opened(file);
      if (fd === undefined) isPartial = true;
      else if (known.has(fstatSync(fd).ino)) closeSync(fd);
      else held.push(fd);
      rmSync(file, { force: true });
    }
    for (const fd of held) {
      try {
        const content = readFileSync(fd);
        const header = decodeHeader(content);
        if (typeof header === "string") isPartial = true;
        else {
          found.push(...takenSlots(content, header.slots));
          isPartial ||= wasFull(content);
        }
      } catch {
        isPartial = true;
      }
      closeSync(fd);
    }
    const slots = new Map<number, Slot[]>();
    for (const slot of found.sort((a, b) => a.sequence - b.sequence)) {
      const own = slots.get(slot.connection);
      if (own === undefined) slots.set(slot.connection, [slot]);
      else own.push(slot);
    }
    return { slots, isPartial: isPartial || held.length === 0 };
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

function opened(file: string): number[] {
  try {
    return [openSync(file, "r")];
  } catch {
    return [];
  }
}

/** Removes what keepers have left that were killed themselves. */
function removeLeft(place: string): void {
  const own = ownIdentity();
  for (const name of readdirSync(place)) {
    if (!name.startsWith(PREFIX)) continue;
    try {
      const owner = JSON.parse(readFileSync(join(place, name, OWNER), "utf8")) as ProcessIdentity;
      if (fateOf(owner, own) === "gone") rmSync(join(place, name), { recursive: true, force: true });
    } catch {
      // somebody else's, or just being made or removed
    }
  }
}

/** Whether the ledgers can be written there: those of each process, and of the one that takes its place. */
function hasRoom(directory: string, workers: number): boolean {
  try {
    accessSync(directory, constants.W_OK | constants.X_OK);
    const { bavail, bsize } = statfsSync(directory);
    return bavail * bsize > 2 * workers * LEDGER_SLOTS * SLOT_OCTETS;
  } catch {
    return false;
  }
}
