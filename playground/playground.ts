import { Listr } from "listr2";
import type { Args } from "./args.js";
import { CAUSES } from "./causes/index.js";
import { DirectWay } from "./client/direct-way.js";
import { EdgeWay } from "./client/edge-way.js";
import { DEATHS } from "./deaths/deaths.js";
import type { SupervisedProgram, Supervision } from "./deaths/supervised-program.js";
import {
  type DeathComparison,
  type DeathFindings,
  supervisedPrograms,
  surveyDeaths,
  whyNoDeaths,
} from "./deaths/survey-deaths.js";
import { type Edge, findWorkerd, startEdge } from "./edge/edge.js";
import { type Framework, OriginProcess } from "./process/origin-process.js";
import type { Comparison, Findings } from "./report/report.js";
import { paint, wrap } from "./report/text.js";
import { survey } from "./survey.js";

/** Read timeout of the edge; the real one waits for 125 s. Above the deadlines of the guard, as there. */
const READ_TIMEOUT_MS = 2_500;

const SHOW_CURSOR = "\x1b[?25h";

/** Of the progress indicator. */
const OPTIONS = { exitOnError: true, registerSignalListeners: false };

const FRAMEWORKS = ["express", "fastify"] as const;

/** Four origin servers, the edge in front of them, and the run through every cause. */
export class Playground {
  readonly #args: Args;
  readonly #binary: string | undefined;
  readonly #origins = FRAMEWORKS.flatMap((framework) => [
    new OriginProcess(framework, false),
    new OriginProcess(framework, true),
  ]);
  readonly #programs = supervisedPrograms(FRAMEWORKS);
  #edge: Edge | undefined;
  #stopping: Promise<void> | undefined;

  constructor(args: Args) {
    this.#args = args;
    this.#binary = args.workerd ? findWorkerd() : undefined;
  }

  /** Whether requests go through workerd. */
  get throughEdge(): boolean {
    return this.#binary !== undefined;
  }

  /** Starts everything, provokes every cause and shows the progress. */
  async run(): Promise<Comparison[]> {
    const findings = new Map<OriginProcess, Findings>();
    const tasks = new Listr(
      [
        {
          title: "Start bare and guarded origin servers (Express, Fastify)",
          task: async () => void (await Promise.all(this.#origins.map((origin) => origin.start()))),
        },
        {
          title: this.throughEdge ? "Start the edge (workerd)" : this.#withoutEdge(),
          task: () => this.#startEdge(),
        },
        {
          title: `Provoke ${CAUSES.length} causes`,
          task: (_context, task) =>
            task.newListr(
              this.#origins.map((origin) => ({
                title: origin.name,
                task: async (_inner, line) => {
                  const found = await survey(origin, this.#ways(), (done, cause) => {
                    line.title = `${origin.name} ${done}/${CAUSES.length}`;
                    // In a file or a pipeline every change would become a line.
                    if (process.stdout.isTTY) line.output = cause;
                  });
                  findings.set(origin, found);
                },
              })),
              { concurrent: true },
            ),
        },
      ],
      OPTIONS,
    );
    await tasks.run();
    return FRAMEWORKS.map((framework) => ({
      framework,
      bare: findings.get(this.#origin(framework, false)) as Findings,
      guarded: findings.get(this.#origin(framework, true)) as Findings,
    }));
  }

  /** Lets processes die under load, and shows the progress; nothing where that is not wanted, or not possible. */
  async runDeaths(): Promise<DeathComparison[]> {
    const why = this.#args.deaths ? whyNoDeaths() : "--no-deaths";
    if (why !== undefined) {
      process.stdout.write(`When the process itself dies: not shown (${why}).\n`);
      return [];
    }
    const findings = new Map<SupervisedProgram, DeathFindings>();
    const lanes = this.#programs.map((program, i) => ({
      title: program.name,
      task: async (_context: unknown, line: { title: string; output: string }) => {
        const found = await surveyDeaths(program, i, (done, death) => {
          line.title = `${program.name} ${done}/${DEATHS.length}`;
          if (process.stdout.isTTY) line.output = death;
        });
        await program.stop();
        findings.set(program, found);
      },
    }));
    const title = `Let processes die in ${DEATHS.length} ways: with a plain supervisor, and under rayguard run`;
    await new Listr([{ title, task: (_context, task) => task.newListr(lanes, { concurrent: true }) }], OPTIONS).run();
    const found = (framework: Framework, supervision: Supervision) =>
      findings.get(
        this.#programs.find(
          (one) => one.framework === framework && one.supervision === supervision,
        ) as SupervisedProgram,
      ) as DeathFindings;
    return FRAMEWORKS.map((framework) => ({
      framework,
      bare: found(framework, "bare"),
      kept: found(framework, "kept"),
    }));
  }

  /** What to try now, with lines to copy. */
  invitation(): string[] {
    const guarded = this.#origins.filter((origin) => origin.guarded);
    const base = this.#edge?.url ?? "";
    const listening = [
      ...(this.#edge ? [["edge", base] as const] : []),
      ...guarded.map(({ framework, url }) => [`guarded ${framework}`, url] as const),
    ];
    const routes = this.#edge ? [`${base}/express`, `${base}/bare-express`] : [guarded[0]?.url];
    const causes = CAUSES.filter(({ handler, probe }) => handler !== undefined && probe === undefined);
    return [
      paint("bold", "Listening until you press Ctrl-C; what the guarded origin servers log follows."),
      ...listening.map(([name, url]) => `  ${name.padEnd(17)} ${url}`),
      "",
      ...routes.map((route) => `  curl -i ${route}/throw`),
      "",
      ...wrap(`In place of "throw": ${causes.map(({ name }) => name).join(", ")}.`, 100),
    ];
  }

  followLogs(print: (line: string) => void): void {
    for (const origin of this.#origins) {
      if (origin.guarded) origin.log.on("line", (line) => print(`${origin.name} ${line}`));
    }
  }

  /** Ends every process; resolves when the last one is gone. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stopAll();
    return this.#stopping;
  }

  async #stopAll(): Promise<void> {
    // The progress indicator hides the cursor, and does not get to its end when it is interrupted.
    if (process.stdout.isTTY) process.stdout.write(SHOW_CURSOR);
    await Promise.all([
      this.#edge?.stop(),
      ...this.#origins.map((origin) => origin.stop()),
      ...this.#programs.map((program) => program.stop()),
    ]);
  }

  async #startEdge(): Promise<void> {
    if (this.#binary === undefined) return;
    const origins = new Map(this.#origins.map(({ name, port }) => [name, port]));
    this.#edge = await startEdge(this.#binary, { port: this.#args.port, readTimeoutMs: READ_TIMEOUT_MS, origins });
  }

  #ways() {
    return {
      edge: this.#edge ? new EdgeWay(this.#edge.port) : undefined,
      direct: new DirectWay(READ_TIMEOUT_MS),
    };
  }

  #withoutEdge(): string {
    const why = this.#args.workerd
      ? `npm has no workerd that runs on ${process.platform}-${process.arch}`
      : "--no-workerd";
    return `No edge (${why}): the strict client of rayguard/testing asks the origin servers instead`;
  }

  #origin(framework: string, guarded: boolean): OriginProcess {
    return this.#origins.find((o) => o.framework === framework && o.guarded === guarded) as OriginProcess;
  }
}
