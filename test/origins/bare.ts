import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { RECORD, recorded } from "./bare-http2.js";
import type { Word } from "./judge.js";
import { isOwnOf, jobsFor, runJobs } from "./pool.js";
import { RIGHT_BARE } from "./right-bare.js";
import { FRAMEWORKS, type Framework, type Protocol } from "./scenario.js";
import { GROUPS } from "./scenarios/index.js";
import type { Verdict } from "./suite.js";
import type { Job } from "./worker.js";

/**
 * Shows what a framework does with every scenario when nothing guards it, in one word each, and counts the words.
 * `--guarded` runs with the guard instead, `--only` takes a group or part of a name, `--wrong` prints only what is not
 * as expected, `--why` adds the reasons, `--json` prints everything. `--record` runs every framework and writes down
 * which scenarios all of them get right.
 */
const { values } = parseArgs({
  options: {
    framework: { type: "string", default: "node" },
    protocol: { type: "string", default: "http/1.1" },
    guarded: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    wrong: { type: "boolean", default: false },
    why: { type: "boolean", default: false },
    workers: { type: "string", default: "6" },
    json: { type: "boolean", default: false },
    record: { type: "boolean", default: false },
  },
});

const scenarios = new Map(GROUPS.flatMap((group) => group.scenarios).map((scenario) => [scenario.name, scenario]));
const groupOf = (name: string) => scenarios.get(name)?.group ?? "";
const isControl = (name: string) => scenarios.get(name)?.control === true;

if (values.record) await record();
else await show(values.framework as Framework);

async function run(framework: Framework): Promise<[Job, Verdict][]> {
  const jobs = jobsFor(framework, values.guarded, values.protocol as Protocol).filter(
    ({ name, variant }) =>
      (name.includes(values.only) || groupOf(name) === values.only) &&
      (!values.record ||
        values.protocol === "http/1.1" ||
        (variant === "plain" && isOwnOf(scenarios.get(name), framework))),
  );
  const verdicts = await runJobs(jobs, Number(values.workers));
  return jobs.flatMap((job) => {
    const verdict = verdicts.get(job.id);
    return verdict === undefined ? [] : [[job, verdict] as [Job, Verdict]];
  });
}

async function show(framework: Framework): Promise<void> {
  const results = await run(framework);
  const counts: Record<string, number> = {};
  let surprises = 0;
  for (const [{ name, variant }, verdict] of results) {
    counts[verdict.word] = (counts[verdict.word] ?? 0) + 1;
    const right = verdict.word === "fine";
    const surprising = values.guarded ? !right : isControl(name) ? !right : RIGHT_BARE.has(name) && !right;
    if (surprising) surprises++;
    if (values.json || (values.wrong && !surprising)) continue;
    const mark = isControl(name) ? " (control)" : RIGHT_BARE.has(name) ? " (right bare)" : "";
    console.log(`${verdict.word.padEnd(10)} ${groupOf(name).padEnd(15)} ${variant.padEnd(12)} ${name}${mark}`);
    if (values.why && !right) console.log(reasons(verdict));
  }
  if (values.json)
    console.log(
      JSON.stringify(
        results.map(([job, verdict]) => ({
          ...job,
          group: groupOf(job.name),
          control: isControl(job.name),
          ...verdict,
        })),
      ),
    );
  console.error(`${framework}: ${results.length} runs`, counts, `${surprises} not as expected`);
}

function reasons({ wrong, received, incidents }: Verdict): string {
  const seen = received === "" ? [] : [`${JSON.stringify(received.slice(0, 200))} ${incidents.join(", ")}`];
  return [...wrong, ...seen].map((line) => `             ${line}`).join("\n");
}

async function record(): Promise<void> {
  if (values.protocol !== "http/1.1") return recordHttp2();
  const wrong = new Set<string>();
  const seen = new Set<string>();
  for (const framework of FRAMEWORKS) {
    for (const [{ name }, { word }] of await run(framework)) {
      seen.add(name);
      if (word !== "fine" || isControl(name)) wrong.add(name);
    }
  }
  const right = [...seen].filter((name) => !wrong.has(name)).sort();
  writeFileSync(
    new URL("right-bare.json", import.meta.url),
    `${JSON.stringify(right, null, 0).replaceAll('","', '",\n"')}\n`,
  );
  console.error(`${right.length} of ${seen.size} scenarios are right without the guard`);
}

/** With `--only`, the rest stays as it was recorded. */
async function recordHttp2(): Promise<void> {
  const words = new Map<string, Partial<Record<Framework, Word>>>();
  for (const framework of FRAMEWORKS) {
    for (const [{ name }, { word }] of await run(framework)) words.set(name, { ...words.get(name), [framework]: word });
  }
  const lines = new Map<string, unknown>(Object.entries(recorded).filter(([name]) => scenarios.has(name)));
  for (const [name, each] of words) {
    const [one, ...others] = new Set(Object.values(each));
    lines.set(name, others.length === 0 ? one : each);
  }
  const text = [...lines].sort().map(([name, word]) => `${JSON.stringify(name)}: ${JSON.stringify(word)}`);
  writeFileSync(RECORD, `{\n${text.join(",\n")}\n}\n`);
}
