import { type Limits, overWindows } from "./limits.js";
import { selectQuery } from "./query.js";
import { numberOf, textOf } from "./totals.js";
import type { Transport } from "./transport.js";
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
): Promise<{ rows: ErrorRow[]; complete: boolean }> {
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

async function pagesOf(pages: Pages, window: Range, most: number): Promise<{ rows: ErrorRow[]; complete: boolean }> {
  const found = new Map<string, ErrorRow>();
  const result = (complete: boolean) => ({ rows: [...found.values()], complete });
  const from = apiTime(window.from);
  let end: Readonly<Record<string, string>> = { datetime_lt: apiTime(window.to) };
  for (;;) {
    const page = await pages.ask({ datetime_geq: from, ...end }, ["datetime_DESC", "rayName_DESC"], found);
    if (page.isLast) return result(true);
    if (found.size > most) return result(false);
    const { datetime } = page.last;
    if (datetime !== page.first.datetime) {
      end = { datetime_leq: datetime };
      continue;
    }
    // One instant holds more rows than a page: they are told apart by their Ray IDs.
    for (let ray = page.last.ray; ; ) {
      const same = await pages.ask({ datetime, rayName_leq: ray }, ["rayName_DESC"], found);
      if (same.isLast) break;
      if (same.last.ray === ray || found.size > most) return result(false);
      ray = same.last.ray;
    }
    end = { datetime_lt: datetime };
  }
}

type Page = { readonly isLast: true } | { readonly isLast: false; readonly first: ErrorRow; readonly last: ErrorRow };

class Pages {
  readonly #transport: Transport;
  readonly #limits: Limits;
  readonly #zone: string;
  readonly #filters: () => readonly string[];

  constructor(transport: Transport, limits: Limits, zone: string, filters: () => readonly string[]) {
    this.#transport = transport;
    this.#limits = limits;
    this.#zone = zone;
    this.#filters = filters;
  }

  /** Asks for one page and adds what is new in it to `found`. */
  async ask(
    where: Readonly<Record<string, string>>,
    orderBy: readonly string[],
    found: Map<string, ErrorRow>,
  ): Promise<Page> {
    const limits = this.#limits;
    const limit = limits.pageSize;
    const names = Object.keys(where);
    const selection = {
      alias: "rows",
      dataset: limits.dataset,
      fields: limits.fields(REQUIRED, OPTIONAL),
      filters: [...names.map((name) => `${name}: $${name}`), ...this.#filters()],
      orderBy,
      limit,
    };
    const types = names.map((name) => [name, name.startsWith("rayName") ? "string!" : "Time!"] as const);
    const query = selectQuery([selection], Object.fromEntries(types));
    const answer = await askZone(this.#transport, query, { zone: this.#zone, ...where });
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
