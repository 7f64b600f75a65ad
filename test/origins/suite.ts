import { subscribe } from "node:diagnostics_channel";
import { setImmediate as tick } from "node:timers/promises";
import type { ParsedResponse } from "../../src/parser/response.js";
import { Http2Wire } from "../helpers/http2-wire.js";
import { type Rayguard, type RunningOrigin, startOrigin } from "../helpers/origins.js";
import { type Seen, Wire } from "../helpers/wire.js";
import { mismatch, promiseBroken, type Word, wordFor } from "./judge.js";
import {
  FRAMEWORKS,
  type Framework,
  type Protocol,
  type RequestParts,
  type Scenario,
  type Shown,
  sleep,
  type Variant,
} from "./scenario.js";

export type Verdict = {
  word: Word;
  /** Everything that is not as it must be; empty for a scenario that holds. */
  wrong: string[];
  /** Codes and actions of the incidents. */
  incidents: string[];
  /** First octets received, for the report. */
  received: string;
};

/** The variants in which a scenario runs on a framework; none where it does not exist there. */
export function variantsOf(scenario: Scenario, framework: Framework, protocol: Protocol): Variant[] {
  if (protocol !== "http/1.1" && scenario.onlyHttp1 !== undefined) return [];
  const isExpress = framework === "express5" || framework === "express4";
  const exists =
    scenario.origin !== undefined ||
    (isExpress ? scenario.express !== undefined : framework === "fastify" && scenario.fastify !== undefined);
  if (!exists || !(scenario.on ?? FRAMEWORKS).includes(framework)) return [];
  if (isExpress) return scenario.bothHandlers ? ["plain", "errorHandler"] : ["plain"];
  return framework === "fastify" && scenario.fastify === undefined ? ["plain", "hijacked"] : ["plain"];
}

const faults: { event: string; error: unknown }[] = [];
const incidents: { code: string; action: string }[] = [];

/** Takes over the process events, so that a fault is told from a crash of the runner; once per process. */
export function watchProcess(): void {
  for (const event of ["uncaughtException", "unhandledRejection"]) {
    process.on(event, (error: unknown) => faults.push({ event, error }));
  }
  subscribe("rayguard:incident", (message) => {
    const { code, action } = message as { code: string; action: string };
    incidents.push({ code, action });
  });
}

type Run = {
  scenario: Scenario;
  framework: Framework;
  protocol: Protocol;
  variant: Variant;
  rayguard: Rayguard | undefined;
};

/** Runs a scenario and judges it. Runs must follow one another: the process events cannot be told apart. */
export async function runScenario(given: Run): Promise<Verdict> {
  const run = {
    ...given,
    scenario: { ...given.scenario, ...(isHttp2(given) ? given.scenario.http2 : {}) } as Scenario,
  };
  if (run.scenario.control && run.rayguard) return compareWithBare(run);
  return (await observe(run)).verdict;
}

/** A control is right when the guard changes no octet but those of the clock and the idle timeout. */
async function compareWithBare(run: Run): Promise<Verdict> {
  const bare = await observe({ ...run, rayguard: undefined });
  const guarded = await observe(run);
  const verdict = guarded.verdict;
  if (normalised(bare.seen) !== normalised(guarded.seen)) {
    verdict.wrong.push(`differs from the bare answer ${JSON.stringify(normalised(bare.seen).slice(0, 300))}`);
  }
  if (verdict.incidents.length > 0)
    verdict.wrong.push(`incidents of a response that is right: ${verdict.incidents.join(", ")}`);
  return verdict;
}

function normalised(seen: Seen): string {
  return (
    seen.octets
      .toString("latin1")
      .replace(/^(date|last-modified): .*$/gim, "$1: now")
      // The entity tag of a file holds its time of modification, and each run makes its own file.
      .replace(/^etag: W\/"([0-9a-f]+)-[0-9a-f]{8,12}"/gim, 'etag: W/"$1-now"')
      .replace(/^keep-alive: timeout=\d+/gim, "keep-alive: timeout=n")
  );
}

/** Deadlines are short where one is due, and out of reach of a busy machine where none is. */
function withDeadlines(scenario: Scenario): Scenario {
  const shown = [scenario.shows, ...(scenario.showsAll ?? [])].flat() as Shown[];
  const due = shown.some((one) => one.kind === "cut" || (one.kind === "replaced" && one.statuses.includes(503)));
  return due || scenario.guard ? scenario : { ...scenario, guard: { firstByteDeadlineMs: 5000, idleDeadlineMs: 5000 } };
}

