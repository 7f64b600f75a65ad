import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

const KEPT_LINES = 12;

/** Reads what a child process logs: the last lines are kept for an error message, each can be followed. */
export class LogTail {
  #lines: string[] = [];
  #follow: ((line: string) => void) | undefined;

  /** Reads `stream` to its end, so that the process never blocks on a full pipe. */
  read(stream: Readable | null): void {
    if (stream !== null) createInterface({ input: stream }).on("line", (line) => this.add(line));
  }

  add(line: string): void {
    this.#lines = [...this.#lines, line].slice(-KEPT_LINES);
    this.#follow?.(line);
  }

  last(): readonly string[] {
    return this.#lines;
  }

  follow(listener: (line: string) => void): void {
    this.#follow = listener;
  }
}
