import type { Coverage } from "../logs/search.js";
import { clock, line, type ProseLine, plural } from "../prose.js";
import type { Account } from "./account.js";
import { tellTrail } from "./tell-trail.js";

/** Tells that no log knows the request, and what that leaves. */
export function tellAbsence(account: Account, files: readonly Coverage[]): ProseLine[] {
  const logs = files.filter(({ lines }) => lines > 0);
  const lines = [
    line(`Ray ${account.ray}`, "title"),
    line(),
    line(conclusionOf(account, files), "bad"),
    line(),
    line("That leaves:", "title"),
    line(
      "  - The files do not cover it: compare its time with the ranges below, and read every process, host and reverse proxy.",
    ),
    line(
      "  - The connection failed, if Cloudflare showed 521 (refused), 522 (no answer to the connection), 523 (no route),",
    ),
    line(
      "    525 (TLS handshake) or 526 (certificate): no app sees those. Look at the listener, firewall and certificate.",
    ),
    line(
      "  - The edge answered by itself: from its cache, a WAF or rate limiting rule, a redirect, a Worker. Security Events",
    ),
    line("    in the dashboard can be searched by Ray ID."),
    line(
      "  - 520 or 524 without a line: a reverse proxy or Tunnel in front of the app failed, the request died before it was",
    ),
    line("    logged (read the flight recorder's file too), or the log was lost with its process."),
    line("  - Nothing writes CF-Ray there: rayguard's lines have it, nginx's only with $http_cf_ray in log_format."),
  ];
  if (logs.length === 0) lines.push(line("  - There was nothing to read in these files.", "warning"));
  // A line in a form of its own may be about it, after all.
  return account.entries.length === 0 ? lines : [...lines, line(), ...tellTrail(account)];
}

/** Certain only where every line was understood that can be about it. */
function conclusionOf({ entries }: Account, files: readonly Coverage[]): string {
  if (entries.some((entry) => entry.kind === "quote" && entry.isUnknown))
    return "No line in a known form is about it, but others name it: it may have arrived all the same.";
  const arrived = "so it may have arrived all the same.";
  if (!files.every(({ damaged, lines, skipped }) => damaged === null && (lines === 0 || skipped < lines)))
    return `No line is about it in what could be read; not every file could, ${arrived}`;
  if (files.some(({ cut }) => cut > 0))
    return `No line is about it in what could be read; some lines are cut, or too long, ${arrived}`;
  if (files.every(({ lines }) => lines === 0)) return "Nothing was read, so nothing can be said about it.";
  return "No line is about it: as far as these files tell, the request never arrived at the origin server.";
}

/** Tells what was read, and which time it covers. */
export function tellCoverage(files: readonly Coverage[]): ProseLine[] {
  return [
    line("Read:", "title"),
    ...files.map(({ file, kind, lines, skipped, from, to, damaged }) => {
      const unit = kind === "recorder" ? plural(lines, "request") : plural(lines, "line");
      const range = from === null ? "no times in it" : `${clock(from)} to ${clock(to)}`;
      const what = kind === "recorder" ? "torn" : "in no known form";
      const more = [skipped === 0 ? "" : `${skipped} ${what}`, damaged === null ? "" : `damaged: ${damaged}`];
      const tail = more.filter((part) => part !== "").map((part) => `, ${part}`);
      return line(`  ${file}: ${unit}, ${range}${tail.join("")}`, damaged === null ? "plain" : "warning");
    }),
  ];
}