async function observe(given: Run): Promise<{ verdict: Verdict; seen: Seen }> {
  const run = { ...given, scenario: withDeadlines(given.scenario) };
  const { scenario } = run;
  faults.length = 0;
  incidents.length = 0;
  const origin = await startOrigin(run);
  const wrong: string[] = [];
  const { seen: firstSeen, second } = await (isHttp2(run) ? showHttp2(run, origin) : showHttp1(run, origin));
  judge(firstSeen, run, wrong);
  if (second.wrong !== undefined) wrong.push(`second request: ${second.wrong}`);
  await tick();
  const closed = await origin.close();
  await tick();
  if (!closed && run.rayguard) wrong.push("the server does not close");
  const unexpected = scenario.provokes === undefined ? faults : [];
  for (const { event, error } of unexpected) wrong.push(`${event}: ${describe(error)}`);
  const verdict: Verdict = {
    word: wrong.length === 0 ? "fine" : wordAfter(firstSeen, faults.length > 0, second),
    wrong,
    incidents: incidents.map(({ code, action }) => `${code} ${action}`),
    received: firstSeen.octets.subarray(0, 400).toString("latin1"),
  };
  return { verdict, seen: firstSeen };
}

function isHttp2({ protocol }: Run): boolean {
  return protocol !== "http/1.1";
}

/** What was seen before the second request, and what became of that. */
type Shows = { seen: Seen; second: Second };

/** Longest time a bare origin is waited for. */
const BARE_TIMEOUT_MS = Number(process.env.RAYGUARD_BARE_TIMEOUT_MS ?? 900);

async function showHttp1({ scenario, rayguard }: Run, origin: RunningOrigin): Promise<Shows> {
  const wire = await Wire.open(origin.port);
  if (rayguard === undefined) wire.timeoutMs = BARE_TIMEOUT_MS;
  await converse(wire, scenario, origin);
  if (scenario.settleMs) await settle(scenario.settleMs);
  const second = await secondRequest(wire, origin, scenario, rayguard === undefined);
  // Octets of the second request on the same connection are no part of what the scenario showed.
  return { seen: withoutSecond(wire.finish(), second.shared), second };
}

/** Client and origin share a loop: on a busy machine the time is over before either has seen what the other did. */
async function settle(ms: number): Promise<void> {
  await sleep(ms);
  for (let turns = 0; turns < 5; turns++) await tick();
}

async function showHttp2({ scenario, rayguard, protocol }: Run, origin: RunningOrigin): Promise<Shows> {
  const open = async () => {
    const wire = await Http2Wire.open(origin.port, protocol === "h2");
    if (rayguard === undefined) wire.timeoutMs = BARE_TIMEOUT_MS;
    return wire;
  };
  const wire = await open();
  const { client } = scenario.http2 ?? {};
  if (client !== undefined) await client(wire);
  else {
    wire.send(scenario.request as RequestParts | undefined);
    await wire.answers(1);
  }
  if (scenario.settleMs) await settle(scenario.settleMs);
  const count = wire.streams.length;
  const shared = wire.reusable && scenario.second !== "elsewhere";
  let second: Second;
  try {
    const other = shared ? wire : await open();
    second = await secondStream(other, scenario, shared);
    other.close();
  } catch (error) {
    second = { wrong: `refused: ${describe(error)}`, shared: false, crossed: false };
  }
  const seen = wire.seen(count);
  wire.close();
  return { seen, second };
}

async function secondStream(wire: Http2Wire, scenario: Scenario, shared: boolean): Promise<Second> {
  const { path, expected } = secondOf(scenario);
  const at = wire.send({ path });
  await wire.answers(at + 1);
  const response = wire.streams[at]?.read();
  return secondVerdict(response, expected, scenario, shared, wire.streams[at]?.reset === null ? "open" : "reset");
}

async function converse(wire: Wire, scenario: Scenario, origin: RunningOrigin): Promise<void> {
  if (scenario.client) {
    await scenario.client(wire, origin as never);
    return;
  }
  const { request = {} } = scenario;
  wire.send(typeof request === "string" ? request : render(request));
  await wire.answers(scenario.showsAll?.length ?? 1);
}

