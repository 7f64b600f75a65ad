import type { DeathOrder, DeathResult, RunOrder, RunResult, RunSummary, Side } from "../shared/model.js";
import type { DeathStage } from "./death-stage.js";
import type { Outcomes } from "./outcomes.js";
import { causeNamed, runOn, type SideFindings } from "./run.js";
import type { Stage } from "./stage.js";

const KEPT_RUNS = 200;

interface Kept {
  readonly result: RunResult | DeathResult;
  /** What each visitor got, where there was one. */
  readonly contents?: Record<Side, SideFindings["content"]>;
}

/** The runs so far; one at a time for each framework, since a run looks at everything its origin servers do. */
export class Runs {
  readonly #stage: Stage;
  readonly #deaths: DeathStage;
  readonly #outcomes: Outcomes;
  readonly #kept = new Map<number, Kept>();
  readonly #turns = new Map<string, Promise<unknown>>();
  #count = 0;

  constructor(stage: Stage, deaths: DeathStage, outcomes: Outcomes) {
    this.#stage = stage;
    this.#deaths = deaths;
    this.#outcomes = outcomes;
  }

  run(order: RunOrder): Promise<RunResult> {
    return this.#inTurn(order.framework, () => this.#run(order));
  }

  runDeath(order: DeathOrder): Promise<DeathResult> {
    return this.#inTurn(order.framework, async () => {
      const sides = await this.#deaths.run(order);
      const result = { id: ++this.#count, cause: order.death, framework: order.framework, ...sides };
      this.#keep({ result });
      return result;
    });
  }

  get(id: number): RunResult | DeathResult | undefined {
    return this.#kept.get(id)?.result;
  }

  content(id: number, side: Side): SideFindings["content"] | undefined {
    return this.#kept.get(id)?.contents?.[side];
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
    this.#keep({ result, contents: { bare: bare.content, guarded: guarded.content } });
    return result;
  }

  #inTurn<T>(framework: string, run: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(framework) ?? Promise.resolve();
    const turn = before.then(run);
    this.#turns.set(
      framework,
      turn.catch(() => undefined),
    );
    return turn;
  }

  #keep(run: Kept): void {
    this.#kept.set(run.result.id, run);
    const oldest = this.#kept.keys().next().value;
    if (this.#kept.size > KEPT_RUNS && oldest !== undefined) this.#kept.delete(oldest);
  }
}
