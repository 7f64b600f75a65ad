import type { Found, IncidentEntry, RequestEntry } from "../logs/entry.js";
import { clock, line, type ProseLine, plural } from "../prose.js";
import type { Account, Arrival } from "./account.js";
import { isRefused } from "./proxy-errors.js";
import { tellCode, tellError, tellIncident } from "./tell-incident.js";
import { tellTrail } from "./tell-trail.js";
import type { Verdict } from "./verdict.js";

/** Tells what happened to a request of which the logs know. */
export function tell(account: Account, verdict: Verdict): ProseLine[] {
  const { arrivals, ray, colo } = account;
  const lines = [line(`Ray ${ray}${colo === null ? "" : ` (data centre ${colo})`}`, "title"), line()];
  if (arrivals.length > 1) {
    const why = "the edge tried again, or the Ray ID was used twice";
    lines.push(line(`It reached the origin server ${arrivals.length} times: ${why}.`), line());
  }
  for (const arrival of arrivals) lines.push(...tellArrival(arrival), line());
  if (arrivals.length === 0) lines.push(...tellWithoutRayguard(account), line());
  lines.push(...tellAppErrors(account));
  for (const block of account.blocks) lines.push(...tellIncident(block), line());
  lines.push(line(shownAs(verdict), verdict.failed ? "bad" : "good"), line(verdict.why), line());
  return [...lines, ...tellTrail(account)];
}

function tellArrival({ request, recorded, incidents }: Arrival): ProseLine[] {
  const lines: ProseLine[] = [];
  if (request !== null) lines.push(...tellRequest(request));
  else if (recorded !== null) {
    const { method, url, startedAt, pid, fate } = recorded;
    const process =
      fate === "alive"
        ? `process ${pid}, which runs`
        : `process ${pid}, which ${fate === "gone" ? "is gone" : "cannot be seen from here"}`;
    lines.push(line(`${method} ${url} arrived at ${clock(startedAt)} and is in flight in ${process}.`));
  } else {
    const [incident] = incidents as [Found<IncidentEntry>];
    lines.push(
      line(`${incident.method} ${incident.url} reached the app${placeOf(incident)}; no line says how it ended.`),
    );
  }
  for (const incident of incidents) lines.push(line(), ...tellIncident(incident));
  const { incident } = request ?? {};
  if (incident !== undefined && incidents.every(({ code }) => code !== incident))
    lines.push(line(), ...tellCode(incident));
  return lines;
}

function tellRequest(entry: Found<RequestEntry>): ProseLine[] {
  const { at, ms, method, url, outcome, status, octets } = entry;
  const arrived = clock(at === null ? null : at - ms);
  const sent = status === 0 ? "no response" : `status ${status} with ${plural(octets, "octet")}`;
  const tone = outcome === "intact" || outcome === "repaired" ? "plain" : "warning";
  return [
    line(`${method} ${url} arrived at ${arrived}${whoSent(entry)}${placeOf(entry)}.`),
    line(`${OUTCOMES[outcome] ?? `Its outcome was "${outcome}"`}: ${sent} after ${ms} ms.`, tone),
  ];
}

const OUTCOMES: Readonly<Record<RequestEntry["outcome"], string>> = {
  intact: "The app's response went out as it was",
  repaired: "The app's response went out with the smallest repair",
  replaced: "A complete fallback went out in place of the app's response",
  "torn down": "The connection was broken, visibly, since the response could not be completed",
  "client gone": "The client (the edge, or whoever is in front) closed the connection before the response was complete",
};

/** Errors that the app logged itself: where it answers them, no incident has them. */
function tellAppErrors({ app, arrivals }: Account): ProseLine[] {
  if (arrivals.some(({ incidents }) => incidents.some(({ err }) => err !== null))) return [];
  const errors = app.flatMap(({ err }) => (err === null ? [] : [err]));
  return errors.length === 0 ? [] : [line("The app logged an error:", "title"), ...errors.flatMap(tellError), line()];
}

function whoSent({ clientIp, verified, claimedIp, direct }: RequestEntry): string {
  const from = clientIp === null ? "" : ` from ${clientIp}${verified ? " (verified)" : ""}`;
  if (claimedIp !== undefined) {
    return `${from}; the address ${claimedIp} was claimed by somebody who did not come through Cloudflare`;
  }
  return direct === true ? `${from}, which did not come through Cloudflare` : from;
}

function placeOf({ pid, host }: { pid: number | null; host: string | null }): string {
  const where = [pid === null ? "" : `process ${pid}`, host === null ? "" : `host ${host}`].filter(
    (part) => part !== "",
  );
  return where.length === 0 ? "" : ` (${where.join(" on ")})`;
}

function tellWithoutRayguard({ access, app, proxyErrors }: Account): ProseLine[] {
  const [seen] = access;
  const [failed] = proxyErrors;
  if (seen === undefined && app.length === 0 && failed !== undefined) {
    const reached = isRefused(failed.message) ? "It never reached the app" : "Whether it reached the app is not told";
    return [line(`${reached}: only what stands in front of the app names it, at ${clock(failed.at)}.`, "warning")];
  }
  if (seen !== undefined) {
    const from = seen.client === "" ? "" : ` from ${seen.client}`;
    const took = seen.ms === null ? "" : ` after ${seen.ms} ms`;
    return [
      line(
        `"${seen.request}"${from} was logged at ${clock(seen.at)}: status ${seen.status}, ${seen.octets ?? "?"} octets${took}.`,
      ),
      line(
        "No line of rayguard names it: that file is missing here, or the request did not get as far as the app.",
        "warning",
      ),
    ];
  }
  const [first] = app;
  return [
    line(
      `It reached the app: ${plural(app.length, "line")} of it ${app.length === 1 ? "names" : "name"} it, from ${clock(first?.at ?? null)} on.`,
    ),
    line("No line of rayguard names it.", "warning"),
  ];
}

function shownAs({ shown }: Verdict): string {
  if (shown === "none") return "Cloudflare error that fits: none.";
  if (shown === "unknown") return "Cloudflare error that fits: not known yet.";
  return `Cloudflare error that fits: ${shown === "truncated" ? "none of its pages; a truncated response" : shown}.`;
}
