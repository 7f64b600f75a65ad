import type { LogObject } from "./json-object.js";

// A name has an end: without one, a long word would be looked through again from each of its letters.
const PAIR = /(?<![\w.$-])([A-Za-z@$][\w.$-]{0,63})=(?:"((?:[^"\\]|\\.)*)"|([^\s",;]*))/g;

/** The pairs `name=value` and `name="value"` of a line. */
export function pairsOf(line: string): LogObject {
  const pairs: Record<string, string> = {};
  for (const [, name, quoted, plain] of line.matchAll(PAIR)) pairs[name as string] ??= unescaped(quoted) ?? plain ?? "";
  return pairs;
}

function unescaped(quoted: string | undefined): string | undefined {
  if (quoted?.includes("\\") !== true) return quoted;
  try {
    return JSON.parse(`"${quoted}"`) as string;
  } catch {
    return quoted;
  }
}
