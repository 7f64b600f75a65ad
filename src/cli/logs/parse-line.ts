import { parseCombined } from "./combined.js";
import type { LogEntry } from "./entry.js";
import { parseHaproxy } from "./haproxy.js";
import { isObject, isOctets, jsonIn, type LogObject } from "./json-object.js";
import { pairsOf } from "./key-value.js";
import { type Place, placeOf } from "./members.js";
import { parseNginxError } from "./nginx-error.js";
import { isOfProxy, parseProxyObject } from "./proxy-object.js";
import { parseRayguard } from "./rayguard.js";
import { parseStructured } from "./structured.js";

/** Wrappers within wrappers, how deep each is looked through, and how many members of an object. */
const MOST_WRAPPERS = 3;
const MOST_DEPTH = 8;
const MOST_MEMBERS = 60;

/** Most members are words. */
const SHORTEST = 30;

/** What a terminal takes for a colour, and does not print. */
const COLOURS = /\x1b\[[0-9;]*m/g;

/**
 * Reads a line of a log, in whichever known form it is, wrapped or not; none for any other. What an API of a log service
 * has answered wraps many.
 */
export function entriesOf(coloured: string): readonly LogEntry[] {
  const line = coloured.includes("\x1b") ? coloured.replace(COLOURS, "") : coloured;
  const known = line.startsWith("{") ? null : parseKnown(line);
  if (known !== null) return [known];
  const value = jsonIn(line);
  const entries = value === null ? [] : entriesIn(value, 0);
  return entries.length > 0 || line.startsWith("{") ? entries : ofPairs(line);
}

function entriesIn(value: object, wrappers: number): LogEntry[] {
  if (!isObject(value))
    return (value as unknown[]).flatMap((each) => (isObject(each) ? entriesIn(each, wrappers) : []));
  const own = parseRayguard(value);
  if (own !== null) return [own];
  const wrapped = wrappers < MOST_WRAPPERS ? [...wrappedIn(value, placeOf(value), wrappers + 1, 0)] : [];
  if (wrapped.length > 0) return wrapped;
  const entry = parseProxyObject(value) ?? (isOfProxy(value) ? null : parseStructured(value, "JSON"));
  return entry === null ? [] : [entry];
}

/**
 * Lines in the members of an object, at any depth: Docker, journald, PM2 and whatever ships logs wrap a line of its own
 * into an object of theirs, each under another name. Its time, process and host may be told by the wrapper alone.
 */
function* wrappedIn(value: unknown, place: Place, wrappers: number, depth: number): Generator<LogEntry> {
  if (typeof value === "string") yield* wrappedText(value.trimEnd(), place, wrappers);
  // journald writes one that is no plain text so.
  else if (isOctets(value)) yield* wrappedText(Buffer.from(value).toString().trimEnd(), place, wrappers);
  else if (value === null || typeof value !== "object" || depth === MOST_DEPTH) return;
  else if (Array.isArray(value)) for (const item of value) yield* wrappedItem(item, place, wrappers, depth);
  else
    for (const member of Object.values(value).slice(0, MOST_MEMBERS))
      yield* wrappedIn(member, place, wrappers, depth + 1);
}

/** One of a list of many: each may have a place of its own, and be a record of rayguard by itself. */
function* wrappedItem(item: unknown, place: Place, wrappers: number, depth: number): Generator<LogEntry> {
  if (!isObject(item)) return yield* wrappedIn(item, place, wrappers, depth + 1);
  const own = parseRayguard(item);
  if (own !== null) yield placed(own, place);
  else yield* wrappedIn(item, { ...place, ...placeOf(item) }, wrappers, depth + 1);
}

function* wrappedText(text: string, place: Place, wrappers: number): Generator<LogEntry> {
  if (text.length < SHORTEST) return;
  const value = text.includes("{") ? jsonIn(text) : null;
  const entries = value === null ? [ofWords(text)] : entriesIn(value, wrappers);
  for (const entry of entries) {
    const isLine = entry !== null && (entry.kind !== "app" || entry.at !== null);
    if (isLine) yield placed(entry, place);
  }
}

function placed(entry: LogEntry, { at, pid, host }: Place): LogEntry {
  return { ...entry, at: entry.at ?? at ?? null, pid: entry.pid ?? pid ?? null, host: entry.host ?? host ?? null };
}

function ofWords(text: string): LogEntry | null {
  return parseKnown(text) ?? parseProxyObject(pairsOf(text), text);
}

function ofPairs(line: string): readonly LogEntry[] {
  const pairs: LogObject = pairsOf(line);
  const wrapped = [...wrappedIn(pairs, placeOf(pairs), 1, 0)];
  if (wrapped.length > 0) return wrapped;
  // A word with "=" in it makes no log line; a time does.
  const entry = parseProxyObject(pairs, line) ?? (isOfProxy(pairs) ? null : parseStructured(pairs, "key=value"));
  return entry === null || entry.at === null ? [] : [entry];
}

function parseKnown(line: string): LogEntry | null {
  return parseCombined(line) ?? parseNginxError(line) ?? parseHaproxy(line);
}
