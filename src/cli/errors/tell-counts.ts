import type { ErrorCounts, ErrorRow } from "../../cloudflare/analytics/index.js";
import { tellCoverage } from "../explain/absence.js";
import { clock, line, type ProseLine, plural } from "../prose.js";
import { tableLines } from "../table.js";
import type { Joined } from "./join.js";

/** What each error of the edge says about the origin server. */
const MEANINGS: Readonly<Record<number, string>> = {
  520: "empty, unknown or unexpected response",
  521: "connection refused",
  522: "no answer to the connection in time",
  523: "no route to the origin server",
  524: "connected, but no response in time",
  525: "TLS handshake failed",
  526: "certificate not valid",
};

export interface Lengths {
  readonly top: number;
  readonly rays: number;
}

/** Tells what was counted. */
export function tellCounts(counts: ErrorCounts, { top, rays }: Lengths, joined: Joined | null): ProseLine[] {
  const { zone, since, until, total, byStatus, byOrigin, byPath, rows, warnings } = counts;
  const range = `${clock(Date.parse(since))} to ${clock(Date.parse(until))}`;
  const lines = [
    line(`Zone ${zone}, ${range}`, "title"),
    line(`${plural(total, "error")} of the edge about the origin server`, total === 0 ? "good" : "bad"),
    line(),
    ...table(
      ["status", "count", "meaning"],
      byStatus.map(({ status, count }) => [String(status), count, MEANINGS[status] ?? ""]),
    ),
  ];
  if (total > 0) {
    const origins = byOrigin.map(({ status, originStatus, count }) => [String(status), originOf(originStatus), count]);
    lines.push(line(), ...table(["status", "origin server said", "count"], origins.slice(0, top)));
    const paths = byPath.map(({ status, originStatus, host, path, count }) => {
      return [String(status), originOf(originStatus), `${host ?? ""}${path ?? ""}`, count];
    });
    lines.push(line(), ...table(["status", "origin server said", "host and path", "count"], paths.slice(0, top)));
    if (paths.length > top) lines.push(line(`... and ${paths.length - top} more (--top, --json)`, "aside"));
  }
  if (rows.length > 0) lines.push(line(), ...tellRows(rows, rays, joined));
  lines.push(
    line(),
    ...warnings.map((warning) => line(`Warning: ${warning}`, "warning")),
    line(samplingOf(counts), "aside"),
  );
  return joined === null ? lines : [...lines, line(), ...tellCoverage(joined.files)];
}

function tellRows(rows: readonly ErrorRow[], most: number, joined: Joined | null): ProseLine[] {
  const shown = rows.slice(0, most).map(({ ray, datetime, status, originStatus, method, host, path, originMs }) => {
    const cells = [
      datetime,
      ray,
      status === null ? "" : String(status),
      originOf(originStatus),
      originMs === null ? "" : `${originMs} ms`,
      `${method ?? ""} ${host ?? ""}${path ?? ""}`.trim(),
    ];
    return joined === null ? cells : [...cells, joined.accounts.get(ray)?.told ?? ""];
  });
  const head = [
    "time",
    "Ray ID",
    "status",
    "origin server said",
    "waited",
    "request",
    ...(joined === null ? [] : ["origin server's own log"]),
  ];
  const lines = table(head, shown);
  if (rows.length > most) lines.push(line(`... and ${rows.length - most} more (--rays, --json)`, "aside"));
  return lines;
}

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): ProseLine[] {
  return tableLines(head, rows).map((text, i) => line(text, i === 0 ? "title" : i === 1 ? "aside" : "plain"));
}

/** 0 is what the API has for an origin server that sent nothing. */
function originOf(status: number | null): string {
  if (status === null) return "not told";
  return status === 0 ? "nothing" : String(status);
}

function samplingOf({ sampleInterval, rowsComplete, rows }: ErrorCounts): string {
  const interval =
    sampleInterval === null
      ? "How much, the plan of the zone does not tell."
      : sampleInterval > 1
        ? `One recorded request stands for up to ${Math.round(sampleInterval)} of them.`
        : "In this range every recorded request stands for itself alone.";
  const list = rows.length > 0 && !rowsComplete ? " The list of Ray IDs is cut." : "";
  return `Cloudflare samples this data, so counts are estimates. ${interval}${list} A Ray ID that is not here may have failed all the same.`;
}
