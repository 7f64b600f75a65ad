import fc from "fast-check";
import { type ExchangeRequest, type ExchangeResult, exchange } from "../../src/testing/index.js";
import { exchangeHttp2 } from "./http2-client.js";
import { currentRun, Run } from "./interpreter.js";
import { type Framework, incidents, isHttp2, isSecure, type Origin, records, startOrigin } from "./origins.js";
import { anyHttp2Program, anyProgram, type Program } from "./program.js";
import { breaches, differences, type Observation } from "./verdict.js";

/** Programs under way at once on one server, so that their waits overlap. */
const CONCURRENCY = 16;

let counter = 0;

/** Runs one program on a server, over a connection of its own. */
export async function runProgram(origin: Origin, program: Program, name = String(++counter)): Promise<Observation> {
  const run = new Run(program);
  origin.runs.set(name, run);
  const { requests, pipeline, halfClose, late, act } = requestsFor(program, name);
  const { port, framework } = origin;
  const result = isHttp2(framework)
    ? await exchangeHttp2(port, requests, { secure: isSecure(framework), pipeline, late, act, timeoutMs: 5000 })
    : await exchange({ host: "127.0.0.1", port }, requests, {
        timeoutMs: 5000,
        keepOpenMs: 5,
        pipeline,
        halfClose,
        ...(late ? { writes: { chunkOctets: 100, delayMs: 10 } } : {}),
      });
  await Promise.race([run.done, new Promise((resolve) => setTimeout(resolve, run.started ? 400 : 0))]);
  run.stop();
  origin.runs.delete(name);
  const target = `/p/${name}`;
  // The fate of a response is known when the last octet has been acknowledged, which may be after it was read.
  for (let n = 0; n < 50 && run.started && origin.guard !== undefined && !records.has(target); n++)
    await new Promise((resolve) => setTimeout(resolve, 5));
  const observation: Observation = {
    program,
    run,
    result,
    targets: requests.map(({ path = "" }) => path),
    records: records.get(target) ?? [],
    incidents: incidents.get(target) ?? [],
    uncaught: uncaught.get(run) ?? [],
  };
  if (origin.guard !== undefined) {
    for (const { path = "" } of requests) {
      records.delete(path);
      incidents.delete(path);
    }
  }
  return observation;
}

function requestsFor(
  { request }: Program,
  name: string,
): {
  requests: ExchangeRequest[];
  pipeline: boolean;
  halfClose: boolean;
  late: boolean;
  act?: "cancels" | "pauses" | "leaves";
} {
  const own: ExchangeRequest = { path: `/p/${name}` };
  const ok: ExchangeRequest = { path: `/ok/${name}` };
  const first: ExchangeRequest = { path: `/first/${name}` };
  const type = { "Content-Type": "text/plain" };
  const plain = { requests: [own, ok], pipeline: false, halfClose: false, late: false };
  switch (request) {
    case "GET":
      return plain;
    case "HEAD":
      return { ...plain, requests: [{ ...own, method: "HEAD" }, ok] };
    case "POST":
      return { ...plain, requests: [{ ...own, method: "POST", headers: type, body: "sent" }, ok] };
    case "POST in pieces":
      return {
        ...plain,
        requests: [{ ...own, method: "POST", headers: type, body: "sent".repeat(60) }, ok],
        late: true,
      };
    case "POST unfinished":
      return {
        ...plain,
        requests: [{ ...own, method: "POST", headers: { ...type, "Content-Length": "40" }, body: "sent" }],
      };
    case "POST chunked":
      return {
        ...plain,
        requests: [
          {
            ...own,
            method: "POST",
            headers: { ...type, "Transfer-Encoding": "chunked" },
            body: "4\r\nsent\r\n0\r\n\r\n",
          },
          ok,
        ],
      };
    case "HTTP/1.0":
      return { ...plain, requests: [{ ...own, version: "1.0" }] };
    case "HTTP/1.0 keep-alive":
      return { ...plain, requests: [{ ...own, version: "1.0", headers: { Connection: "keep-alive" } }, ok] };
    case "pipelined in front":
      return { ...plain, requests: [own, ok], pipeline: true };
    case "POST pipelined in front":
      return { ...plain, requests: [{ ...own, method: "POST", headers: type, body: "sent" }, ok], pipeline: true };
    case "pipelined behind":
      return { ...plain, requests: [first, own, ok], pipeline: true };
    case "expects 100":
      return {
        ...plain,
        requests: [{ ...own, method: "POST", headers: { ...type, Expect: "100-continue" }, body: "sent" }, ok],
      };
    case "closes":
      return { ...plain, requests: [{ ...own, headers: { Connection: "close" } }] };
    case "half-closes":
      return { ...plain, requests: [own], halfClose: true };
    case "cancels":
    case "pauses":
      return { ...plain, act: request };
    case "leaves":
      return { ...plain, requests: [own], act: request };
  }
}

// -- errors nobody catches -----------------------------------------------------------------------------------------

const uncaught = new Map<Run, unknown[]>();
/** Errors that could not be told to belong to a run. */
export const strayErrors: unknown[] = [];

