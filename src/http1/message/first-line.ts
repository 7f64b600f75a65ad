import { STATUS_LINE } from "../../http/grammar.js";
import { statusIn } from "../../http/message.js";
import type { NodeResponse } from "../node/node-internals.js";

/** What is known of a first line. */
export interface FirstLine {
  readonly status: number;
  /** It may be sent. */
  readonly isValid: boolean;
}

/** First lines that have been read: an app has few. */
const known = new Map<string, FirstLine>();
const MOST_KNOWN = 100;

/** The one that was read last: the next one is nearly always the same, and a look-up would hash each anew. */
let lastLine = "";
let last: FirstLine = { status: 0, isValid: false };

/** Reads a first line. */
export function readFirstLine(line: string): FirstLine {
  if (line !== lastLine) {
    last = lookUp(line);
    lastLine = line;
  }
  return last;
}

function lookUp(line: string): FirstLine {
  const first = known.get(line);
  if (first !== undefined) return first;
  const read = { status: statusIn(line), isValid: STATUS_LINE.test(line) };
  if (known.size < MOST_KNOWN) known.set(line, read);
  return read;
}

/** Makes both answer the same from now on, also where the app has put a getter in their place. */
export function setStatus(response: NodeResponse, status: number, reason: string): void {
  for (const [name, value] of [
    ["statusCode", status],
    ["statusMessage", reason],
  ])
    Reflect.defineProperty(response, name as string, { value, configurable: true, enumerable: true, writable: true });
}
