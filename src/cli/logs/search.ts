import type { Found, LogEntry } from "./entry.js";
import { Joiner } from "./joiner.js";
import { jsonIn } from "./json-object.js";
import { entriesOf } from "./parse-line.js";
import { readFlight } from "./recorder.js";
import { Related } from "./related.js";
import { DamagedError, openSource, type Source } from "./source.js";

/** What was read of a file. */
export interface Coverage {
  readonly file: string;
  readonly kind: Source["kind"];
  lines: number;
  /** Lines in no known form, broken ones among them. */
  skipped: number;
  /** Those among them that are too long to be read, or JSON that is cut: whatever they were about. */
  cut: number;
  /** Times of its first and last line, by the clock; null where no line told one. */
  from: number | null;
  to: number | null;
  /** Why it was not read to its end. */
  damaged: string | null;
}

export interface Findings {
  /** Entries of each Ray ID that was looked for, in the order of files and lines. */
  readonly entries: ReadonlyMap<string, readonly Found[]>;
  readonly files: readonly Coverage[];
}

/** Most entries kept for one Ray: one that stands in every line is no Ray of a request. */
const MOST_ENTRIES = 1_000;

const HEX = /(?<![0-9a-z])[0-9a-f]{16}(?![0-9a-z])/gi;

/**
 * Looks for Ray IDs in logs, line by line: first for what names them, then, if anything did, for what belongs to it
 * without naming it.
 * @param rays - 16 lower-case hexadecimal digits each
 * @throws {CommandError} where a file cannot be read
 */
export async function searchLogs(names: readonly string[], rays: ReadonlySet<string>): Promise<Findings> {
  const entries = new Map<string, Found[]>([...rays].map((ray) => [ray, []]));
  const sources: Source[] = [];
  for (const name of names) sources.push(await openSource(name)); // one that is missing ends it before hours of reading
  const files: Coverage[] = [];
  for (const source of sources) {
    files.push(source.kind === "recorder" ? readRecorder(source.name, entries) : await readLog(source, entries));
  }
  const related = new Related(entries);
  if (related.any) for (const source of sources) if (source.kind === "log") await readAgain(source, related);
  return { entries, files };
}

async function readLog(source: Source, entries: ReadonlyMap<string, Found[]>): Promise<Coverage> {
  const file = source.name;
  const coverage: Coverage = { file, kind: "log", lines: 0, skipped: 0, cut: 0, from: null, to: null, damaged: null };
  await each(source, coverage, (line, number) => {
    if (line === "") return;
    coverage.lines++;
    if (line === null) {
      coverage.skipped++;
      coverage.cut++;
      return;
    }
    const found = entriesOf(line);
    if (found.length === 0) {
      coverage.skipped++;
      if (BEGINS.test(line) && jsonIn(line) === null) coverage.cut++;
    }
    for (const { at } of found) {
      if (at === null) continue;
      coverage.from = Math.min(coverage.from ?? at, at);
      coverage.to = Math.max(coverage.to ?? at, at);
    }
    // A wrapper may hold the line in octets, which names nothing by itself.
    const rays = new Set([...named(line), ...found.flatMap(({ ray }) => ray ?? [])]);
    for (const ray of rays) {
      const list = entries.get(ray);
      if (list === undefined || list.length >= MOST_ENTRIES) continue;
      const own = found.filter((entry) => isAbout(entry, ray));
      const isUnknown = found.length === 0 || found.some(isWordless);
      if (own.length === 0) own.push(quoteOf(line, found[0]?.at ?? null, isUnknown));
      list.push(...own.map((entry) => ({ ...entry, file, line: number })));
    }
  });
  return coverage;
}

/** The beginning of an object. */
const BEGINS = /^[^{]{0,200}\{"/;

/** A URL or a referrer may quote the Ray ID of another request; the app itself, in what it says, speaks of this one. */
function isAbout(entry: LogEntry, ray: string): boolean {
  if (isWordless(entry)) return false;
  if (entry.ray !== null) return entry.ray === ray;
  return entry.kind === "app" && `${entry.message} ${entry.err?.message}`.toLowerCase().includes(ray);
}

/** An app says something in its lines; what only has members may come from anybody. */
function isWordless(entry: LogEntry): boolean {
  return entry.kind === "app" && entry.message === "" && entry.err === null;
}

/** As much of a line as a person reads. */
const QUOTED = 500;

function quoteOf(line: string, at: number | null, isUnknown: boolean): LogEntry {
  const told = { at, pid: null, host: null, requestId: null, ray: null, colo: null };
  return { ...told, kind: "quote", isUnknown, text: line.length > QUOTED ? `${line.slice(0, QUOTED)}...` : line };
}

function* named(line: string): Generator<string> {
  const seen = new Set<string>();
  for (const [digits] of line.matchAll(HEX)) {
    const ray = digits.toLowerCase();
    if (!seen.has(ray)) yield ray;
    seen.add(ray);
  }
}

async function readAgain(source: Source, related: Related): Promise<void> {
  await each(source, null, (line, number) => {
    if (line === null || !related.mayBe(line)) return;
    for (const entry of entriesOf(line)) related.take({ ...entry, file: source.name, line: number });
  });
}

async function each(
  source: Source,
  coverage: Coverage | null,
  take: (line: string | null, number: number) => void,
): Promise<void> {
  let number = 0;
  const joiner = new Joiner();
  try {
    for await (const line of source.lines()) {
      number++;
      if (line === null) take(null, number);
      else for (const whole of joiner.take(line)) take(whole, number);
    }
    const rest = joiner.rest();
    if (rest !== undefined) take(rest, number);
  } catch (error) {
    if (!(error instanceof DamagedError)) throw error;
    if (coverage !== null) coverage.damaged = error.message;
  }
}

function readRecorder(file: string, entries: ReadonlyMap<string, Found[]>): Coverage {
  const flight = readFlight(file);
  const none = { file, kind: "recorder", lines: 0, skipped: 0, cut: 0, from: null, to: null, damaged: null } as const;
  if (typeof flight === "string") return { ...none, damaged: flight };
  const times = flight.requests.flatMap(({ at }) => (at === null ? [] : [at]));
  for (const [i, request] of flight.requests.entries()) {
    if (request.ray !== null) entries.get(request.ray)?.push({ ...request, file, line: i + 1 });
  }
  return {
    ...none,
    lines: flight.requests.length + flight.torn,
    skipped: flight.torn,
    from: times.length === 0 ? null : Math.min(...times),
    to: flight.seenAt,
  };
}
