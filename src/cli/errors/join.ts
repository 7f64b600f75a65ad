import type { ErrorRow } from "../../cloudflare/analytics/index.js";
import { type Account, accountOf } from "../explain/account.js";
import { type Verdict, verdictOf } from "../explain/verdict.js";
import { type Coverage, searchLogs } from "../logs/search.js";

/** What the origin server's own logs have of a request that the edge counted as an error. */
export interface OriginAccount {
  readonly found: boolean;
  /** One line of words. */
  readonly told: string;
  readonly verdict: Verdict | null;
  /** Codes of its incidents. */
  readonly incidents: readonly string[];
}

export interface Joined {
  readonly accounts: ReadonlyMap<string, OriginAccount>;
  readonly files: readonly Coverage[];
}

/** Looks for the Ray of each row in logs. */
export async function joinLogs(rows: readonly ErrorRow[], names: readonly string[]): Promise<Joined> {
  const rays = new Set(rows.map(({ ray }) => ray));
  const { entries, files } = await searchLogs(names, rays);
  const accounts = new Map<string, OriginAccount>();
  for (const { ray, datetime } of rows) {
    const found = entries.get(ray) ?? [];
    if (found.some(({ kind }) => kind !== "quote")) accounts.set(ray, summaryOf(accountOf(ray, found)));
    else accounts.set(ray, absent(isCovered(Date.parse(datetime), files)));
  }
  return { accounts, files };
}

/** A request is logged when it is over, which may be as late as the edge waits. */
const LATEST_MS = 150_000;

function isCovered(at: number, files: readonly Coverage[]): boolean {
  return files.some(({ from, to }) => from !== null && to !== null && at >= from - LATEST_MS && at <= to);
}

function absent(covered: boolean): OriginAccount {
  const told = covered ? "never arrived, as far as these files tell" : "outside the time of these files";
  return { found: false, told, verdict: null, incidents: [] };
}

function summaryOf(account: Account): OriginAccount {
  const { arrivals, access } = account;
  const verdict = verdictOf(account);
  const codes = arrivals.flatMap(({ request, incidents }) => [
    ...incidents.map(({ code }) => code),
    ...(request?.incident === undefined ? [] : [request.incident]),
  ]);
  const incidents = [...new Set(codes)];
  const request = arrivals.find((arrival) => arrival.request !== null)?.request;
  const seen = access[0];
  let told = "reached the app; no line tells how it ended";
  if (request) told = `${request.outcome}, status ${request.status}, ${request.ms} ms`;
  else if (seen !== undefined) told = `status ${seen.status}${seen.ms === null ? "" : `, ${seen.ms} ms`} (access log)`;
  else if (arrivals.length > 0) told = incidents.includes("KILLED") ? "its process died" : "in flight";
  return { found: true, told: incidents.length === 0 ? told : `${told}; ${incidents.join(", ")}`, verdict, incidents };
}
