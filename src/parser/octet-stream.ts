/** How the connection stood when the octets stopped: closed cleanly, reset, still open. */
export type ResponseEnd = "fin" | "reset" | "open";

/** A reading in progress: yields whenever it needs octets that have not arrived. */
export type Reading<T> = Generator<void, T, void>;

/** A line without its terminator. Offsets count from the start of the stream. */
export interface Line {
  readonly start: number;
  readonly end: number;
  /** Octets as latin1. */
  readonly text: string;
  /** Ended by LF alone. */
  readonly bareLf: boolean;
}

const LF = 0x0a;
const CR = 0x0d;

/**
 * Octets received so far, and a cursor.
 *
 * Readings are generators, so that the grammar is written as if every octet were there already, while each octet is
 * looked at once however the stream was cut into segments.
 */
export class OctetStream {
  /** Offset of the next octet to read. */
  at = 0;
  /** Octets received. */
  length = 0;
  /** `undefined` as long as more may come. */
  end: ResponseEnd | undefined;
  /** With room for more behind `length`. */
  #store: Buffer;
  /** The octets received: the part of the store up to `length`. */
  #octets: Buffer;

  constructor(octets: Uint8Array = new Uint8Array(0)) {
    this.#store = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength);
    this.#octets = this.#store;
    this.length = octets.byteLength;
  }

  push(octets: Uint8Array): void {
    const length = this.length + octets.length;
    if (length > this.#store.length) {
      // Never grown in place: slices handed out earlier keep the octets they were made of.
      const grown = Buffer.allocUnsafeSlow(Math.max(length, 2 * this.#store.length, 4096));
      this.#octets.copy(grown);
      this.#store = grown;
    }
    this.#store.set(octets, this.length);
    this.#octets = this.#store.subarray(0, length);
    this.length = length;
  }

  /** Tells that nothing more will come. */
  stop(end: ResponseEnd): void {
    this.end = end;
  }

  slice(start: number, end: number): Buffer {
    return this.#octets.subarray(start, end);
  }

  /** Copies octets to `target` at `at`, and returns their number. */
  copy(target: Buffer, at: number, start: number, end: number): number {
    return this.#octets.copy(target, at, start, end);
  }

  /** Waits until there are `count` octets at the cursor; `false` when the stream stops before. */
  *has(count: number): Reading<boolean> {
    while (this.length - this.at < count) {
      if (this.end !== undefined) return false;
      yield;
    }
    return true;
  }

  /** Waits until it is certain whether `prefix` stands at the cursor; `undefined` when the stream stops before. */
  *startsWith(prefix: string): Reading<boolean | undefined> {
    for (let count = 1; count <= prefix.length; count += 1) {
      if (!(yield* this.has(count))) return undefined;
      if (this.#octets[this.at + count - 1] !== prefix.charCodeAt(count - 1)) return false;
    }
    return true;
  }

  /** Reads a line and moves past it; `undefined` when the stream stops before its LF. */
  *line(): Reading<Line | undefined> {
    const start = this.at;
    let from = start;
    for (;;) {
      const lf = this.#octets.indexOf(LF, from);
      if (lf !== -1) {
        const end = lf > start && this.#octets[lf - 1] === CR ? lf - 1 : lf;
        this.at = lf + 1;
        return { start, end, text: this.#octets.toString("latin1", start, end), bareLf: end === lf };
      }
      if (this.end !== undefined) return undefined;
      from = this.length;
      yield;
    }
  }
}
