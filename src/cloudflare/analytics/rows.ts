import { type Limits, overWindows } from "./limits.js";
import { selectQuery } from "./query.js";
import { RefusedQuery, type Transport } from "./transport.js";
import { numberOf, textOf } from "./values.js";
import { apiTime, type Range } from "./windows.js";
import { askZone, rowsOf, type ZoneData } from "./zone.js";

/** A request that ended in an error, as the edge recorded it; null where the plan does not tell. */
export interface ErrorRow {
  /** 16 hexadecimal digits. */
  readonly ray: string;
  /** ISO 8601. */
  readonly datetime: string;
  readonly status: number | null;
  /** Status of the origin server; 0 where none came. */
  readonly originStatus: number | null;
  readonly host: string | null;
  readonly path: string | null;
  readonly method: string | null;
  /** Time the edge waited for the origin server, in milliseconds. */
  readonly originMs: number | null;
  readonly colo: string | null;
  readonly cacheStatus: string | null;
  /** Requests that this one stands for. */
  readonly sampleInterval: number | null;
}

const REQUIRED = ["datetime", "rayName"];

/** Most wanted first: where the plan allows few fields, the last ones go. */
const OPTIONAL = [
  "edgeResponseStatus",
  "originResponseStatus",
  "clientRequestPath",
  "clientRequestHTTPHost",
  "clientRequestHTTPMethodName",
  "originResponseDurationMs",
  "sampleInterval",
  "coloCode",
  "cacheStatus",
];

/**
 * Lists requests, newest first. The API has no cursor: the next page begins at the time of the last row, and rows that
 * come twice are dropped.
 * @param most - rows to stop at
 * @param filters - filters beside the time range
 */
export async function askRows(
  transport: Transport,
  limits: Limits,
  zone: string,
  range: Range,
  most: number,
  filters: () => readonly string[],
): Promise<Listed> {
  const rows: ErrorRow[] = [];
  const work = (window: Range) => pagesOf(new Pages(transport, limits, zone, filters), window, most - rows.length);
  let complete = true;
  await overWindows(limits, range, work, (found) => {
    rows.push(...found.rows);
    if (!found.complete) complete = false;
    return complete || rows.length < most;
  });
  return { rows: rows.slice(0, most), complete: complete && rows.length <= most };
}

interface Listed {
  readonly rows: ErrorRow[];
  readonly complete: boolean;
}

async function pagesOf(pages: Pages, window: Range, most: number): Promise<Listed> {
  const found = new Map<string, ErrorRow>();
  let complete = true;
  const from = apiTime(window.from);
  let end: Readonly<Record<string, string>> = { datetime_lt: apiTime(window.to) };
  for (;;) {
    const page = await pages.ask({ datetime_geq: from, ...end }, "datetime_DESC", found);
    if (page.isLast) break;
    if (found.size > most) {
      complete = false;
      break;
    }
    const { datetime } = page.last;
    // Rows of one second come in any order, so all of those of the last one are asked for again.
    if (datetime !== page.first.datetime) end = { datetime_leq: datetime };
    else {
      if (!(await instantOf(pages, datetime, found, most))) complete = false;
      end = { datetime_lt: datetime };
    }
  }
  return { rows: [...found.values()], complete };
}

/** Asks for one second with more rows than a page, told apart by their Ray IDs; returns whether that was all of them. */
async function instantOf(pages: Pages, datetime: string, found: Map<string, ErrorRow>, most: number): Promise<boolean> {
  try {
    let page = await pages.ask({ datetime }, "rayName_DESC", found);
    while (!page.isLast) {
      if (page.last.ray === page.first.ray || found.size > most) return false;
      page = await pages.ask({ datetime, rayName_leq: page.last.ray }, "rayName_DESC", found);
    }
    return true;
  } catch (error) {
    // A plan that cannot order by Ray ID has a page of each second.
    if (error instanceof RefusedQuery && error.refusal.kind === "other") return false;
    throw error;
  }
}

type Page = { readonly isLast: true } | { readonly isLast: false; readonly first: ErrorRow; readonly last: ErrorRow };

class Pages {
  constructor(
    private readonly transport: Transport,
    private readonly limits: Limits,
    private readonly zone: string,
    private readonly filters: () => readonly string[],
  ) {}

  /** Asks for one page and adds what is new in it to `found`. */
  async ask(where: Readonly<Record<string, string>>, orderBy: string, found: Map<string, ErrorRow>): Promise<Page> {
    const limits = this.limits;
    const limit = limits.pageSize;
    const names = Object.keys(where);
    const selection = {
      alias: "rows",
      dataset: limits.dataset,
      fields: limits.fields(REQUIRED, OPTIONAL),
      filters: [...names.map((name) => `${name}: $${name}`), ...this.filters()],
      orderBy: [orderBy],
      limit,
    };
    const types = names.map((name) => [name, name.startsWith("rayName") ? "string!" : "Time!"] as const);
    const query = selectQuery([selection], Object.fromEntries(types));
    const answer = await askZone(this.transport, query, { zone: this.zone, ...where });
    const page = rowsOf(answer, "rows").map(rowOf);
    for (const row of page) found.set(`${row.datetime} ${row.ray} ${row.method} ${row.host} ${row.path}`, row);
    const [first, last] = [page[0], page.at(-1)];
    if (page.length < limit || first === undefined || last === undefined) return { isLast: true };
    return { isLast: false, first, last };
  }
}

function rowOf(row: ZoneData): ErrorRow {
  return {
    ray: String(row.rayName ?? "").toLowerCase(),
    datetime: String(row.datetime ?? ""),
    status: numberOf(row.edgeResponseStatus),
    originStatus: numberOf(row.originResponseStatus),
    host: textOf(row.clientRequestHTTPHost),
    path: textOf(row.clientRequestPath),
    method: textOf(row.clientRequestHTTPMethodName),
    originMs: numberOf(row.originResponseDurationMs),
    colo: textOf(row.coloCode),
    cacheStatus: textOf(row.cacheStatus),
    sampleInterval: numberOf(row.sampleInterval),
  };
}
