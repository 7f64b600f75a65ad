import { STATUS_LINE } from "../http/grammar.js";
import type { NodeResponse } from "./node-internals.js";

/** Whether a first line is one that may be sent. */
export function isFirstLine(line: string): boolean {
  return line === "HTTP/1.1 200 OK\r\n" || STATUS_LINE.test(line);
}

/** Makes both answer the same from now on, also where the app has put a getter in their place. */
export function setStatus(response: NodeResponse, status: number, reason: string): void {
  for (const [name, value] of [
    ["statusCode", status],
    ["statusMessage", reason],
  ])
    Object.defineProperty(response, name as string, { value, configurable: true, enumerable: true, writable: true });
}
