import { EventEmitter } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

const KEPT_LINES = 12;

/** Reads what a child process logs: the last lines are kept for an error message, each can be followed (`line`). */
export class LogTail extends EventEmitter<{ line: [string] }> {
  #lines: string[] = [];

  /** Reads `stream` to its end, so that the process never blocks on a full pipe. */
  read(stream: Readable | null): void {
    if (stream !== null) createInterface({ input: stream }).on("line", (line) => this.add(line));
  }

  add(line: string): void {
    this.#lines = [...this.#lines, line].slice(-KEPT_LINES);
    this.emit("line", line);
  }

  last(): readonly string[] {
    return this.#lines;
  }
}
