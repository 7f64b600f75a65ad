import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  anyProgramFor,
  catchAll,
  compare,
  findFailures,
  forEach,
  kindOf,
  leftovers,
  programsOf,
  runProgram,
  shrink,
  strayErrors,
} from "./campaign.js";
import { FRAMEWORKS, type Framework, HTTP2_FRAMEWORKS, isHttp2, isSecure, startOrigin } from "./origins.js";
import { cleanHttp2Program, cleanProgram } from "./program.js";
import { differences } from "./verdict.js";

/** Programs in all, over every framework; RAYGUARD_PROGRAMS=100000 for the longer run. */
const PROGRAMS = Number(process.env.RAYGUARD_PROGRAMS ?? 6000);
/** The same programs in every run, so that a failure belongs to the change; RAYGUARD_SEED=$RANDOM looks for new ones. */
const SEED = Number(process.env.RAYGUARD_SEED ?? 520);
/** Those of some frameworks alone: RAYGUARD_FRAMEWORK=HTTP/2. */
const ONLY = process.env.RAYGUARD_FRAMEWORK;
const ALL: readonly Framework[] = [...FRAMEWORKS, ...HTTP2_FRAMEWORKS].filter((one) => one.includes(ONLY ?? ""));
const SHARE = Math.ceil(PROGRAMS / (ONLY === undefined ? FRAMEWORKS.length : ALL.length));
/** What is below TLS is the same without; of HTTP/2 a few are run beside the others, and all where they are asked for. */
const each = (framework: Framework) => {
  const share = isHttp2(framework) && ONLY === undefined ? SHARE / 8 : SHARE;
  return Math.ceil(isSecure(framework) ? share / 3 : share);
};
/** Programs without a fault run twice, bare and guarded. */
const cleanEach = (framework: Framework) => Math.ceil(each(framework) / 5);
const TIMEOUT_MS = 60_000 + PROGRAMS * 25;
/** Kinds of breach that are made smaller for the report, and the time each may take. */
const SHRUNK = 3;
const SHRINK_MS = 10_000;

console.log(`${PROGRAMS} programs, RAYGUARD_SEED=${SEED}, Node ${process.versions.node}`);

let restore: () => void;
beforeAll(() => {
  restore = catchAll();
});
afterAll(() => {
  restore();
  // Errors that nobody caught, and that could not be told to belong to a program.
  expect(strayErrors.map((error) => (error instanceof Error ? error.stack : error))).toEqual([]);
});

const seedOf = (framework: Framework) => SEED + [...FRAMEWORKS, ...HTTP2_FRAMEWORKS].indexOf(framework as never);

describe("any program of response operations", () => {
  it.concurrent.each(ALL)(
    "shows nothing but the outcomes of the promise: %s",
    async (framework) => {
      const origin = await startOrigin(framework, true);
      const seed = seedOf(framework);
      const failures = await findFailures(origin, programsOf(seed, each(framework), anyProgramFor(framework)));
      const kinds = new Map(failures.map((failed) => [kindOf(failed), failed]));
      const smallest = await Promise.all(
        [...kinds.values()].slice(0, SHRUNK).map((failed) => shrink(origin, failed, seed, SHRINK_MS)),
      );
      const report = smallest.map(({ program, breaches, incidents, octets }) => ({
        program: JSON.stringify(program),
        breaches,
        incidents,
        octets,
      }));
      expect(
        report,
        `${failures.length} of ${each(framework)} programs broke the promise on ${framework}; RAYGUARD_SEED=${SEED}`,
      ).toEqual([]);
      expect(await leftovers(origin)).toEqual([]);
      await origin.close();
    },
    TIMEOUT_MS,
  );
});

describe("a program without a fault", () => {
  it.concurrent.each(ALL)(
    "answers the same with the guard as without: %s",
    async (framework) => {
      const [bare, guarded] = await Promise.all([startOrigin(framework, false), startOrigin(framework, true, 5000)]);
      const different: unknown[] = [];
      const clean = isHttp2(framework) ? cleanHttp2Program : cleanProgram;
      await forEach(programsOf(seedOf(framework), cleanEach(framework), clean), async (program) => {
        const found = await compare(bare, guarded, program);
        if (found.length > 0) different.push({ program: JSON.stringify(program), found });
      });
      expect(
        different.slice(0, 3),
        `${different.length} of ${cleanEach(framework)} programs answered otherwise on ${framework}; RAYGUARD_SEED=${SEED}`,
      ).toEqual([]);
      expect(await leftovers(guarded)).toEqual([]);
      await leftovers(bare);
      await Promise.all([bare.close(), guarded.close()]);
    },
    TIMEOUT_MS,
  );
});

describe("the comparison itself", () => {
  it("tells different responses apart", async () => {
    const origin = await startOrigin("node", false);
    const [one, other] = await Promise.all([
      runProgram(origin, { request: "GET", style: "callback", lenient: false, operations: [["end", "text"]] }),
      runProgram(origin, { request: "GET", style: "callback", lenient: false, operations: [["end", "buffer"]] }),
    ]);
    expect(differences(one.result, other.result)).not.toEqual([]);
    await origin.close();
  });
});
