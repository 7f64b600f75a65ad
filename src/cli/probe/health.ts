import type { Meant } from "./edge-request.js";
import type { Baseline } from "./messages.js";
import type { Probe } from "./probe.js";
import { judge } from "./verdict.js";

/** Longest wait of a health check, by default, in milliseconds; a fifth of it is slow. */
const CHECK_MS = 5_000;
const SLOW_MS = CHECK_MS / 5;
const UNCACHEABLE = /\b(?:no-store|no-cache|private|max-age=0)\b/i;

/** The health endpoint, as a health check asks it. One that was not named on the command line may be missing. */
export async function checkHealth(probe: Probe, { missing }: Baseline): Promise<void> {
  const { path, given } = probe.settings.health;
  const { findings } = probe;
  probe.progress(`GET ${path}`);
  const meant: Meant[] = [{ path }, { path, method: "HEAD" }];
  const result = await probe.ask(meant, { idleMs: 60 });
  const [response, head] = result.responses;
  const request = `GET ${path}`;
  judge(probe, meant, result);
  if (response === undefined || response.status === 0) {
    if (given) findings.add("health-failed", request, "There is no response that can be read.");
    return;
  }
  const { status } = response;
  // Applications for one page answer every path alike.
  const isCatchAll = missing?.status === status && sameContent(missing.content, response.content);
  if (!given && (isCatchAll || (status >= 300 && status < 500))) {
    findings.add("health-missing", request, `${request} gets ${status}${isCatchAll ? ", as any other path" : ""}.`);
    return;
  }
  if (status !== 200) {
    findings.add(given ? "health-failed" : "health-unhealthy", request, `The status is ${status}.`);
    return;
  }
  const control = response.field("cache-control") ?? "";
  if (!UNCACHEABLE.test(control)) findings.add("health-cacheable", request, `Cache-Control is "${control}".`);
  if (response.field("set-cookie") !== undefined) findings.add("health-cookie", request, "There is a Set-Cookie.");
  const ms = result.firstOctetMs ?? 0;
  if (ms > SLOW_MS) findings.add("health-slow", request, `The first octet came after ${Math.round(ms)} ms.`);
  if (head !== undefined && head.status !== 0 && head.status !== status) {
    findings.add("health-head", `HEAD ${path}`, `HEAD gets ${head.status}, GET gets ${status}.`);
  }
}

/** Alike but for the path that pages for missing paths may repeat. */
function sameContent(one: Buffer, other: Buffer): boolean {
  return one.equals(other) || Math.abs(one.length - other.length) < 64;
}
