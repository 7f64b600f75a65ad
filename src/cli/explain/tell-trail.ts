import type { Found } from "../logs/entry.js";
import { clock, line, type ProseLine } from "../prose.js";
import type { Account } from "./account.js";
import { meaningOf } from "./proxy-errors.js";

/** Most lines of the trail that are printed; `--json` has all. */
const MOST = 40;

/** Every line that belongs to the request, in order of time, with the place where it stands. */
export function tellTrail({ entries, proxyErrors }: Account): ProseLine[] {
  const lines = [line("Lines, in order of time:", "title")];
  for (const entry of entries.slice(0, MOST)) {
    lines.push(line(`  ${clock(entry.at)}  ${summaryOf(entry)}  (${entry.file}:${entry.line})`));
  }
  if (entries.length > MOST) lines.push(line(`  ... and ${entries.length - MOST} more (--json has them all)`, "aside"));
  for (const { message } of proxyErrors) {
    const meaning = meaningOf(message);
    if (meaning !== null) lines.push(line(), line(`The reverse proxy says why: ${meaning}`));
  }
  return lines;
}

export function summaryOf(entry: Found): string {
  switch (entry.kind) {
    case "request":
      return `rayguard: ${entry.method} ${entry.url} -> ${entry.status} in ${entry.ms} ms, ${entry.outcome}`;
    case "incident":
      return `rayguard: incident ${entry.code}, ${entry.action}`;
    case "app":
      return `app${entry.level === "" ? "" : `, ${entry.level}`}: ${entry.message}${entry.err === null ? "" : ` (${entry.err.message})`}`;
    case "access": {
      const { format, request, status, ms, upstreamStatus, termination } = entry;
      const more = [
        upstreamStatus === null ? "" : `upstream ${upstreamStatus}`,
        ms === null ? "" : `${ms} ms`,
        termination === undefined ? "" : `termination ${termination}`,
      ].filter((part) => part !== "");
      return `access log (${format}): "${request}" -> ${status}${more.length === 0 ? "" : ` (${more.join(", ")})`}`;
    }
    case "proxy error":
      return `reverse proxy, ${entry.level}: ${entry.message}`;
    case "quote":
      return `quoted: ${entry.text}`;
    case "recorded":
      return `flight recorder: ${entry.method} ${entry.url} in flight${entry.status === 0 ? "" : `, status ${entry.status} under way`}`;
  }
}
