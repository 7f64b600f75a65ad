import type { ExchangeResult } from "../../testing/index.js";
import { type Meant, missingPath, nameOf, token } from "./edge-request.js";
import type { Baseline } from "./messages.js";
import type { Probe } from "./probe.js";
import { judge, outcome } from "./verdict.js";

/** A close that follows a response as soon as that was decided together with it, in milliseconds. */
const AT_ONCE_MS = 1_000;
const PARALLEL = 10;

/** Requests one after the other, and all at once, over one connection. */
export async function checkReuse(probe: Probe, baseline: Baseline): Promise<void> {
  probe.progress("requests on one connection");
  const meant: Meant[] = [{}, { method: "HEAD" }, {}];
  judge(probe, meant, await probe.ask(meant));
  if (baseline.response.closes) {
    const seen = `${baseline.response.version === "1.0" ? "HTTP/1.0" : "Connection: close"} or no framing.`;
    probe.findings.add("keep-alive-off", nameOf({}, probe.origin.path), seen);
    return;
  }
  await checkPipelining(probe, baseline);
}

async function checkPipelining(probe: Probe, baseline: Baseline): Promise<void> {
  probe.progress("pipelining");
  const meant: Meant[] = [{}, { path: missingPath() }, { method: "HEAD" }, { path: tagged(probe) }, {}];
  const result = await probe.ask(meant, { pipeline: true });
  const { responses } = result;
  // What is wrong with each is told of requests one after the other; here it counts which is which.
  const isInOrder = compare(probe, meant, result, baseline);
  if (!isInOrder) return;
  if (responses.length < meant.length && responses.at(-1)?.closes === true && responses.at(-1)?.complete === true)
    return;
  if (outcome(meant, result) === undefined && responses.every(({ complete }) => complete)) return;
  const complete = responses.filter((one) => one.complete).length;
  probe.findings.add("pipelining-unanswered", "pipelined requests", `${complete} of ${meant.length} were answered.`);
}

/** Many requests at the same time, over connections of their own. */
export async function checkParallel(probe: Probe, baseline: Baseline): Promise<void> {
  probe.progress(`${PARALLEL} requests at once`);
  const each = Array.from({ length: PARALLEL }, (_, index): Meant[] => [
    index % 2 === 0 ? { path: missingPath() } : { path: tagged(probe) },
  ]);
  const results = await Promise.all(each.map((meant) => probe.ask(meant)));
  const failed = results.filter(({ responses }) => responses[0]?.complete !== true);
  const others = each.flat();
  for (const [index, result] of results.entries()) compare(probe, each[index] ?? [], result, baseline, others);
  const bad = results.filter(({ responses }) => (responses[0]?.status ?? 0) >= 500).length;
  const isNew = baseline.response.status < 500 && (baseline.missing?.status ?? 0) < 500;
  if (failed.length > 0 || (bad > 1 && isNew)) {
    const seen = `${failed.length} of ${PARALLEL} got no complete response, ${bad} a status of 500 or more.`;
    probe.findings.add("parallel-failures", `${PARALLEL} requests at once`, seen);
  }
}

/**
 * Looks for responses that belong to another request: by the tokens in paths, which pages for missing paths often
 * repeat, and by the status.
 * @returns whether none does
 */
function compare(
  probe: Probe,
  meant: readonly Meant[],
  { responses }: ExchangeResult,
  { response, missing }: Baseline,
  all: readonly Meant[] = meant,
): boolean {
  const tokens = all.map(tokenOf);
  for (const [index, one] of responses.entries()) {
    const request = meant[index];
    if (request === undefined || !one.complete) continue;
    const name = nameOf(request, probe.origin.path);
    const text = `${one.fields.flat().join("\n")}\n${one.content.toString("latin1")}`;
    const own = tokenOf(request);
    const foreign = tokens.find((other) => other !== undefined && other !== own && text.includes(other));
    if (foreign !== undefined && (own === undefined || !text.includes(own))) {
      probe.findings.add("cross-talk", name, `The response has the token of another request, ${foreign}.`);
      return false;
    }
    // Server errors, 429 and the like have reasons of their own.
    const [plain, absent] = [response.status, missing?.status ?? 0];
    if (plain === absent || ![plain, absent].includes(one.status)) continue;
    const expected = isMissing(request) ? absent : plain;
    if (missing !== undefined && request.path?.includes("?") !== true && one.status !== expected) {
      probe.findings.add("cross-talk", name, `The status is ${one.status}, and ${expected} when asked alone.`);
      return false;
    }
  }
  return true;
}

function isMissing({ path = "" }: Meant): boolean {
  return path.startsWith("/rayguard-probe-");
}

/** The path under test with a token in its query. */
function tagged({ origin }: Probe): string {
  return `${origin.path}${origin.path.includes("?") ? "&" : "?"}rayguard-probe=${token()}`;
}

function tokenOf({ path = "" }: Meant): string | undefined {
  return /rayguard-probe[-=]([0-9a-f]{12})/.exec(path)?.[1];
}

/** A second request on a connection that has been idle. Runs beside the other checks; waits for `--idle`. */
export async function checkIdle(probe: Probe): Promise<void> {
  const { idleMs } = probe.settings;
  if (idleMs === 0) return;
  const meant: Meant[] = [{}, {}];
  const result = await probe.ask(meant, { idleMs });
  const [response] = result.responses;
  if (result.responses.length !== 1 || response?.complete !== true || response.closes) return;
  if (response.problems.some(({ code }) => code === "surplus-octets")) return;
  const name = "a request on an idle connection";
  if (result.timedOut) {
    probe.findings.add("reuse-unanswered", name, `After ${idleMs / 1_000} s of rest it was sent, and nothing came.`);
    return;
  }
  // What was announced is said already.
  if (probe.findings.has("keep-alive-short")) return;
  const idle = result.ms - (result.lastOctetMs ?? 0);
  const seen = `It was closed after ${(idle / 1_000).toFixed(1)} s of rest.`;
  probe.findings.add(idle < AT_ONCE_MS && idle < idleMs ? "unannounced-close" : "idle-close", name, seen);
}
