import type { OctetStream, Reading } from "./octet-stream.js";
import { Unreadable } from "./problems.js";

/** Content as it is received: where its octets stand in the stream. */
export class Content {
  /** Offsets, start and end in turn; flat, since content may come in millions of chunks. */
  readonly #offsets: number[] = [];
  octets = 0;

  /** Takes up to `count` octets from the cursor; returns how many there were when the stream stopped. */
  *take(stream: OctetStream, count: number): Reading<number> {
    const start = stream.at;
    yield* stream.has(count);
    const end = Math.min(start + count, stream.length);
    if (end > start) this.#offsets.push(start, end);
    this.octets += end - start;
    stream.at = end;
    return end - start;
  }

  read(stream: OctetStream): Buffer {
    const [first = 0, last = 0] = this.#offsets;
    if (this.#offsets.length <= 2) return stream.slice(first, last);
    const whole = Buffer.allocUnsafeSlow(this.octets);
    let at = 0;
    for (let index = 0; index < this.#offsets.length; index += 2) {
      at += stream.copy(whole, at, this.#offsets[index] ?? 0, this.#offsets[index + 1] ?? 0);
    }
    return whole;
  }
}

/** Reads content of a known length, in octets. */
export function* readLength(stream: OctetStream, octets: number, content: Content): Reading<void> {
  const received = yield* content.take(stream, octets);
  if (received === octets) return;
  throw new Unreadable("incomplete-content", stream.at, `Content stops after ${received} of ${octets} octets.`);
}

/** Reads content that lasts until the connection is closed. Nothing but a clean close tells that it was all. */
export function* readToClose(stream: OctetStream, content: Content): Reading<void> {
  yield* content.take(stream, Number.POSITIVE_INFINITY);
  if (stream.end === "fin") return;
  const state = stream.end === "reset" ? "was reset" : "is still open";
  const message = `Content lasts until the connection is closed, but that ${state}.`;
  throw new Unreadable("incomplete-content", stream.at, message, "MC-1");
}
