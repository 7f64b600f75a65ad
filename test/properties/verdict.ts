import type { RequestRecord } from "../../src/report/log.js";
import type { ExchangeResult, ParsedResponse } from "../../src/testing/index.js";
import type { Http2Result } from "./http2-client.js";
import type { Run } from "./interpreter.js";
import type { Program, RequestKind } from "./program.js";

/** Everything that is known about one run of a program. */
export type Observation = {
  readonly program: Program;
  readonly run: Run;
  readonly result: ExchangeResult;
  /** Targets of the requests, in the order in which they were sent. */
  readonly targets: readonly string[];
  /** What the guard said of the program's own request; one record is right. */
  readonly records: readonly RequestRecord[];
  readonly incidents: readonly string[];
  /** Errors that nobody caught. */
  readonly uncaught: readonly unknown[];
};

/** Codes of the parser for a message that stops before its end: a visible break. */
const INCOMPLETE = new Set([
  "incomplete-content",
  "incomplete-trailer-section",
  "incomplete-header-section",
  "incomplete-status-line",
]);
/** Longest time an answer may take on a busy machine: every deadline of the origin is 250 ms. */
const _LONGEST_MS = 3000;

/** What a client does that wants no answer any more. */
const GIVES_UP: ReadonlySet<RequestKind> = new Set<RequestKind>(["cancels", "leaves"]);

/** A GOAWAY with an error tells the client of the end of every stream, whatever comes behind it. */
function givesUpSession({ operations }: Program): boolean {
  return operations.some(([name, how]) => name === "session" && how === "goaway with code");
}

/** Every way in which the promise is broken; empty when it is kept. The word before the colon names the kind. */
export function breaches(seen: Observation): string[] {
  const found: string[] = [];
  const { program, run, result, targets } = seen;
  const at = targets.findIndex((target) => target.startsWith("/p/"));
  // Of an answer that the client has given up nothing can be asked.
  const isGone = GIVES_UP.has(program.request) || givesUpSession(program);
  const response = isGone ? undefined : result.responses[at];
  for (const error of seen.uncaught)
    if (!isCrash(error) && !isOwnError(error, seen)) found.push(`uncaught: ${describe(error)}`);
  if (result.timedOut) found.push(`timeout: ${result.octets.length} octets after ${Math.round(result.ms)} ms`);
  if (!run.started && !isGone && (at === 0 || result.responses.length >= at)) {
    if (result.responses[at - 1]?.closes !== true) found.push("not started: the request never reached the program");
  }
  if (result.responses.length > targets.length)
    found.push(`surplus: ${result.responses.length} responses to ${targets.length} requests`);

  for (const [index, one] of result.responses.entries()) {
    // A stream of HTTP/2 that was not answered leaves its place empty.
    if (one === undefined || (index === at && isGone) || givesUpSession(program)) continue;
    if (index === at) found.push(...ownBreaches(seen, one));
    else found.push(...otherBreaches(seen, one, targets[index] ?? "", index));
  }
  // What a program does to the socket itself may meet the request in front of its own, whose connection then ends.
  const lostBehind =
    at > 0 && (result.responses[at - 1]?.closes === true || (run.touchedSocket && result.responses.length === at));
  const isLost = lostBehind || isGone || isBrokenOff(seen, at) || isResetBehindEnd(seen);
  if (response === undefined && !isLost) {
    found.push(`empty: ${result.end}, ${result.octets.length} octets`);
  }
  const broken = result.responses.some((one) => one?.complete === false);
  for (const problem of result.problems) {
    if (INCOMPLETE.has(problem.code) || problem.code === "reset-without-error") continue; // judged with its response
    if (problem.code === "reset-behind-answer" && readsNoFile(program)) continue;
    if (givesUpSession(program) || (isGone && result.responses[at]?.problems.includes(problem))) continue;
    // A break takes the requests behind it along, which the reader calls unanswered.
    if (problem.code === "unanswered" && (broken || response === undefined || mayClose(seen))) continue;
    found.push(`${problem.code}: ${problem.message}`);
  }
  found.push(...recordBreaches(seen, response));
  if (program.request === "half-closes") return found.filter((breach) => !breach.startsWith("cut:"));
  return [...new Set(found)];
}

/**
 * Whether a stream is visibly broken off without a header section: what the app has begun, and destroys in the same turn,
 * Node 26 takes back.
 */
function isBrokenOff({ result, records }: Observation, at: number): boolean {
  if (!("ends" in result) || records[0]?.outcome !== "torn down") return false;
  const end = (result as Http2Result).ends[at] ?? "";
  return Number(end) > 0 || (end === "" && result.end !== "open");
}

/**
 * Whether the app has asked for the connection itself to end, or for no more of a request that is still arriving. The final
 * handler of Express asks for it behind a header section, which is all there is of an answer to HEAD.
 */
function mayClose({ program: { request, operations }, run, incidents }: Observation): boolean {
  if (run.touchedSocket || (request === "HEAD" && incidents.includes("MC-2 repaired"))) return true;
  return /POST|expects/.test(request) && operations.some(([name, what]) => name === "destroy" && what === "req");
}

