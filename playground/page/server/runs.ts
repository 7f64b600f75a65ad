import type { RunOrder, RunResult, RunSummary, Side } from "../shared/model.js";
import type { Outcomes } from "./outcomes.js";
import { causeNamed, runOn, type SideFindings } from "./run.js";
import type { Stage } from "./stage.js";

const KEPT_RUNS = 200;

interface Kept {
  readonly result: RunResult;
  readonly contents: Record<Side, SideFindings["content"]>;
}

/** The runs so far; one at a time for each framework, since a run looks at everything its origin servers do. */
export class Runs {
  readonly #stage: Stage;
  readonly #outcomes: Outcomes;
  readonly #kept = new Map<number, Kept>();
  readonly #turns = new Map<string, Promise<unknown>>();
  #count = 0;

  constructor(stage: Stage, outcomes: Outcomes) {
    this.#stage = stage;
    this.#outcomes = outcomes;
  }

  run(order: RunOrder): Promise<RunResult> {
    const before = this.#turns.get(order.framework) ?? Promise.resolve();
    const turn = before.then(() => this.#run(order));
    this.#turns.set(
      order.framework,
      turn.catch(() => undefined),
    );
    return turn;
  }

  get(id: number): RunResult | undefined {
    return this.#kept.get(id)?.result;
  }

  content(id: number, side: Side): SideFindings["content"] | undefined {
    return this.#kept.get(id)?.contents[side];
  }

  summaries(): RunSummary[] {
    return [...this.#kept.values()].map(({ result: { id, at, cause, framework, bare, guarded } }) => {
      return { id, at, cause, framework, bare: bare.verdict, guarded: guarded.verdict };
    });
  }

  #note(side: Side, { seen, result: { verdict } }: SideFindings): void {
    // Only the verdict knows of a whole response that tells the wrong thing.
    const all = verdict.kind === "deceived" ? [verdict] : seen;
    for (const { kind } of all) this.#outcomes.add(side, kind === "complete" ? "Complete" : "Broken");
  }

  async #run({ cause: name, framework, request }: RunOrder): Promise<RunResult> {
    const cause = causeNamed(name);
    if (cause === undefined) throw new Error(`There is no cause "${name}".`);
    const pair = await this.#stage.pair(framework);
    const ray = request.headers.find(([field]) => /^cf-ray$/i.test(field))?.[1] ?? "";
    const started = performance.now();
    const at = Date.now();
    const [bare, guarded] = await Promise.all([
      runOn(pair.bare, this.#stage, cause, request),
      runOn(pair.guarded, this.#stage, cause, request),
    ]);
    this.#note("bare", bare);
    this.#note("guarded", guarded);
    const id = ++this.#count;
    const ms = Math.round(performance.now() - started);
    const way = cause.probe === "around" || !this.#stage.hasEdge ? "direct" : request.way;
    const sides = { bare: bare.result, guarded: guarded.result };
    const result: RunResult = { id, at, cause: name, framework, way, ray: ray.slice(0, 16), ms, ...sides };
    this.#kept.set(id, { result, contents: { bare: bare.content, guarded: guarded.content } });
    const oldest = this.#kept.keys().next().value;
    if (this.#kept.size > KEPT_RUNS && oldest !== undefined) this.#kept.delete(oldest);
    return result;
  }
}
