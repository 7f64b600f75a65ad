import type { Framing } from "../../exchange/framing.js";
import { FIELD_LINE } from "../../http/grammar.js";

/** RFC 9112, section 7.1: `chunk-size [ chunk-ext ]`, as far as a recipient has to understand it. */
const CHUNK_SIZE = /^([0-9a-f]{1,13})(?:;[\t\x20-\x7e\x80-\xff]*)?$/i;

/** Longest line of a chunk or a trailer section that is waited for, in octets. */
const LONGEST_LINE = 8_192;

/** Follows content that an app writes to the socket itself, on its way out: where it ends, and whether it can be read. */
export class RawContent {
  /** Octets of content until now, framing not among them. */
  octets = 0;
  state: "open" | "whole" | "broken" = "open";
  readonly #isChunked: boolean;
  /** Octets that are missing, of the content or of the chunk. */
  #left: number;
  /** What the next line is, in chunked content. */
  #next: "size" | "end" | "trailer" = "size";
  #line = "";

  constructor({ kind, length }: Framing) {
    this.#isChunked = kind === "chunked";
    this.#left = kind === "length" ? length : kind === "close" ? Number.POSITIVE_INFINITY : 0;
    if (kind === "none" || length === 0) this.state = "whole";
  }

  /** @returns how many of these octets belong to it and may go out; with any that do not it is no longer open */
  take(octets: Buffer): number {
    let at = 0;
    while (at < octets.length && this.state === "open") {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, octets.length - at);
        at += taken;
        this.octets += taken;
        this.#left -= taken;
        if (this.#left === 0 && !this.#isChunked) this.state = "whole";
        continue;
      }
      const lf = octets.indexOf("\n", at);
      const end = lf === -1 ? octets.length : lf + 1;
      this.#line += octets.toString("latin1", at, Math.min(end, at + LONGEST_LINE + 1));
      if (this.#line.length > LONGEST_LINE) this.state = "broken";
      else if (lf !== -1) this.#read(this.#line);
      if (lf !== -1) this.#line = "";
      // What is behind the line before this one is not to be read.
      if (this.state !== "broken") at = end;
    }
    return at;
  }

  #read(line: string): void {
    const text = line.endsWith("\r\n") ? line.slice(0, -2) : undefined;
    if (text === undefined) this.state = "broken";
    else if (this.#next === "trailer") {
      if (text === "") this.state = "whole";
      else if (!FIELD_LINE.test(text)) this.state = "broken";
    } else if (this.#next === "end") {
      if (text === "") this.#next = "size";
      else this.state = "broken";
    } else {
      const size = CHUNK_SIZE.exec(text)?.[1];
      if (size === undefined) this.state = "broken";
      this.#left = Number.parseInt(size ?? "0", 16);
      this.#next = this.#left === 0 ? "trailer" : "end";
    }
  }
}
