import { reach } from "./connect.js";
import { checkHealth } from "./health.js";
import { checkHttp2 } from "./http2.js";
import { type Baseline, checkHead, checkMessages, checkOthers } from "./messages.js";
import { OutOfTime, type Probe } from "./probe.js";
import { checkRedirects } from "./redirects.js";
import { checkIdle, checkParallel, checkReuse } from "./reuse.js";
import { checkRobustness } from "./robustness.js";

/** Makes every check, as far as the origin server lets it. What was found is in `probe.findings`. */
export async function run(probe: Probe): Promise<void> {
  try {
    const reached = await reach(probe);
    if (reached === undefined) return skip(probe, "everything but the connection", "there is none");
    if (reached.http1) await checkHttp1(probe);
    else probe.findings.add("http2-only", "TLS handshake", "h2 was agreed on, and http/1.1 was refused.");
    if (reached.http2 && !probe.findings.has("gone")) await checkHttp2(probe);
  } catch (error) {
    if (!(error instanceof OutOfTime)) throw error;
    skip(probe, "the remaining checks", "the time for the whole probe was over");
  }
}

async function checkHttp1(probe: Probe): Promise<void> {
  const baseline = await checkMessages(probe);
  if (baseline === undefined) {
    // Without one good response nothing that follows could be told apart from what was found.
    return skip(
      probe,
      "HEAD, unusual requests, persistent connections, health and redirects",
      "GET gets no complete response",
    );
  }
  const checks = CHECKS.filter(([, needsSound]) => baseline.sound || !needsSound).map(([check]) => check);
  if (!baseline.sound) skip(probe, "persistent connections and requests at once", "the response to GET is not sound");
  const idle = baseline.response.closes || !baseline.sound ? Promise.resolve() : checkIdle(probe);
  // Looked at below, also where a check before it throws.
  idle.catch(() => undefined);
  for (const check of checks) {
    await check(probe, baseline);
    if (probe.findings.has("gone")) break;
  }
  probe.progress("waiting on an idle connection");
  await idle;
}

type Check = (probe: Probe, baseline: Baseline) => Promise<void>;

/** With whether the check tells responses by what goes before them, and needs sound ones for that. */
const CHECKS: readonly (readonly [check: Check, needsSound: boolean])[] = [
  [checkRedirects, false],
  [checkHead, false],
  [checkOthers, false],
  [checkReuse, true],
  [checkHealth, false],
  [checkParallel, true],
  [checkRobustness, false],
];

function skip(probe: Probe, check: string, reason: string): void {
  probe.skipped.push({ check, reason });
  probe.findings.add("not-tested", "this probe", `Not tested: ${check}; ${reason}.`);
}
