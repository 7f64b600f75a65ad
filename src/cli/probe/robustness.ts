import { renderFields } from "../../http/message.js";
import type { ExchangeOptions, ExchangeResult } from "../../testing/index.js";
import type { FindingId } from "./catalogue.js";
import type { Fields, Meant } from "./edge-request.js";
import type { Probe } from "./probe.js";
import { judge } from "./verdict.js";

/** Octets of the Cookie field: over Node's limit of 16 KiB, within the 128 KB that the edge forwards. */
const COOKIE_OCTETS = 64 * 1024;
/** How long a client waits for 100 (Continue) before it sends the content all the same, in milliseconds. */
const CONTINUE_MS = 1_000;
/** What a refusal of a bad request may lack: it is often written by hand, and the connection is torn down behind it. */
const REFUSAL = ["missing-date", "not-closed"];

/** Sends what applications are rarely tested with. Ends early when the origin server is gone. */
export async function checkRobustness(probe: Probe): Promise<void> {
  for (const [what, check] of [
    ["a malformed request", checkMalformed],
    ["a request with 64 KB of cookies", checkOversized],
    ["a request with Upgrade", checkUpgrade],
    ["a request with Expect: 100-continue", checkExpect],
  ] as const) {
    probe.progress(what);
    await check(probe);
    if (!(await isAlive(probe, what))) return;
  }
}

/** Whether connections are still taken. */
async function isAlive(probe: Probe, after: string): Promise<boolean> {
  const { error } = await probe.ask([{ method: "HEAD" }], { keepOpenMs: 0 });
  if (error === undefined || !("code" in error) || error.code !== "ECONNREFUSED") return true;
  probe.findings.add("gone", after, `${error.message}, after ${after}.`);
  return false;
}

async function checkMalformed(probe: Probe): Promise<void> {
  const { authority, path } = probe.origin;
  const fields = probe.fields().filter(([name]) => name !== "Host");
  const head = `GET ${path} HTTP/1.1\r\nHost: ${authority}\r\n${renderFields(fields)}`;
  await refused(probe, "a malformed request (field name with a space)", `${head}Bad Name: 1\r\n\r\n`);
  await refused(probe, "a malformed request (Content-Length: 1x)", `${head}Content-Length: 1x\r\n\r\n`);
}

async function refused(probe: Probe, what: string, octets: string): Promise<void> {
  const result = await probe.write(octets);
  const id: FindingId = "malformed-request-unanswered";
  if (isAnswered(result)) judgeRefusal(probe, what, result);
  else probe.findings.add(id, what, outcomeOf(result));
}

/** One attempt in one go, and another in pieces: a refusal may be lost with the reset that follows it. */
async function checkOversized(probe: Probe): Promise<void> {
  const cookie = `probe=${"x".repeat(COOKIE_OCTETS)}`;
  const meant: Meant[] = [{ fields: [["Cookie", cookie]] }];
  let result = await probe.ask(meant);
  if (!isAnswered(result)) result = await probe.ask(meant, { writes: { chunkOctets: 8_192, delayMs: 2 } });
  const what = "a request with 64 KB of cookies";
  if (isAnswered(result)) judgeRefusal(probe, what, result);
  else probe.findings.add("oversized-request-unanswered", what, outcomeOf(result));
}

async function checkUpgrade(probe: Probe): Promise<void> {
  const fields: Fields = [
    ["Connection", "Upgrade"],
    ["Upgrade", "websocket"],
    ["Sec-WebSocket-Version", "13"],
    ["Sec-WebSocket-Key", "cmF5Z3VhcmQtcHJvYmUtMQ=="],
  ];
  const meant: Meant[] = [{ fields }];
  const result = await probe.ask(meant);
  // Behind 101 another protocol is spoken, and the connection stays open. A refusal is often written by hand.
  judge(probe, meant, result, { unanswered: "upgrade-unanswered", ignore: [...REFUSAL, "surplus-octets"] });
}

async function checkExpect(probe: Probe): Promise<void> {
  const fields: Fields = [["Expect", "100-continue"]];
  const meant: Meant[] = [{ fields: [...fields, ["Content-Length", "2"]], body: "{}" }];
  const head = probe.headOctets(meant[0] ?? {});
  const options: ExchangeOptions = {
    writes: { chunkOctets: head, delayMs: CONTINUE_MS },
    timeoutMs: probe.patienceMs + CONTINUE_MS,
  };
  const result = await probe.ask(meant, options);
  judge(probe, meant, result, { unanswered: "expect-unanswered", ignore: ["not-closed"] });
  const [response] = result.responses;
  if (response?.complete !== true || result.firstOctetMs === undefined || result.firstOctetMs < CONTINUE_MS) return;
  const seen = `Nothing came for ${CONTINUE_MS} ms; ${response.status} followed the content.`;
  probe.findings.add("expect-ignored", "a request with Expect: 100-continue", seen);
}

/** A refusal counts as soon as its header section is there: the octets behind may be lost with the connection. */
function isAnswered({ responses }: ExchangeResult): boolean {
  const [response] = responses;
  return response !== undefined && response.status >= 200 && !response.problems.some(({ code }) => NO_HEAD.has(code));
}

const NO_HEAD = new Set(["incomplete-header-section", "incomplete-status-line", "not-http"]);

function judgeRefusal(probe: Probe, what: string, result: ExchangeResult): void {
  const [response] = result.responses;
  // After a reset nobody can tell how much there was; a length that is not reached before a clean close is a fault.
  const lost = result.end === "reset" ? ["incomplete-content"] : [];
  judge(probe, [{}], result, { ignore: [...REFUSAL, ...lost] });
  if (response !== undefined && !response.complete && result.timedOut) {
    const id: FindingId = what.includes("64 KB") ? "oversized-request-unanswered" : "malformed-request-unanswered";
    probe.findings.add(id, what, "The answer does not come to its end.");
  }
}

function outcomeOf({ octets, end, timedOut, ms }: ExchangeResult): string {
  const how = timedOut ? "the connection stayed open" : end === "reset" ? "it was reset" : "it was closed";
  return `${octets.length} octets came, and ${how} (${Math.round(ms)} ms).`;
}
