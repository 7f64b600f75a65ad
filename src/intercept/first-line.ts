import { STATUS_LINE } from "../http/grammar.js";
import type { NodeResponse } from "./node-internals.js";

const STATUS_AT = "HTTP/1.1 ".length;
const REASON_AT = "HTTP/1.1 200 ".length;

/** Whether a first line is one that may be sent. */
export function isFirstLine(line: string): boolean {
  return line === "HTTP/1.1 200 OK\r\n" || STATUS_LINE.test(line);
}

/** Status code in a first line. */
export function statusIn(firstLine: string): number {
  return Number(firstLine.slice(STATUS_AT, STATUS_AT + 3));
}

/** Reason phrase in a first line. */
export function reasonIn(firstLine: string): string {
  return firstLine.slice(REASON_AT, -2);
}

/** Makes both answer the same from now on, also where the app has put a getter in their place. */
export function setStatus(response: NodeResponse, status: number, reason: string): void {
  for (const [name, value] of [
    ["statusCode", status],
    ["statusMessage", reason],
  ])
    Object.defineProperty(response, name as string, { value, configurable: true, enumerable: true, writable: true });
}