/** Collects what would have ended the process. @returns a function that restores the listeners that were there */
export function catchAll(): () => void {
  const note = (error: unknown) => {
    // Node's session of a client whose connection has ended meanwhile.
    if (error instanceof Error && /js_stream_socket/.test(error.stack ?? "")) return;
    const run = currentRun.getStore();
    if (run === undefined) strayErrors.push(error);
    else uncaught.set(run, [...(uncaught.get(run) ?? []), error]);
  };
  Error.stackTraceLimit = 40; // to see whose frame it was
  const events = ["uncaughtException", "unhandledRejection"] as const;
  const before = events.map((event) => process.listeners(event as "uncaughtException"));
  for (const event of events) {
    process.removeAllListeners(event);
    process.on(event as "uncaughtException", note);
  }
  return () => {
    for (const [index, event] of events.entries()) {
      process.removeAllListeners(event);
      for (const listener of before[index] ?? []) process.on(event as "uncaughtException", listener);
    }
  };
}

// -- campaigns -----------------------------------------------------------------------------------------------------

export type Failed = {
  index: number;
  program: Program;
  breaches: string[];
  octets: string;
  incidents: readonly string[];
};

/** What Node 20 reads of a file for a stream that is gone now and then ends the process. */
const SENDS_FILES = !process.versions.node.startsWith("20.");

export function anyProgramFor(framework: Framework): fc.Arbitrary<Program> {
  if (!isHttp2(framework)) return anyProgram;
  if (SENDS_FILES) return anyHttp2Program;
  return anyHttp2Program.filter(({ operations }) => !operations.some(([name]) => name === "file"));
}

/** The `count` programs that a seed stands for. */
export function programsOf(seed: number, count: number, arbitrary: fc.Arbitrary<Program> = anyProgram): Program[] {
  return fc.sample(arbitrary, { seed, numRuns: count });
}

/** Calls `act` for every item, some at once. */
export async function forEach<T>(
  items: readonly T[],
  act: (item: T, index: number) => Promise<void>,
  concurrency = CONCURRENCY,
): Promise<void> {
  let next = 0;
  const work = async () => {
    for (let index = next++; index < items.length; index = next++) await act(items[index] as T, index);
  };
  await Promise.all(Array.from({ length: concurrency }, work));
}

/** Runs programs and returns those that broke the promise. */
export async function findFailures(origin: Origin, programs: readonly Program[]): Promise<Failed[]> {
  const failures: Failed[] = [];
  await forEach(programs, async (program, index) => {
    const failed = await judge(origin, program, index);
    if (failed !== undefined) failures.push(failed);
  });
  return failures;
}

export async function judge(origin: Origin, program: Program, index = 0): Promise<Failed | undefined> {
  const observation = await runProgram(origin, program);
  const found = breaches(observation);
  if (found.length === 0) return undefined;
  return {
    index,
    program,
    breaches: found,
    octets: observation.result.octets.toString("latin1").slice(0, 600),
    incidents: observation.incidents,
  };
}

/** The smallest program with the same kind of breach that fast-check finds in the time. */
export async function shrink(origin: Origin, failed: Failed, seed: number, timeMs: number): Promise<Failed> {
  const kind = kindOf(failed);
  let smallest = failed;
  const property = fc.asyncProperty(anyProgramFor(origin.framework), async (program) => {
    const again = await judge(origin, program, failed.index);
    if (again === undefined || kindOf(again) !== kind) return;
    smallest = again;
    throw new Error(kind);
  });
  await fc.check(property, {
    seed,
    path: String(failed.index),
    numRuns: failed.index + 1,
    interruptAfterTimeLimit: timeMs,
    endOnFailure: false,
  });
  return smallest;
}

export function kindOf({ breaches: found }: Failed): string {
  return found[0]?.split(":")[0] ?? "";
}

/** Runs a program with and without the guard, and tells what differs. */
export async function compare(bare: Origin, guarded: Origin, program: Program): Promise<string[]> {
  const name = String(++counter);
  const [without, with_] = await Promise.all([runProgram(bare, program, name), runProgram(guarded, program, name)]);
  return [...differences(without.result as ExchangeResult, with_.result), ...breaches(with_)];
}

/** Whether every request and connection of a server has come to its end. */
export async function leftovers(origin: Origin): Promise<string[]> {
  const found: string[] = [];
  // Behind a GOAWAY of its own Node keeps a connection open that the client has left.
  if (isHttp2(origin.framework)) for (const socket of origin.sockets) socket.destroy();
  for (let n = 0; n < 60; n++) {
    found.length = 0;
    const connections = await new Promise<number>((resolve) =>
      origin.server.getConnections((_error, count) => resolve(count)),
    );
    const inFlight = origin.guard?.stats().inFlight ?? 0;
    if (inFlight !== 0) found.push(`${inFlight} requests count as under way`);
    if (connections !== 0) found.push(`${connections} connections are open`);
    if (found.length === 0) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return found;
}

export { type Framework, type Origin, startOrigin };
