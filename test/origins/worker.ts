import { loadRayguard } from "../helpers/origins.js";
import type { Framework, Protocol, Variant } from "./scenario.js";
import { GROUPS } from "./scenarios/index.js";
import { runScenario, type Verdict, watchProcess } from "./suite.js";

/** One run of a scenario, named so that it can cross to another process. */
export type Job = {
  id: number;
  name: string;
  framework: Framework;
  protocol: Protocol;
  variant: Variant;
  guarded: boolean;
};
/** It has been started, with all that it takes loaded. */
export type Started = { id: number };
export type Done = { id: number; verdict: Verdict };

const byName = new Map(GROUPS.flatMap(({ scenarios }) => scenarios).map((scenario) => [scenario.name, scenario]));

// What the origins print about their own faults would hide the verdicts.
console.error = console.warn = () => {};
watchProcess();
process.on("warning", () => {});

let rayguard: Awaited<ReturnType<typeof loadRayguard>> | undefined;
process.on("message", async (job: Job) => {
  const scenario = byName.get(job.name);
  if (scenario === undefined) throw new Error(`There is no scenario "${job.name}".`);
  if (job.guarded) rayguard ??= await loadRayguard(job.framework);
  process.send?.({ id: job.id } satisfies Started);
  let verdict: Verdict;
  try {
    verdict = await runScenario({ ...job, scenario, rayguard: job.guarded ? rayguard : undefined });
  } catch (error) {
    verdict = { word: "wrong", wrong: [`the runner failed: ${(error as Error)?.stack}`], incidents: [], received: "" };
  }
  process.send?.({ id: job.id, verdict } satisfies Done);
});
