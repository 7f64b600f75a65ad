import { endOfSection } from "../../http/message.js";
import { isBodiless } from "../../http/status.js";
import type { Problem } from "../../parser/problems.js";
import type { ParsedResponse } from "../../parser/response.js";
import type { ExchangeResult } from "../../testing/exchange.js";
import { CATALOGUE, type FindingId } from "./catalogue.js";
import { type Meant, nameOf } from "./edge-request.js";
import { examine } from "./examine.js";
import type { Probe } from "./probe.js";

/** How a verdict departs from that on ordinary requests. */
export interface Leniency {
  /** What counts as no answer at all, instead of the ids for ordinary requests. */
  readonly unanswered?: FindingId;
  /** Problems that are passed over. */
  readonly ignore?: readonly string[];
}

/** Problems whose finding depends on how the exchange went. */
const BY_OUTCOME = new Set(["unanswered", "no-connection"]);

/**
 * Turns what came back into findings.
 * @returns whether every request has a complete response that could be read
 */
export function judge(probe: Probe, meant: readonly Meant[], result: ExchangeResult, leniency: Leniency = {}): boolean {
  const { ignore = [] } = leniency;
  const { responses } = result;
  for (const [index, response] of responses.entries()) {
    const request = meant[Math.min(index, meant.length - 1)] ?? {};
    const name = nameOf(request, probe.origin.path);
    for (const problem of response.problems) {
      if (ignore.includes(problem.code)) continue;
      const id = idOf(problem, response, meant[index - 1], request, responses[index - 1], result);
      if (id !== undefined) probe.findings.add(id, name, problem.message, problem.rule);
    }
    examine(probe, { ...response, method: request.method ?? "GET", request: name }, sectionOctets(response, result));
  }
  const name = nameOf(meant[Math.min(responses.length, meant.length - 1)] ?? {}, probe.origin.path);
  for (const { code, message, rule } of result.problems) {
    const isOfResponse = responses.some(({ problems }) => problems.some((one) => one.message === message));
    if (isOfResponse || BY_OUTCOME.has(code) || ignore.includes(code) || !(code in CATALOGUE)) continue;
    probe.findings.add(code as FindingId, name, message, rule);
  }
  const unanswered = outcome(meant, result);
  if (unanswered !== undefined) probe.findings.add(leniency.unanswered ?? unanswered.id, name, unanswered.seen);
  return unanswered === undefined && responses.every(({ complete }) => complete);
}

/** What became of a request without a response, or of the connection before it could be sent. */
export function outcome(
  meant: readonly Meant[],
  { responses, end, error, timedOut, ms, octets }: ExchangeResult,
): { id: FindingId; seen: string } | undefined {
  const last = responses.at(-1);
  if (responses.length >= meant.length || (last !== undefined && (last.closes || !last.complete))) return undefined;
  const after = `${Math.round(ms)} ms`;
  if (error !== undefined && "code" in error && error.code === "ECONNREFUSED") {
    return { id: "connection-refused", seen: error.message };
  }
  if (responses.length > 0) {
    const count = `${responses.length} of ${meant.length} requests were answered`;
    if (timedOut) return { id: "reuse-unanswered", seen: `${count}, then nothing came for ${after}.` };
    const how = end === "reset" ? "reset" : "closed";
    return { id: "unannounced-close", seen: `${count}, then the connection was ${how} without notice.` };
  }
  if (timedOut) return { id: "no-response", seen: `Nothing came within ${after}.` };
  const seen = `${octets.length} octets came, then the connection was ${end === "reset" ? "reset" : "closed"} (${after}).`;
  return { id: end === "reset" ? "connection-reset" : "empty-reply", seen: error ? `${seen} ${error.message}` : seen };
}

function idOf(
  { code, offset }: Problem,
  response: ParsedResponse,
  before: Meant | undefined,
  request: Meant,
  previous: ParsedResponse | undefined,
  result: ExchangeResult,
): FindingId | undefined {
  if (code === "surplus-octets") return surplus(request, response.status);
  // Content of the response before, where a status line belongs.
  if (code === "not-http" && previous !== undefined && offset <= response.start) {
    return surplus(before ?? {}, previous.status);
  }
  const isStopped = code.startsWith("incomplete-");
  if (isStopped && result.tooMuch) {
    return code === "incomplete-content" ? "endless-content" : "header-section-too-large";
  }
  if (isStopped && result.timedOut && code !== "incomplete-content") return "slow-header-section";
  if (code === "incomplete-content" && isStreaming(response, result)) return "slow-content";
  return code in CATALOGUE ? (code as FindingId) : undefined;
}

function surplus({ method = "GET" }: Meant, status: number): FindingId {
  if (method === "HEAD") return "head-content";
  return isBodiless(status) ? "bodiless-content" : "surplus-octets";
}

/** Content that was still coming, or may come again: events are sent when there are some. */
function isStreaming(
  response: ParsedResponse,
  { timedOut, lastOctetMs = 0, firstOctetMs = 0, ms }: ExchangeResult,
): boolean {
  if (!timedOut || response.framing === "none") return false;
  if (response.field("content-type")?.startsWith("text/event-stream") === true) return true;
  return lastOctetMs > firstOctetMs && lastOctetMs > 0.7 * ms;
}

/** Octets from the first status line to the end of the first header section. */
function sectionOctets({ start, end }: ParsedResponse, { octets }: ExchangeResult): number {
  const octetsOfSection = endOfSection(octets.subarray(start, end));
  return octetsOfSection === -1 ? end - start : octetsOfSection;
}