function ownBreaches(seen: Observation, response: ParsedResponse): string[] {
  const found = shapeBreaches(response);
  const { run, program, records, incidents } = seen;
  const outcome = records[0]?.outcome;
  if (!response.complete) {
    if (endsBehindEnd(seen, response) || isResetBehindEnd(seen)) return found;
    if (outcome !== "torn down") found.push(`cut: an incomplete response that counts as ${outcome}`);
    const [problem] = response.problems.filter(({ code }) => INCOMPLETE.has(code));
    if (problem?.code === "incomplete-header-section" || problem?.code === "incomplete-status-line")
      found.push(`cut: ${problem.message}`);
    return found;
  }
  if (outcome === "torn down" && program.request !== "half-closes" && !readsNoFile(program))
    found.push("falsely complete: a response that was torn down");
  if (outcome === "replaced") found.push(...fallbackBreaches(response));
  // Content beyond what was announced, when all of that was out: there was nothing left to take back.
  const isBeyond = outcome === "repaired" && incidents.includes("MC-7 repaired");
  if ((outcome === "intact" || outcome === "repaired") && !isBeyond)
    found.push(...contentBreaches(run, program, response));
  return found;
}

/** Newer versions of Node may end the stream of a file they cannot read, and reset it behind that. */
function readsNoFile({ operations }: Program): boolean {
  return operations.some(([name, how]) => name === "file" && how === "closed descriptor");
}

/**
 * Whether the app has reset the connection behind the end of its response, which is over for the guard as well: what the
 * system has not sent by then is lost, and what a client that is still sending has not read.
 */
function isResetBehindEnd({ program, run, result, records }: Observation): boolean {
  const isEnded = run.ended || program.operations.some(([name, how]) => name === "pipe" && how === "big");
  const resets = program.operations.some(([name, what]) => name === "destroy" && what === "socket reset");
  return isEnded && resets && result.end === "reset" && records[0]?.outcome === "intact";
}

/**
 * Whether the app has ended the stream behind all of its content, and in front of END_STREAM. Node then leaves that out,
 * without the guard as with it: with an error, or with NO_ERROR behind content that is whole.
 */
function endsBehindEnd({ run, result }: Observation, response: ParsedResponse): boolean {
  if (!("ends" in result) || !(run.ended || run.otherContent)) return false;
  const isReset = response.problems.every(
    ({ code }) => code === "reset-without-error" || code === "incomplete-content",
  );
  return isReset && (run.otherContent || response.content.equals(Buffer.concat(run.content)));
}

function shapeBreaches(response: ParsedResponse): string[] {
  const { status } = response;
  const found: string[] = [];
  if (status < 200 || status > 599) found.push(`status: ${status}`);
  if (status === 502 || status === 504 || (status >= 520 && status <= 530)) {
    // the edge takes 520 for an app's own status as well as for one of its own
    if (status === 502 || status === 504) found.push(`status: ${status}`);
  }
  const octets = response.fields.reduce(
    (sum, [name, value]) => sum + name.length + value.length + 4,
    response.reason.length,
  );
  if (octets > 131_072) found.push(`header section: ${octets} octets`);
  if (response.fields.length > 256) found.push(`header section: ${response.fields.length} lines`);
  return found;
}

function fallbackBreaches(response: ParsedResponse): string[] {
  const found: string[] = [];
  if (response.status < 400) found.push(`fallback: with status ${response.status}`);
  for (const name of ["content-encoding", "etag", "content-range", "last-modified", "trailer"]) {
    if (response.field(name) !== undefined) found.push(`fallback: with ${name}`);
  }
  if (/public|max-age=[1-9]/.test(response.field("cache-control") ?? "")) found.push("fallback: cacheable");
  if (/secret/.test(response.text())) found.push("fallback: with the message of the error");
  return found;
}

/** A complete response of the app has all of the content the app has written, and the app has ended it. */
function contentBreaches(run: Run, program: Program, response: ParsedResponse): string[] {
  if (program.request === "HEAD" || run.touchedSocket || run.otherContent) return [];
  const { status, content } = response;
  const written = Buffer.concat(run.content);
  // A thrown 404 is the app's answer in other words, and no incident.
  if (status === 404 && run.threw404) return [];
  // What was announced is there; the app has only not said that it is done.
  const isWhole =
    status === 204 || status === 205 || status === 304 || response.field("content-length") === String(written.length);
  if (isWhole && content.equals(written)) return [];
  if (run.frameworkAnswers && (!run.ended || !content.equals(written))) {
    const text = content.toString("latin1");
    return run.content.some((chunk) => chunk.length > 0 && text.includes(chunk.toString("latin1")))
      ? ["falsely complete: the app's content in part, in an answer of the framework"]
      : [];
  }
  if (!run.ended && !isWhole)
    return [`falsely complete: ${status} with ${content.length} octets, and the app never ended it`];
  if (status === 204 || status === 205 || status === 304) return [];
  return content.equals(written) ? [] : [`content: ${content.length} octets, and the app wrote ${written.length}`];
}