export function render({ method = "GET", path = "/", headers = {}, body, version = "1.1" }: RequestParts): string {
  const fields = {
    Host: "origin",
    ...headers,
    ...(body === undefined ? {} : { "Content-Length": String(Buffer.byteLength(body)) }),
  };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/${version}\r\n${lines.join("")}\r\n${body ?? ""}`;
}

type Second = { wrong: string | undefined; shared: boolean; crossed: boolean };

/** A request that no other one can be taken for, and its answer. */
function secondOf({ secondTakesMs }: Scenario): { path: string; expected: string } {
  const token = Math.random().toString(36).slice(2);
  return { path: `/ok?token=${token}${secondTakesMs ? `&ms=${secondTakesMs}` : ""}`, expected: `ok ${token}` };
}

/** Every scenario is followed by a request of its own, on the same connection where that is still of use. */
async function secondRequest(wire: Wire, origin: RunningOrigin, scenario: Scenario, bare: boolean): Promise<Second> {
  const { path, expected } = secondOf(scenario);
  const shared =
    wire.end === "open" &&
    wire.reader.reusable &&
    scenario.second !== "elsewhere" &&
    !wire.owing &&
    !wire.socket.writableEnded;
  let other: Wire;
  try {
    other = shared ? wire : await Wire.open(origin.port);
  } catch (error) {
    return { wrong: `refused: ${describe(error)}`, shared: false, crossed: false };
  }
  if (bare) other.timeoutMs = BARE_TIMEOUT_MS;
  const before = other.reader.responses.length;
  other.send(render({ path }));
  await other.answers(before + 1);
  const response = other.reader.responses[before];
  if (!shared) other.socket.destroy();
  return secondVerdict(response, expected, scenario, shared, other.end);
}

function secondVerdict(
  response: ParsedResponse | undefined,
  expected: string,
  scenario: Scenario,
  shared: boolean,
  end: Seen["end"],
): Second {
  const content = response?.text();
  const right = response?.complete === true && content === expected && response.problems.length === 0;
  if (right || (scenario.second === "complete" && response?.complete))
    return { wrong: undefined, shared, crossed: false };
  const found =
    response === undefined
      ? `no answer (${end})`
      : `${response.status} ${JSON.stringify(content?.slice(0, 40))} ${response.problems.map(({ code }) => code)}`;
  return {
    wrong: `${shared ? "same connection" : "new connection"}: ${found}`,
    shared,
    crossed: response !== undefined,
  };
}

/** What the connection showed before the second request on it. */
function withoutSecond(seen: Seen, shared: boolean): Seen {
  if (!shared) return seen;
  const responses = seen.responses.slice(0, seen.requests - 1);
  const end = responses.at(-1)?.end ?? 0;
  return {
    ...seen,
    requests: seen.requests - 1,
    responses,
    octets: seen.octets.subarray(0, end),
    end: "open",
    problems: responses.flatMap((response) => [...response.problems]),
  };
}

function judge(seen: Seen, run: Run, wrong: string[]): void {
  const { scenario } = run;
  const expectations = scenario.showsAll ?? [scenario.shows];
  for (const [index, expected] of expectations.entries()) {
    const alternatives = Array.isArray(expected) ? (expected as Shown[]) : [expected as Shown];
    const reasons = alternatives.map((shown) => mismatch(seen.responses[index], shown, seen));
    if (!reasons.includes(undefined)) wrong.push(`response ${index + 1}: ${reasons.join(" | ")}`);
  }
  if (seen.responses.length > expectations.length)
    wrong.push(`${seen.responses.length} responses to ${expectations.length} requests`);
  for (const { code, message } of seen.problems) if (code === "surplus-octets") wrong.push(`${code}: ${message}`);
  const last = seen.responses.at(-1);
  if (last?.complete && last.closes && last.status !== 101 && seen.end === "open")
    wrong.push("not-closed: the last response announces close");
  const broken = promiseBroken(
    seen,
    run.framework,
    incidents.map(({ action }) => action),
  );
  if (broken !== undefined) wrong.push(broken);
  const also = scenario.also?.(seen.responses);
  if (typeof also === "string") wrong.push(also);
  else if (also === false) wrong.push("the further check does not hold");
}

function wordAfter(seen: Seen, crashed: boolean, second: Second): Word {
  const word = wordFor(seen, crashed);
  if (word !== "wrong" || second.wrong === undefined) return word;
  return second.crossed ? "surplus" : "empty";
}

function describe(error: unknown): string {
  try {
    return error instanceof Error
      ? `${(error as NodeJS.ErrnoException).code ?? error.name} ${error.message} ${error.stack?.split("\n")[1]?.trim() ?? ""}`
      : String(error);
  } catch {
    return "an error that cannot be shown";
  }
}
