import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { BUDGETS } from "../budgets.js";
import type { Flags } from "../flags.js";
import { progress } from "../progress.js";
import type { Row } from "../report.js";
import { median } from "../statistics.js";
import type { Framework } from "../variants.js";

const SCRIPT = fileURLToPath(new URL("../origins/cold-import.js", import.meta.url));

/** Pairs of processes: enough for a median that repeats within a millisecond. */
const PAIRS = 21;

/** Time to import the framework and its adapter, over the framework alone. */
export async function importRows(framework: Framework, { node }: Flags): Promise<Row[]> {
  const alone: number[] = [];
  const both: number[] = [];
  progress(`${framework}: cold import, ${PAIRS} pairs of processes`);
  await importOnce([framework, `rayguard/${framework}`], node); // the files come from the disk the first time
  for (let pair = 0; pair < PAIRS; pair++) {
    alone.push(await importOnce([framework], node));
    both.push(await importOnce([framework, `rayguard/${framework}`], node));
  }
  const values = both.map((time, pair) => time - (alone[pair] as number));
  return [
    {
      framework,
      what: `cold import of rayguard/${framework} over ${framework}`,
      value: median(values),
      unit: "ms",
      detail: `${median(both).toFixed(1)} - ${median(alone).toFixed(1)}`,
      budget: BUDGETS.import[framework],
      values,
    },
  ];
}

async function importOnce(specifiers: string[], node: string): Promise<number> {
  const env = { ...process.env, NODE_ENV: "production", NODE_OPTIONS: "" };
  const child = fork(SCRIPT, specifiers, { execPath: node, execArgv: [], env });
  const gone = once(child, "exit");
  const [ms] = (await once(child, "message")) as [number];
  await gone;
  return ms;
}
