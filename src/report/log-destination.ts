import { write, writeSync } from "node:fs";
import { performance, setTimeout } from "../clock.js";
import { contained } from "../containment.js";

/** Most that waits for a reader, in UTF-16 code units of log lines; what comes beyond is lost. */
const MAX_WAITING = 8 * 1024 * 1024;
/** Time until a reader that has no room is tried again, in milliseconds. */
const RETRY_MS = 10;
/** Longest time such a reader keeps a process from ending, in milliseconds. */
const PATIENCE_MS = 500;
/** Time in which a thread ends a write that it has begun, in milliseconds. */
const IN_FLIGHT_MS = 5;

/**
 * Where the default logger writes: off the event loop, and what is left at the end of the process then. Octets that
 * cannot be written are lost. A closed pipe, a full disk or a reader that has stopped reading must neither end the
 * process, nor keep it from ending, nor fill its memory: pino's own destination tries the first two again and again in
 * `flushSync()`, and hangs the process, on a full disk at the first line.
 */
export class LogDestination {
  #waiting = "";
  /** What is being written, or waits for room. */
  #octets: Buffer = Buffer.alloc(0);
  #state: "idle" | "in flight" | "no room" | "ended" = "idle";

  constructor(readonly fd: number) {
    const end = contained(undefined, () => this.#end());
    process.on("exit", end);
    // Listeners for `exit` that are added while it is emitted are not called.
    if ((process as { _exiting?: boolean })._exiting) this.#state = "ended";
  }

  write(line: string): void {
    if (this.#waiting.length > MAX_WAITING) return;
    this.#waiting += line;
    if (this.#state === "idle") this.#next();
    // The guard answers at the end of the process, and tells of it.
    else if (this.#state === "ended") this.#writeAll();
  }

  #next(): void {
    this.#octets = this.#take();
    this.#writeSome();
  }

  #take(): Buffer {
    const octets = Buffer.from(this.#waiting);
    this.#waiting = "";
    return octets;
  }

  readonly #writeSome = contained(undefined, (): void => {
    if (this.#state === "ended") return;
    this.#state = "in flight";
    write(this.fd, this.#octets, this.#onWritten);
  });

  readonly #onWritten = contained(undefined, (error: NodeJS.ErrnoException | null, count: number): void => {
    if (error !== null && isTemporary(error)) {
      this.#state = "no room";
      setTimeout(this.#writeSome, RETRY_MS).unref();
      return;
    }
    this.#octets = this.#octets.subarray(error === null ? count : this.#octets.length);
    if (this.#octets.length > 0) this.#writeSome();
    else if (this.#waiting !== "") this.#next();
    else this.#state = "idle";
  });

  #end(): void {
    // What another thread is writing comes first, and is not written twice.
    if (this.#state === "in flight") {
      sleep(IN_FLIGHT_MS);
      this.#octets = this.#octets.subarray(this.#octets.length);
    }
    this.#state = "ended";
    this.#writeAll();
  }

  #writeAll(): void {
    const until = performance.now() + PATIENCE_MS;
    let octets = Buffer.concat([this.#octets, this.#take()]);
    this.#octets = octets.subarray(octets.length);
    while (octets.length > 0 && performance.now() < until) {
      try {
        octets = octets.subarray(writeSync(this.fd, octets));
      } catch (error) {
        if (!isTemporary(error as NodeJS.ErrnoException)) return;
        sleep(RETRY_MS);
      }
    }
  }
}

/** A pipe that does not block has no room: `EBUSY` is what Windows says. */
function isTemporary({ code }: NodeJS.ErrnoException): boolean {
  return code === "EAGAIN" || code === "EBUSY" || code === "EINTR";
}

/** Nothing asynchronous happens at the end of the process. */
function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
