import type {
  AccessEntry,
  AppEntry,
  Found,
  IncidentEntry,
  ProxyErrorEntry,
  RecordedEntry,
  RequestEntry,
} from "../logs/entry.js";
import { isSameProcess } from "../logs/related.js";

/** One time a request with the Ray reached an origin server. */
export interface Arrival {
  request: Found<RequestEntry> | null;
  recorded: Found<RecordedEntry> | null;
  readonly incidents: Found<IncidentEntry>[];
}

/** Everything the logs have of one Ray. */
export interface Account {
  readonly ray: string;
  readonly colo: string | null;
  readonly arrivals: readonly Arrival[];
  readonly access: readonly Found<AccessEntry>[];
  readonly proxyErrors: readonly Found<ProxyErrorEntry>[];
  readonly app: readonly Found<AppEntry>[];
  /** Blocks of the event loop while the request was under way. */
  readonly blocks: readonly Found<IncidentEntry>[];
  /** All of it, in order of time. */
  readonly entries: readonly Found[];
}

/** Sorts out what belongs to which arrival: the Ray may have come more than once, to more than one process. */
export function accountOf(ray: string, found: readonly Found[]): Account {
  const arrivals: Arrival[] = [];
  // The request line is the last one of its arrival in its file, but for what fails afterwards.
  const open = new Map<string, Arrival>();
  const openIn = (file: string): Arrival => {
    const arrival = open.get(file) ?? { request: null, recorded: null, incidents: [] };
    if (!open.has(file)) arrivals.push(arrival);
    open.set(file, arrival);
    return arrival;
  };
  const told = withoutCopies(found);
  const of = <K extends Found["kind"]>(kind: K) =>
    told.filter((entry): entry is Extract<Found, { kind: K }> => entry.kind === kind);
  const blocks: Found<IncidentEntry>[] = [];
  for (const entry of told) {
    if (entry.kind === "incident" && entry.ray === null) blocks.push(entry);
    else if (entry.kind === "incident") {
      const last = arrivals.findLast(({ request }) => request?.file === entry.file);
      // The next process tells of a kill, and what is late comes after its request line.
      const isAfter = entry.code.startsWith("LATE_") && last !== undefined && !open.has(entry.file);
      (isAfter ? last : openIn(entry.file)).incidents.push(entry);
    } else if (entry.kind === "request") {
      openIn(entry.file).request = entry;
      open.delete(entry.file);
    } else if (entry.kind === "recorded") arrivals.push({ request: null, recorded: entry, incidents: [] });
  }
  const entries = [...found].sort(inOrder);
  return {
    ray,
    colo: entries.find(({ colo }) => colo !== null)?.colo ?? null,
    arrivals: acrossFiles(arrivals).sort((a, b) => timeOf(a) - timeOf(b)),
    access: of("access"),
    proxyErrors: of("proxy error"),
    app: of("app"),
    blocks,
    entries,
  };
}

/** The log of a process and what was collected from it may both have been given. */
function withoutCopies(found: readonly Found[]): readonly Found[] {
  const seen = new Map<string, Found[]>();
  return found.filter((entry) => {
    const { file: _file, line: _line, pid: _pid, host: _host, wall: _wall, ...rest } = entry;
    const key = JSON.stringify(rest);
    const same = seen.get(key) ?? [];
    const isCopy = same.some((other) => other.file !== entry.file && isSameProcess(entry, other));
    seen.set(key, [...same, entry]);
    return !isCopy;
  });
}

/** A log may have been rotated between the incidents of a request and its line. */
function acrossFiles(arrivals: readonly Arrival[]): Arrival[] {
  return arrivals.filter(({ request, recorded, incidents }) => {
    const [first] = incidents;
    if (request !== null || recorded !== null || first === undefined) return true;
    const rest = arrivals.find(
      ({ request: other }) => other !== null && other.file !== first.file && isOf(first, other),
    );
    rest?.incidents.unshift(...incidents);
    return rest === undefined;
  });
}

/** Whether an incident is one of this request. */
function isOf(incident: Found<IncidentEntry>, request: Found<RequestEntry>): boolean {
  if (incident.at === null || request.at === null || incident.code === "KILLED") return false;
  const isWithin = incident.at >= request.at - request.ms - 1 && incident.at <= request.at;
  return isWithin && incident.url === request.url && isSameProcess(incident, request);
}

/** By time; within a millisecond, and a file, by line. */
function inOrder(a: Found, b: Found): number {
  return (a.at ?? 0) - (b.at ?? 0) || (a.file === b.file ? a.line - b.line : 0);
}

function timeOf({ request, recorded, incidents }: Arrival): number {
  return request?.at ?? recorded?.at ?? incidents[0]?.at ?? 0;
}
