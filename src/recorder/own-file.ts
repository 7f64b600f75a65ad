import { closeSync, ftruncateSync, futimesSync, openSync, unlinkSync, writeSync } from "node:fs";
import { contain } from "../containment.js";
import { MappedFile } from "./mapped-file.js";
import { FREE_MARK } from "./slots.js";

/** The file that one recorder writes, from its making to its end. */
export class OwnFile {
  /** Nothing is written to one that is not. */
  isOpen = false;
  #path = "";
  #fd = -1;
  /** The same file as memory, where that can be had. */
  #mapped: MappedFile | undefined;
  readonly #failed: (error: unknown) => void;

  /** @param failed - told of what keeps it from being written */
  constructor(failed: (error: unknown) => void) {
    this.#failed = failed;
  }

  /**
   * Makes it. Zeros, and not a hole: a full disk shows now, and not at a request.
   * @param path - how its name begins
   * @param isMapped - it is written to for every step of a request
   * @throws {Error} where that cannot be done
   */
  create(path: string, empty: Uint8Array, isMapped: boolean): void {
    for (let n = 0; this.#fd === -1; n++) {
      this.#path = `${path}.${process.pid}${n === 0 ? "" : `-${n}`}`;
      try {
        this.#fd = openSync(this.#path, "wx+", 0o600);
      } catch (error) {
        // Another guard of this process, or a process that had the same number: the search will tell.
        if ((error as NodeJS.ErrnoException).code !== "EEXIST" || n > 1_000) throw error;
      }
    }
    this.isOpen = true;
    if (writeSync(this.#fd, empty, 0, empty.length, 0) !== empty.length)
      throw new Error("the file could not be filled");
    if (isMapped) this.#mapped = MappedFile.of(this.#fd, this.#path, empty.length);
  }

  write(octets: Uint8Array, length: number, at: number): void {
    if (this.#mapped !== undefined) return this.#mapped.write(octets, length, at);
    if (this.#fd === -1) return;
    try {
      writeSync(this.#fd, octets, 0, length, at);
    } catch (error) {
      this.#failed(error);
    }
  }

  touch(now: Date): void {
    try {
      futimesSync(this.#fd, now, now);
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Whoever has it open is to read nothing of it. */
  clear(): void {
    // What is memory must not lose its end: a store there would be the end.
    if (this.#mapped !== undefined) this.#mapped.write(FREE_MARK, FREE_MARK.length, 0);
    else if (this.#fd !== -1) contain(undefined, () => ftruncateSync(this.#fd));
  }

  remove(): void {
    if (this.#fd === -1) return;
    const fd = this.#fd;
    this.isOpen = false;
    this.#fd = -1;
    const mapped = this.#mapped;
    this.#mapped = undefined;
    for (const act of [() => mapped?.close(), () => closeSync(fd), () => unlinkSync(this.#path)]) {
      try {
        act();
      } catch {
        // it is gone already
      }
    }
  }
}