/** `/ok` and `/first` have their own exact answers. */
function otherBreaches(seen: Observation, response: ParsedResponse, target: string, index: number): string[] {
  const found = shapeBreaches(response);
  const right = response.complete && response.status === 200 && response.text() === `ok ${target}`;
  if (right) return found;
  // A program that meddles with the socket itself may meet another request there; that one is answered all the same.
  if (seen.run.touchedSocket && response.complete) return found;
  const shown = `${response.status} ${JSON.stringify(response.text().slice(0, 40))}${response.complete ? "" : ", incomplete"}`;
  return [...found, `neighbour: request ${index + 1}, ${target.split("/")[1]}, was answered ${shown}`];
}

function recordBreaches(
  { program, records, incidents, run, result }: Observation,
  response: ParsedResponse | undefined,
): string[] {
  if (!run.started) return [];
  const isOverHttp2 = "ends" in result;
  // Behind a GOAWAY of its own Node may leave a stream open until the end of its session, and notice late who has left.
  const isLate = GIVES_UP.has(program.request) || program.operations.some(([name]) => name === "session");
  if (records.length === 0 && isOverHttp2 && isLate) return [];
  // It never closes a stream of its own accord that has failed behind a whole answer.
  const isOwn = !incidents.some((incident) => /replaced|torn down/.test(incident));
  if (records.length === 0 && isOverHttp2 && response?.complete && isOwn) return [];
  if (records.length !== 1) return [`record: ${records.length} request records`];
  const [record] = records;
  if (response?.complete && record?.status !== response.status)
    return [`record: status ${record?.status}, and ${response.status} went out`];
  // A client that has half-closed counts as gone, though what goes out all the same may still be read. Over HTTP/2 the
  // app may have given the stream up behind the answer.
  if (response?.complete && record?.outcome === "client gone" && program.request !== "half-closes" && !isOverHttp2)
    return ["record: client gone, and the response is complete"];
  return [];
}

/** What a stream callback throws ends the process of a bare app too; crashes are no part of this test. */
function isCrash(error: unknown): boolean {
  return error instanceof Error && /node:internal\/streams\/(?:readable|pipeline)/.test(error.stack ?? "");
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const place =
    error.stack
      ?.split("\n")
      .filter((line) => line.includes("    at "))
      .slice(0, 4)
      .map((line) => line.trim())
      .join(" < ") ?? "";
  return `${(error as NodeJS.ErrnoException).code ?? error.name} ${error.message} ${place}`;
}

type Result = ExchangeResult & Partial<Http2Result>;

/**
 * An error with which the app has destroyed a request of the compatibility API, for which nobody listens: Node throws it,
 * and over HTTP/1.1 it does not.
 */
function isOwnError(error: unknown, { result }: Observation): boolean {
  return "ends" in result && error instanceof Error && error.message === "destroyed by the program";
}

/** What must be the same with and without the guard, for a program without a fault. */
export function differences(bare: Result, guarded: Result): string[] {
  // Bare Node resets a connection whose client still sends, and the answer with it.
  if (bare.problems.length > 0) return [];
  const found: string[] = [];
  if (bare.responses.length !== guarded.responses.length)
    found.push(`${guarded.responses.length} responses, bare ${bare.responses.length}`);
  for (const [index, expected] of bare.responses.entries()) {
    const response = guarded.responses[index];
    if (response === undefined || expected === undefined) break;
    const [a, b] = [essence(expected), essence(response)];
    for (const key of Object.keys(a) as (keyof typeof a)[]) {
      if (a[key] !== b[key])
        found.push(`${key} of response ${index + 1}: ${b[key]?.slice(0, 200)}, bare ${a[key]?.slice(0, 200)}`);
    }
  }
  if (bare.end !== guarded.end) found.push(`end: ${guarded.end}, bare ${bare.end}`);
  // A reset behind the end may still be on its way.
  const [own, others] = [bare, guarded].map(({ ends }) => JSON.stringify(ends?.map((end) => end.split(" ")[0])));
  if (own !== others) found.push(`ends: ${others}, bare ${own}`);
  return found;
}

function essence(
  response: ParsedResponse,
): Record<"statusLine" | "fields" | "content" | "trailers" | "interim" | "problems" | "framing", string> {
  const fields = response.fields.map(([name, value]) =>
    name.toLowerCase() === "date" && !value.includes("1994") ? [name, "now"] : [name, value],
  );
  return {
    statusLine: `${response.version} ${response.status} ${response.reason}`,
    fields: JSON.stringify(fields),
    content: `${response.content.length} ${response.content.toString("latin1").replaceAll("/g/", "/b/")}`,
    trailers: JSON.stringify(response.trailers),
    interim: JSON.stringify(response.interim),
    problems: JSON.stringify(response.problems.map(({ code }) => code)),
    framing: `${response.framing} ${response.complete}`,
  };
}
