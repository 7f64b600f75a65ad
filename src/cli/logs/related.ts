import type { Found, LogEntry } from "./entry.js";

/** How far lines of one request may lie apart from what is known of it, in milliseconds. */
const SLACK_MS = 2_000;

/** Longest a request is looked back for where its log does not tell how long it took, in milliseconds. */
const LONGEST_MS = 900_000;

/** With more to look for than this, reading a line closely is the shorter way. */
const MANY = 100;

interface Time {
  readonly from: number;
  readonly to: number;
}

interface Wanted extends Time {
  readonly list: Found[];
  readonly pid: number | null;
  readonly host: string | null;
  /** Address of the client of a reverse proxy; empty where it is not told. */
  readonly client: string;
}

/**
 * What belongs to a request without naming its Ray: lines with its request id, the line of nginx's error log for the
 * same request line, and a block of the event loop at that time.
 */
export class Related {
  readonly #byId = new Map<string, Wanted[]>();
  readonly #byRequest = new Map<string, Wanted[]>();
  readonly #blocked: Wanted[] = [];
  readonly #needles = new Set<string>();

  constructor(entries: ReadonlyMap<string, Found[]>) {
    for (const list of entries.values()) for (const entry of [...list]) this.#want(entry, list);
  }

  get any(): boolean {
    return this.#needles.size > 0;
  }

  /** Whether a line is worth reading closely. */
  mayBe(line: string): boolean {
    if (this.#needles.size > MANY) return true;
    for (const needle of this.#needles) if (line.includes(needle)) return true;
    return false;
  }

  take(entry: Found): void {
    if (entry.kind === "proxy error" && entry.ray === null) {
      for (const wanted of this.#byRequest.get(withoutVersion(entry.request)) ?? []) {
        const isSameClient = wanted.client === "" || wanted.client === entry.client;
        if (isSameClient && isWithin(entry.wall, wanted)) add(wanted.list, entry);
      }
    } else if (entry.kind === "incident" && entry.code === "BLOCKED") {
      const { at } = entry;
      if (at === null) return;
      for (const wanted of this.#blocked) {
        const overlaps = at >= wanted.from && at - (entry.blockedMs ?? 0) <= wanted.to;
        if (overlaps && isSameProcess(entry, wanted)) add(wanted.list, entry);
      }
    } else if (entry.requestId !== null && entry.ray === null) {
      for (const wanted of this.#byId.get(entry.requestId) ?? []) {
        if (isSameProcess(entry, wanted) && isWithin(entry.at ?? undefined, wanted)) add(wanted.list, entry);
      }
    }
  }

  #want(entry: Found, list: Found[]): void {
    const { requestId, pid, host, at } = entry;
    const time = timeOf(entry);
    if (requestId !== null && at !== null) {
      // Request ids start anew with each process, so the time counts as well.
      push(this.#byId, requestId, { list, client: "", pid, host, ...time });
      this.#needles.add(requestId);
    }
    if (entry.kind === "request" && at !== null) {
      this.#blocked.push({ list, client: "", pid, host, ...time });
      this.#needles.add('"BLOCKED"');
    }
    if (entry.kind === "access" && entry.wall !== undefined && entry.status >= 400) {
      const shift = entry.wall - (at ?? entry.wall);
      const request = withoutVersion(entry.request);
      const { client } = entry;
      push(this.#byRequest, request, {
        list,
        client,
        pid: null,
        host: null,
        from: time.from + shift,
        to: time.to + shift,
      });
      this.#needles.add(request);
    }
  }
}

/** Access logs tell the request line as a whole or in parts. */
function withoutVersion(request: string): string {
  return request.replace(/ HTTP\/[\d.]+$/, "");
}

function timeOf(entry: LogEntry): Time {
  const at = entry.at ?? 0;
  const took = "ms" in entry ? (entry.ms ?? LONGEST_MS) : LONGEST_MS;
  return { from: at - took - SLACK_MS, to: at + (entry.kind === "app" ? LONGEST_MS : SLACK_MS) };
}

function isWithin(time: number | undefined, { from, to }: Time): boolean {
  return time !== undefined && time >= from && time <= to;
}

/** As far as both tell it. */
export function isSameProcess(a: { pid: number | null; host: string | null }, b: typeof a): boolean {
  return (a.pid ?? b.pid) === (b.pid ?? a.pid) && (a.host ?? b.host) === (b.host ?? a.host);
}

function push(map: Map<string, Wanted[]>, key: string, wanted: Wanted): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [wanted]);
  else list.push(wanted);
}

function add(list: Found[], entry: Found): void {
  const isThere = list.some(({ file, line }) => file === entry.file && line === entry.line);
  if (!isThere && list.length < 1_000) list.push(entry);
}
