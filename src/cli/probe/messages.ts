import type { Problem } from "../../parser/problems.js";
import type { ParsedResponse } from "../../parser/response.js";
import type { ExchangeResult } from "../../testing/exchange.js";
import { CATALOGUE, type Entry, type FindingId } from "./catalogue.js";
import { type Meant, missingPath, nameOf } from "./edge-request.js";
import type { Probe } from "./probe.js";
import { judge } from "./verdict.js";

/** Facts about ordinary responses, which later checks compare with. */
export interface Baseline {
  readonly response: ParsedResponse;
  /** The same request, asked again, got the same octets as content. */
  readonly stable: boolean;
  /** Status of the response for a path nobody serves; `undefined`: not known. */
  readonly missing: ParsedResponse | undefined;
  /** Nothing is wrong with the responses themselves, so that the next one on the connection can be told. */
  readonly sound: boolean;
}

/** Part of the wait from which a response counts as slow, and the most of it, in milliseconds. */
const SLOW_FROM = 1 / 2;
const SLOW_MS = 25_000;

/** GET, several times on new connections, and a path nobody serves. `undefined`: there is no usable response. */
export async function checkMessages(probe: Probe): Promise<Baseline | undefined> {
  const responses: ParsedResponse[] = [];
  let failures = 0;
  let sound = true;
  for (let count = 0; count < probe.settings.repeat; count += 1) {
    probe.progress(`GET ${count + 1} of ${probe.settings.repeat}`);
    const meant: Meant[] = [{}];
    const result = await probe.ask(meant);
    const isUsable = judge(probe, meant, result);
    if (isUsable && result.responses[0] !== undefined) {
      responses.push(result.responses[0]);
      sound &&= !result.problems.some(isGrave);
      if (responses.length === 1) probe.settle(result.firstOctetMs ?? result.ms);
      checkTime(probe, result);
    } else {
      failures += 1;
    }
    // A server that hangs will hang again.
    if (failures > 0 && result.timedOut) break;
  }
  const [response] = responses;
  if (response === undefined) return undefined;
  const statuses = [...new Set(responses.map(({ status }) => status))];
  if (statuses.length > 1) {
    probe.findings.add("flaky-status", nameOf({}, probe.origin.path), `The statuses are ${statuses.join(", ")}.`);
  }
  const meant: Meant[] = [{ path: missingPath() }];
  const result = await probe.ask(meant);
  judge(probe, meant, result);
  const stable = responses.every(
    ({ content, status }) => status === response.status && content.equals(response.content),
  );
  const missing = result.responses[0]?.complete === true ? result.responses[0] : undefined;
  return { response, stable, missing, sound };
}

function isGrave({ code }: Problem): boolean {
  const entry: Entry | undefined = code in CATALOGUE ? CATALOGUE[code as FindingId] : undefined;
  return entry?.severity === "error";
}

function checkTime(probe: Probe, { firstOctetMs = 0 }: ExchangeResult): void {
  if (firstOctetMs <= Math.min(SLOW_MS, probe.settings.timeoutMs * SLOW_FROM)) return;
  const seen = `The first octet came after ${(firstOctetMs / 1_000).toFixed(1)} s.`;
  probe.findings.add("slow-response", nameOf({}, probe.origin.path), seen);
}

/** Fields that HEAD must have as GET has them, where the content is the same each time. */
const SAME_FIELDS = ["content-type", "content-length", "content-encoding", "location"];

/** HEAD, and GET behind it on the same connection. */
export async function checkHead(probe: Probe, { response, stable }: Baseline): Promise<void> {
  probe.progress("HEAD");
  const meant: Meant[] = [{ method: "HEAD" }, {}];
  // Content that comes a little later than the header section is not to be taken for the response to GET.
  const result = await probe.ask(meant, { idleMs: 60 });
  judge(probe, meant, result);
  const [head] = result.responses;
  if (head === undefined || head.status === 0) return;
  const name = nameOf(meant[0] ?? {}, probe.origin.path);
  if (head.status !== response.status) {
    probe.findings.add("head-status", name, `HEAD gets ${head.status}, GET gets ${response.status}.`);
    return;
  }
  for (const field of SAME_FIELDS) {
    const [own, others] = [head.field(field), response.field(field)];
    // A field whose value only the content tells may be left out (RFC 9110, section 9.3.2), and length may be unknown.
    if (own === undefined || own === others || (field === "content-length" && (!stable || others === undefined)))
      continue;
    probe.findings.add("head-fields", name, `${field} is ${own} for HEAD and ${others ?? "absent"} for GET.`);
  }
}

/** OPTIONS, which is as safe as GET, and HTTP/1.0, which proxies in between may speak. */
export async function checkOthers(probe: Probe): Promise<void> {
  probe.progress("OPTIONS and HTTP/1.0");
  const options: Meant[] = [{ method: "OPTIONS" }];
  judge(probe, options, await probe.ask(options));
  const old: Meant[] = [{ version: "1.0", fields: [["Connection", "close"]] }];
  judge(probe, old, await probe.ask(old), { unanswered: "http-1.0-unanswered" });
}
