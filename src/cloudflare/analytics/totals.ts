import { type Limits, overWindows } from "./limits.js";
import { IN_RANGE, type Selection, selectQuery } from "./query.js";
import { RefusedQuery, type Transport } from "./transport.js";
import { numberOf, textOf } from "./values.js";
import { apiTime, type Range } from "./windows.js";
import { askZone, rowsOf, type ZoneData } from "./zone.js";

/** How many requests ended in a status of the edge. */
export interface StatusCount {
  readonly status: number;
  /** Status of the origin server; 0 where none came, null where the plan does not tell. */
  readonly originStatus: number | null;
  readonly count: number;
}

/** The same for one host and path, as far as the plan tells. */
export interface PathCount extends StatusCount {
  readonly host: string | null;
  readonly path: string | null;
}

export interface Totals {
  readonly byStatus: readonly StatusCount[];
  readonly byPath: readonly PathCount[];
  /** Whether the list by path may lack some. */
  readonly pathsCut: boolean;
  /** Requests each counted one stands for, on average, at its largest; null where it is not told. */
  readonly sampleInterval: number | null;
  /** What was asked for, after limits of the plan. */
  readonly from: number;
}

const STATUS = ["count", "dimensions_edgeResponseStatus"];
const ORIGIN = "dimensions_originResponseStatus";
const PATH = ["dimensions_clientRequestPath", "dimensions_clientRequestHTTPHost"];

/** Counts requests by status, and by status and path, over all windows of a range. */
export async function askTotals(
  transport: Transport,
  limits: Limits,
  zone: string,
  range: Range,
  filters: () => readonly string[],
): Promise<Totals> {
  const byStatus = new Map<string, StatusCount>();
  const byPath = new Map<string, PathCount>();
  let sampleInterval: number | null = null;
  let pathsCut = false;
  let from = range.to;
  const work = async (window: Range) => {
    const limit = limits.pageSize;
    const common = {
      dataset: limits.dataset,
      filters: [...IN_RANGE, ...filters()],
      orderBy: ["count_DESC"],
      limit,
    } as const;
    const selections: Selection[] = [
      { ...common, alias: "totals", fields: limits.fields(STATUS, [ORIGIN, "avg_sampleInterval"]) },
      { ...common, alias: "paths", fields: limits.fields(STATUS, [...PATH, ORIGIN]) },
    ];
    const query = selectQuery(selections, { from: "Time!", to: "Time!" });
    const answer = await askZone(transport, query, { zone, from: apiTime(window.from), to: apiTime(window.to) });
    const totals = rowsOf(answer, "totals");
    // More combinations than one answer holds: a shorter window has fewer.
    if (totals.length >= limit && totals.length > 1)
      throw new RefusedQuery({ kind: "too long", limitMs: null, message: "too many groups" });
    return { totals, paths: rowsOf(answer, "paths"), limit, window };
  };
  await overWindows(limits, range, work, ({ totals, paths, limit, window }) => {
    from = Math.min(from, window.from);
    for (const group of totals) {
      add(byStatus, statusOf(group));
      const interval = numberOf((group.avg as ZoneData | undefined)?.sampleInterval);
      if (interval !== null) sampleInterval = Math.max(sampleInterval ?? 1, interval);
    }
    for (const group of paths) {
      const { clientRequestHTTPHost, clientRequestPath } = (group.dimensions ?? {}) as ZoneData;
      add(byPath, { ...statusOf(group), host: textOf(clientRequestHTTPHost), path: textOf(clientRequestPath) });
    }
    if (paths.length >= limit) pathsCut = true;
    return true;
  });
  return { byStatus: sorted(byStatus), byPath: sorted(byPath), pathsCut, sampleInterval, from };
}

function statusOf(group: ZoneData): StatusCount {
  const { edgeResponseStatus, originResponseStatus } = (group.dimensions ?? {}) as ZoneData;
  return {
    status: numberOf(edgeResponseStatus) ?? 0,
    originStatus: numberOf(originResponseStatus),
    count: numberOf(group.count) ?? 0,
  };
}

function add<T extends StatusCount>(counts: Map<string, T>, counted: T): void {
  const { count, ...rest } = counted;
  const key = JSON.stringify(rest);
  counts.set(key, { ...counted, count: count + (counts.get(key)?.count ?? 0) });
}

function sorted<T extends StatusCount>(counts: Map<string, T>): T[] {
  return [...counts.values()].sort((a, b) => b.count - a.count || a.status - b.status);
}
