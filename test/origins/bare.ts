import { parseArgs } from "node:util";
import { jobsFor, runJobs } from "./pool.js";
import type { Framework } from "./scenario.js";
import { GROUPS } from "./scenarios/index.js";

/**
 * Shows what a framework does with every scenario when nothing guards it, in one word each, and counts the words.
 * `--guarded` runs with the guard instead, `--only` takes a part of a name or a group, `--wrong` prints only what is
 * not fine, `--why` adds the reasons.
 */
const { values } = parseArgs({
  options: {
    framework: { type: "string", default: "node" },
    guarded: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    wrong: { type: "boolean", default: false },
    why: { type: "boolean", default: false },
    workers: { type: "string", default: "6" },
    json: { type: "boolean", default: false },
  },
});

const framework = values.framework as Framework;
const scenarios = new Map(GROUPS.flatMap((group) => group.scenarios).map((scenario) => [scenario.name, scenario]));
const jobs = jobsFor(framework, values.guarded).filter(({ name }) => name.includes(values.only) || scenarios.get(name)?.group === values.only);
const verdicts = await runJobs(jobs, Number(values.workers));

const counts: Record<string, number> = {};
let surprises = 0;
const rows = [];
for (const job of jobs) {
  const verdict = verdicts.get(job.id);
  const scenario = scenarios.get(job.name);
  if (verdict === undefined || scenario === undefined) continue;
  counts[verdict.word] = (counts[verdict.word] ?? 0) + 1;
  const surprising = values.guarded ? verdict.word !== "fine" : (verdict.word === "fine") !== (scenario.control === true);
  if (surprising) surprises++;
  rows.push({ ...job, group: scenario.group, control: scenario.control === true, ...verdict });
  if (values.json || (values.wrong && !surprising)) continue;
  const mark = scenario.control ? " (control)" : "";
  console.log(`${verdict.word.padEnd(10)} ${scenario.group.padEnd(14)} ${job.variant.padEnd(12)} ${job.name}${mark}`);
  if (values.why && verdict.word !== "fine") {
    for (const reason of verdict.wrong) console.log(`             ${reason}`);
    if (verdict.received) console.log(`             ${JSON.stringify(verdict.received.slice(0, 200))} ${verdict.incidents.join(", ")}`);
  }
}
if (values.json) console.log(JSON.stringify(rows));
console.error(`${framework}: ${jobs.length} runs`, counts, `${surprises} not as expected`);
