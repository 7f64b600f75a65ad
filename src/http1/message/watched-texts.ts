import { type HeadersArgument, isPlainObject } from "../../validity/draft.js";

/** Passes each reading of an object's text on, and remembers the last one: that is what Node sends. */
class WatchedText {
  readonly #value: object;
  last: string | undefined;

  constructor(value: object) {
    this.#value = value;
  }

  [Symbol.toPrimitive](hint: string): unknown {
    if (hint === "number") return Number(this.#value);
    this.last = String(this.#value);
    return this.last;
  }
}

/**
 * Puts a watch on every object among the values of a header section, without reading it.
 * @param headers - of `setHeader`, or what `readHeaders` gave
 * @returns puts the values back
 */
export function watchTexts(headers: HeadersArgument, isOutHeaders: boolean): () => void {
  const given: [holder: unknown[], index: number, value: unknown][] = [];
  const watch = (holder: unknown[], index: number) => {
    const value = holder[index];
    if (typeof value !== "object" || value === null) return;
    given.push([holder, index, value]);
    holder[index] = Array.isArray(value) ? value.map(watched) : watched(value);
  };
  if (isOutHeaders) for (const entry of Object.values(headers as Record<string, unknown[]>)) watch(entry, 1);
  else if (Array.isArray(headers)) for (let i = 1; i < headers.length; i += 2) watch(headers, i);
  return () => {
    for (const [holder, index, value] of given) holder[index] = value;
  };
}

function watched(value: unknown): unknown {
  return typeof value !== "object" || value === null || isPlainObject(value) ? value : new WatchedText(value);
}

/** What has been sent for a value that was watched. */
export function lastText(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(lastText);
  return value instanceof WatchedText ? value.last : value;
}
