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
  const accounts = [...rays].map((ray) => [ray, summaryOf(accountOf(ray, entries.get(ray) ?? []))] as const);
  return { accounts: new Map(accounts), files };
}

function summaryOf(account: Account): OriginAccount {
  const { entries, arrivals, access } = account;
  if (entries.length === 0)
    return { found: false, told: "never arrived, as far as these files tell", verdict: null, incidents: [] };
  const verdict = verdictOf(account);
  const incidents = [...new Set(arrivals.flatMap((arrival) => arrival.incidents.map(({ code }) => code)))];
  const request = arrivals.find((arrival) => arrival.request !== null)?.request;
  const seen = access[0];
  let told = "reached the app; no line tells how it ended";
  if (request) told = `${request.outcome}, status ${request.status}, ${request.ms} ms`;
  else if (seen !== undefined) told = `status ${seen.status}${seen.ms === null ? "" : `, ${seen.ms} ms`} (access log)`;
  else if (arrivals.length > 0) told = incidents.includes("KILLED") ? "its process died" : "in flight";
  return { found: true, told: incidents.length === 0 ? told : `${told}; ${incidents.join(", ")}`, verdict, incidents };
}
