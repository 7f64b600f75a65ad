import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { isRightBareOverHttp2 } from "./bare-http2.js";
import { RIGHT_BARE } from "./right-bare.js";
import type { Framework, Protocol, Scenario } from "./scenario.js";
import { GROUPS } from "./scenarios/index.js";
import { type Verdict, variantsOf } from "./suite.js";
import type { Done, Job, Started } from "./worker.js";

const WORKER = fileURLToPath(new URL("worker.ts", import.meta.url));
/** A run that takes longer has hung the whole process. */
const RUN_TIMEOUT_MS = 20_000;

/**
 * Longest time for a process to come up. Where many do at once, each takes long, and to end one for that would have another
 * come up in its place.
 */
const START_TIMEOUT_MS = 120_000;

/** Groups in which a hijacked Fastify reply fares differently from `reply.raw` alone. */
const HIJACK_MATTERS = /^(hanging|throwing|misuse|streams)/;

/**
 * The runs of every test run: what fails without the guard, and the controls. `RAYGUARD_ORIGINS=all` adds the
 * scenarios that are right without it, and hijacked replies where they make no difference.
 */
export function everyDayJobs(framework: Framework): Job[] {
  const jobs = jobsFor(framework, true);
  if (process.env.RAYGUARD_ORIGINS === "all") return jobs;
  const groupOf = new Map(GROUPS.flatMap(({ group, scenarios }) => scenarios.map(({ name }) => [name, group])));
  return jobs.filter(
    ({ name, variant }) =>
      !RIGHT_BARE.has(name) && (variant !== "hijacked" || HIJACK_MATTERS.test(groupOf.get(name) ?? "")),
  );
}

/**
 * The same over HTTP/2. Of several frameworks each takes its turn, and so does TLS. What stands below a framework runs on
 * `node` alone: it meets the same streams on all of them. `RAYGUARD_ORIGINS=all` leaves nothing out.
 */
export function everyDayHttp2Jobs(...frameworks: Framework[]): Job[] {
  const scenarios = new Map(GROUPS.flatMap((group) => group.scenarios).map((scenario) => [scenario.name, scenario]));
  const isAll = process.env.RAYGUARD_ORIGINS === "all";
  const isWanted = ({ name, framework }: Job) => {
    const scenario = scenarios.get(name) as Scenario;
    const isControl = scenario.control === true && scenario.http2?.control !== false;
    return (isControl || !isRightBareOverHttp2(name)) && isOwnOf(scenario, framework);
  };
  const jobs = frameworks.flatMap((framework, turn) => {
    const each = (protocol: Protocol) => jobsFor(framework, true, protocol);
    if (isAll) return [...each("h2c"), ...each("h2")];
    const own = each("h2c").filter((job, at) => isWanted(job) && at % frameworks.length === turn);
    return own.map((job, at): Job => ({ ...job, protocol: at % 2 === 0 ? "h2c" : "h2" }));
  });
  return jobs.map((job, id) => ({ ...job, id }));
}

/** Whether a scenario is to run on a framework over HTTP/2 where what stands below frameworks runs on one of them. */
export function isOwnOf(scenario: Scenario | undefined, framework: Framework): boolean {
  const { origin, on } = scenario ?? {};
  return origin === undefined || framework === "node" || on?.includes("node") === false;
}

/** Every run of every scenario on a framework. */
export function jobsFor(framework: Framework, guarded: boolean, protocol: Protocol = "http/1.1"): Job[] {
  const scenarios = GROUPS.flatMap((group) => group.scenarios);
  return scenarios
    .flatMap((scenario) =>
      variantsOf(scenario, framework, protocol).map((variant) => ({ name: scenario.name, variant })),
    )
    .map((job, id) => ({ ...job, id, framework, protocol, guarded }));
}

/**
 * Runs jobs in child processes, one at a time in each, so that what an origin does to its process harms no other.
 * @returns the verdicts, by the id of the job.
 */
export async function runJobs(jobs: readonly Job[], workers = 6): Promise<Map<number, Verdict>> {
  const verdicts = new Map<number, Verdict>();
  const queue = [...jobs];
  await Promise.all(Array.from({ length: Math.min(workers, jobs.length) }, () => work(queue, verdicts)));
  return verdicts;
}

async function work(queue: Job[], verdicts: Map<number, Verdict>): Promise<void> {
  let child: ChildProcess | undefined;
  for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
    child ??= start();
    const verdict = await runOne(child, job);
    verdicts.set(job.id, verdict);
    if (!child.connected) child = undefined;
  }
  child?.disconnect();
  child?.kill();
}

function start(): ChildProcess {
  return fork(WORKER, [], {
    execArgv: ["--import", "tsx"],
    stdio: ["ignore", "ignore", process.env.RAYGUARD_ORIGINS_STDERR ? "inherit" : "ignore", "ipc"],
    env: { ...process.env, NODE_ENV: "production" },
  });
}

function runOne(child: ChildProcess, job: Job): Promise<Verdict> {
  return new Promise((resolve) => {
    const finish = (verdict: Verdict) => {
      clearTimeout(timer);
      child.off("message", onMessage);
      child.off("exit", onExit);
      resolve(verdict);
    };
    const failed = (reason: string): Verdict => ({ word: "crash", wrong: [reason], incidents: [], received: "" });
    const onMessage = (message: unknown) => {
      const told = message as Started | Done;
      if (told.id !== job.id) return;
      if ("verdict" in told) return finish(told.verdict);
      clearTimeout(timer);
      timer = setTimeout(hangs, RUN_TIMEOUT_MS);
    };
    const onExit = (code: number | null) => {
      if (child.connected) child.disconnect();
      finish(failed(`the process ended with code ${code}`));
    };
    const hangs = () => {
      child.disconnect();
      child.kill("SIGKILL");
      finish(failed("the process hangs"));
    };
    let timer = setTimeout(hangs, START_TIMEOUT_MS);
    child.on("message", onMessage);
    child.on("exit", onExit);
    child.send(job);
  });
}
