import type { LogObject } from "./json-object.js";

const PAIR = /([A-Za-z@$][\w.$-]*)=(?:"((?:[^"\\]|\\.)*)"|([^\s",;]*))/g;

/** The pairs `name=value` and `name="value"` of a line. */
export function pairsOf(line: string): LogObject {
  const pairs: Record<string, string> = {};
  for (const [, name, quoted, plain] of line.matchAll(PAIR)) pairs[name as string] ??= quoted ?? plain ?? "";
  return pairs;
}
