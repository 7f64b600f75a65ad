import { RayguardError } from "../../errors.js";
import { askLimits } from "./limits.js";
import { askRows, type ErrorRow } from "./rows.js";
import { askTotals, type PathCount, type StatusCount } from "./totals.js";
import { Transport } from "./transport.js";
import { wholeSeconds } from "./windows.js";

/** Where Cloudflare's GraphQL Analytics API is. */
export const ENDPOINT = "https://api.cloudflare.com/client/v4/graphql";

/** Statuses of Cloudflare's own errors about an origin server. */
export const EDGE_ERRORS = [520, 521, 522, 523, 524, 525, 526] as const;

export interface CountErrorsOptions {
  /** Zone ID: 32 hexadecimal digits. */
  zone: string;
  /** API token that may read the analytics of the zone. */
  token: string;
  /** Start of the time range, inclusive. */
  since: Date;
  /** Its end, exclusive. @default now */
  until?: Date;
  /** Statuses to count, 100 to 599. @default 520 to 526 */
  statuses?: readonly number[];
  /** Most rows with Ray IDs; `0` asks for none. @default 10_000 */
  maxRows?: number;
  /** @default https://api.cloudflare.com/client/v4/graphql */
  endpoint?: string | URL;
  /** Longest wait for one answer, in milliseconds. @default 30_000 */
  timeoutMs?: number;
  /** Longest wait for the rate limit altogether, in milliseconds. @default 300_000 */
  patienceMs?: number;
  /** Told before each wait for the rate limit. */
  onWait?: (ms: number, why: string) => void;
}

/** Errors of the edge in a time range. Counts are estimates where the data is sampled. */
export interface ErrorCounts {
  readonly zone: string;
  /** What was counted, ISO 8601: later than asked for where the plan keeps less. */
  readonly since: string;
  readonly until: string;
  readonly statuses: readonly number[];
  readonly total: number;
  /** One entry for each status, also for those that did not occur. */
  readonly byStatus: readonly { readonly status: number; readonly count: number }[];
  readonly byOrigin: readonly StatusCount[];
  readonly byPath: readonly PathCount[];
  /** Newest first. A request that is not here may still have failed: the data is sampled. */
  readonly rows: readonly ErrorRow[];
  /** Whether the rows are all that the API has. */
  readonly rowsComplete: boolean;
  /** Largest number of requests that one counted request stands for; null where the plan does not tell. */
  readonly sampleInterval: number | null;
  readonly warnings: readonly string[];
  readonly queries: number;
}

/**
 * Counts Cloudflare's errors about an origin server, and lists their Ray IDs, within what the plan of the zone allows.
 * @throws {RayguardError}
 */
