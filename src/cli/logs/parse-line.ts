import { parseCombined } from "./combined.js";
import type { LogEntry } from "./entry.js";
import { parseHaproxy } from "./haproxy.js";
import { objectOf, unwrapped } from "./json-object.js";
import { pairsOf } from "./key-value.js";
import { parseNginxError } from "./nginx-error.js";
import { parseRayguard } from "./rayguard.js";
import { parseStructured } from "./structured.js";

/** Reads a line of a log, in whichever known form it is; null for any other. */
export function parseLine(line: string): LogEntry | null {
  const plain = unwrapped(line);
  return parseText(plain) ?? parseObject(plain);
}

function parseObject(line: string): LogEntry | null {
  const object = objectOf(line);
  return object === null ? null : (parseRayguard(object) ?? parseStructured(object, "JSON"));
}

function parseText(line: string): LogEntry | null {
  if (line.startsWith("{")) return null;
  const known = parseCombined(line) ?? parseNginxError(line) ?? parseHaproxy(line);
  if (known !== null) return known;
  const pairs = pairsOf(line);
  // A word with "=" in it makes no log line; a time does.
  const entry = parseStructured(pairs, "key=value");
  return entry.at === null ? null : entry;
}
