import { parseCombined } from "./combined.js";
import type { LogEntry } from "./entry.js";
import { parseHaproxy } from "./haproxy.js";
import { type LogObject, objectOf, textsIn } from "./json-object.js";
import { pairsOf } from "./key-value.js";
import { toldBy } from "./members.js";
import { parseNginxError } from "./nginx-error.js";
import { parseProxyObject } from "./proxy-object.js";
import { parseRayguard } from "./rayguard.js";
import { parseStructured } from "./structured.js";

/** Wrappers within wrappers. */
const MOST_DEPTH = 3;

/** What a terminal takes for a colour, and does not print. */
const COLOURS = /\x1b\[[0-9;]*m/g;

/** Reads a line of a log, in whichever known form it is, wrapped or not; null for any other. */
export function parseLine(coloured: string): LogEntry | null {
  const line = coloured.includes("\x1b") ? coloured.replace(COLOURS, "") : coloured;
  return parseText(line) ?? parseObject(line, 0);
}

function parseObject(line: string, depth: number): LogEntry | null {
  const object = objectOf(line);
  if (object === null) return null;
  return (
    parseRayguard(object) ?? parseWrapped(object, depth) ?? parseProxyObject(object) ?? parseStructured(object, "JSON")
  );
}

/** A member that is a line of its own. Its time, process and host may be told by the wrapper alone. */
function parseWrapped(object: LogObject, depth: number): LogEntry | null {
  if (depth >= MOST_DEPTH) return null;
  for (const text of textsIn(object)) {
    // Most members are words.
    if (text.length < 30) continue;
    const entry = text.includes("{")
      ? parseObject(text, depth + 1)
      : (parseKnown(text) ?? parseProxyObject(pairsOf(text), text));
    const isLine = entry !== null && (entry.kind !== "app" || entry.at !== null);
    if (!isLine) continue;
    const { at, pid, host } = toldBy(object);
    return { ...entry, at: entry.at ?? at, pid: entry.pid ?? pid, host: entry.host ?? host };
  }
  return null;
}

function parseText(line: string): LogEntry | null {
  if (line.startsWith("{")) return null;
  const known = parseKnown(line);
  if (known !== null) return known;
  const pairs = pairsOf(line);
  // A word with "=" in it makes no log line; a time does.
  const entry = parseProxyObject(pairs, line) ?? parseStructured(pairs, "key=value");
  return entry.at === null ? null : entry;
}

function parseKnown(line: string): LogEntry | null {
  return parseCombined(line) ?? parseNginxError(line) ?? parseHaproxy(line);
}