export async function countErrors(options: CountErrorsOptions): Promise<ErrorCounts> {
  const { zone, token, since, until = new Date(), statuses = EDGE_ERRORS, maxRows = 10_000 } = options;
  const range = wholeSeconds({ from: since.getTime(), to: until.getTime() });
  check(zone, token, range.from < range.to, statuses);
  const warnings: string[] = [];
  const warn = (message: string) => {
    if (!warnings.includes(message)) warnings.push(message);
  };
  const { timeoutMs = 30_000, patienceMs = 300_000, onWait = () => {} } = options;
  const transport = new Transport({ endpoint: endpointOf(options.endpoint), token, timeoutMs, patienceMs, onWait });
  const names = ["httpRequestsAdaptiveGroups", "httpRequestsAdaptive"] as const;
  const limits = await askLimits(transport, zone, names, warn);
  const groups = limits.httpRequestsAdaptiveGroups;
  const single = limits.httpRequestsAdaptive;
  if (!groups.enabled)
    throw new RayguardError(
      "ERR_RAYGUARD_ANALYTICS_PLAN",
      "The plan of this zone does not have httpRequestsAdaptiveGroups.",
    );

  const filtersFor = (of: typeof groups) => () => [
    `edgeResponseStatus_in: [${statuses.join(", ")}]`,
    // Requests of visitors: not those that a Worker or Early Hints made.
    ...(of.mayFilter("requestSource") ? ['requestSource: "eyeball"'] : []),
  ];
  const {
    byPath,
    pathsCut,
    from,
    sampleInterval,
    byStatus: byOrigin,
  } = await askTotals(transport, groups, zone, range, filtersFor(groups));
  if (from >= range.to)
    throw new RayguardError(
      "ERR_RAYGUARD_ANALYTICS_TIME_RANGE",
      `Nothing of the time range could be counted. ${warnings.join(" ")}`,
    );
  if (!groups.mayFilter("requestSource"))
    warn("Subrequests of Workers are counted as well: the plan of this zone does not tell them apart.");
  if (pathsCut) warn("The list of paths is cut: rare ones may be missing.");

  let listed: { rows: ErrorRow[]; complete: boolean } = { rows: [], complete: false };
  if (maxRows > 0 && !single.enabled)
    warn("There are no Ray IDs: the plan of this zone does not have httpRequestsAdaptive.");
  else if (maxRows > 0) {
    try {
      listed = await askRows(transport, single, zone, { ...range, from }, maxRows, filtersFor(single));
    } catch (error) {
      if (!(error instanceof RayguardError) || error.code !== "ERR_RAYGUARD_ANALYTICS_PLAN") throw error;
      warn(`There are no Ray IDs: ${error.message}`);
    }
  }
  return {
    zone,
    since: new Date(from).toISOString(),
    until: new Date(range.to).toISOString(),
    statuses,
    total: sum(byOrigin),
    byStatus: statuses.map((status) => ({ status, count: sum(byOrigin.filter((each) => each.status === status)) })),
    byOrigin,
    byPath,
    rows: listed.rows,
    rowsComplete: listed.complete,
    sampleInterval: sampleInterval ?? largest(listed.rows),
    warnings,
    queries: transport.queries,
  };
}

function check(zone: string, token: string, isRange: boolean, statuses: readonly number[]): void {
  const wrong = (message: string) => new RayguardError("ERR_RAYGUARD_INVALID_ARGUMENT", message);
  if (!/^[0-9a-f]{32}$/i.test(zone))
    throw wrong(`A zone ID is 32 hexadecimal digits, as on the zone's overview page; got "${zone}".`);
  // A line break or another character that no field can have would show up in an error of fetch().
  if (!/^[\x21-\x7e]+$/.test(token)) throw wrong("The API token is empty, or holds characters that no token has.");
  if (!isRange) throw wrong("The time range is empty: its start has to lie before its end.");
  const bad = statuses.find((status) => !Number.isInteger(status) || status < 100 || status > 599);
  if (statuses.length === 0 || bad !== undefined)
    throw wrong(`A status is a number from 100 to 599; got ${bad ?? "none"}.`);
}

function endpointOf(endpoint: string | URL = ENDPOINT): URL {
  const url = URL.canParse(String(endpoint)) ? new URL(endpoint) : undefined;
  const isLocal = url !== undefined && /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname);
  // In the clear, the token would be anybody's on the way.
  if (url?.protocol === "https:" || (url?.protocol === "http:" && isLocal)) return url;
  throw new RayguardError(
    "ERR_RAYGUARD_INVALID_ARGUMENT",
    `The endpoint has to be an https: URL, or http: on this machine; got "${String(endpoint)}".`,
  );
}

function sum(counts: readonly StatusCount[]): number {
  return counts.reduce((total, { count }) => total + count, 0);
}

function largest(rows: readonly ErrorRow[]): number | null {
  const intervals = rows.flatMap(({ sampleInterval }) => (sampleInterval === null ? [] : [sampleInterval]));
  return intervals.length === 0 ? null : intervals.reduce((a, b) => Math.max(a, b));
}
