import type { CauseInfo, DeathResult, FrameworkName, RunResult, RunSummary, Setup } from "../shared/model.js";
import { getRun, getRuns, getSetup, order, startDeath, startRun } from "./api.js";
import { CauseList } from "./cause-list.js";
import { showDeath } from "./death.js";
import { byId, h, show } from "./dom.js";
import { History } from "./history.js";
import { Live } from "./live.js";
import { RequestBuilder } from "./request-form.js";
import { showResult } from "./result.js";

const FIRST_CAUSE = "empty";

/** The page: one cause and one framework are chosen at a time, and the last run of them is shown. */
class PlaygroundPage {
  readonly #setup: Setup;
  readonly #causes: CauseList;
  readonly #builder: RequestBuilder;
  readonly #history: History;
  readonly #live: Live;
  readonly #lastRuns = new Map<FrameworkName, Map<string, RunSummary>>();
  #framework: FrameworkName = "fastify";
  #cause: CauseInfo;
  /** Counts what was asked to be shown, so that a slow answer does not replace a later one. */
  #asked = 0;

  constructor(setup: Setup) {
    this.#setup = setup;
    this.#causes = new CauseList(setup.causes, (cause) => void this.#choose(cause));
    this.#builder = new RequestBuilder(setup);
    this.#history = new History((run) => void this.#showAgain(run));
    this.#live = new Live(this.#framework, (error) => this.#fail(error));
    this.#cause = this.#causeNamed(location.hash.slice(1)) ?? (this.#causeNamed(FIRST_CAUSE) as CauseInfo);
    this.#offerFrameworks();
    byId("cause-count").textContent = String(this.#causesOf520().length);
    const asked = setup.hasEdge
      ? "behind workerd, Cloudflare's own runtime"
      : "asked by a strict client in the edge's place";
    byId("edge-note").textContent =
      `The same app twice, ${asked}: bare on the left, guarded by rayguard on the right. ` +
      "Choose a cause, and both get the same request.";
    byId("request").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#run(this.#cause);
    });
    byId("run-all").addEventListener("click", () => void this.#runAll());
    // What scrolls can be reached by keyboard, too.
    for (const box of document.querySelectorAll<HTMLElement>(".scroll, .feed, .causes")) box.tabIndex = 0;
    this.#setUpCauseFolding();
  }

  async start(): Promise<void> {
    for (const run of await getRuns()) this.#remember(run);
    await this.#choose(this.#cause);
  }

  /** All but what is beyond repair, and no 520: that one is there to be looked at. */
  #causesOf520(): readonly CauseInfo[] {
    return this.#setup.causes.filter(({ mayBreak }) => !mayBreak);
  }

  #causeNamed(name: string): CauseInfo | undefined {
    return this.#setup.causes.find((cause) => cause.name === name);
  }

  #offerFrameworks(): void {
    const options = this.#setup.frameworks.map(({ name, title }) =>
      h(
        "label",
        {},
        h("input", { type: "radio", name: "framework", value: name, checked: name === this.#framework }),
        h("span", {}, title),
      ),
    );
    const target = byId("frameworks");
    target.append(...options);
    target.addEventListener("change", (event) => {
      this.#framework = (event.target as HTMLInputElement).value as FrameworkName;
      this.#causes.results(this.#runsHere());
      this.#live.setFramework(this.#framework);
      void this.#run(this.#cause);
    });
  }

  async #choose(cause: CauseInfo): Promise<void> {
    this.#introduce(cause);
    if (matchMedia("(max-width: 860px)").matches) byId<HTMLDetailsElement>("cause-box").open = false;
    await this.#run(cause);
  }

  #introduce(cause: CauseInfo): void {
    this.#cause = cause;
    history.replaceState(null, "", `#${cause.name}`);
    this.#causes.select(cause.name);
    byId("cause-group").textContent = cause.group;
    byId("cause-title").textContent = cause.title.charAt(0).toUpperCase() + cause.title.slice(1);
    byId("cause-what").textContent = cause.what;
    // No single request shows a death.
    byId("builder").hidden = cause.isDeath;
    byId("cause-probe").textContent = cause.probe === null ? "" : `Provoked ${provokedBy(cause.probe)}.`;
    this.#builder.fill(cause);
  }

  async #run(cause: CauseInfo): Promise<RunResult | DeathResult | undefined> {
    const asked = ++this.#asked;
    const framework = this.#framework;
    this.#busy(cause, true);
    try {
      await order(`/api/stage/${framework}`);
      const run = cause.isDeath
        ? await startDeath({ death: cause.name, framework })
        : await startRun({ cause: cause.name, framework, request: this.#builder.read() });
      this.#remember({ ...run, bare: run.bare.verdict, guarded: run.guarded.verdict });
      if (asked === this.#asked) this.#show(run, cause);
      return run;
    } catch (error) {
      this.#fail(error as Error);
      return undefined;
    } finally {
      this.#busy(cause, false);
    }
  }

  async #runAll(): Promise<void> {
    const button = byId<HTMLButtonElement>("run-all");
    button.disabled = true;
    for (const cause of this.#causesOf520()) {
      this.#introduce(cause);
      if ((await this.#run(cause)) === undefined) break;
    }
    button.disabled = false;
  }

  async #showAgain({ id, cause: name }: RunSummary): Promise<void> {
    this.#asked++;
    const cause = this.#causeNamed(name) as CauseInfo;
    try {
      const run = await getRun(id);
      this.#introduce(cause);
      this.#show(run, cause);
      byId("cause-title").scrollIntoView({ block: "center" });
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #show(run: RunResult | DeathResult, cause: CauseInfo): void {
    byId("error").hidden = true;
    const result = byId("result");
    if ("clients" in run) showDeath(result, run, cause);
    else showResult(result, run, cause);
    result.dataset.run = String(run.id);
    result.dataset.cause = run.cause;
    result.dataset.framework = run.framework;
    byId("run-note").textContent =
      `Run #${run.id}, ${"clients" in run ? `${run.clients} clients` : wayOf(run)}, ${run.ms} ms.`;
    const { bare, guarded } = run;
    const other = cause.isDeath ? "kept" : "guarded";
    byId("announcement").textContent = `${cause.title}: bare ${bare.verdict.label}, ${other} ${guarded.verdict.label}.`;
  }

  #remember(run: RunSummary): void {
    const runs = this.#lastRuns.get(run.framework) ?? new Map<string, RunSummary>();
    runs.set(run.cause, run);
    this.#lastRuns.set(run.framework, runs);
    this.#history.add(run);
    if (run.framework === this.#framework) this.#causes.results(runs);
  }

  #runsHere(): ReadonlyMap<string, RunSummary> {
    return this.#lastRuns.get(this.#framework) ?? new Map();
  }

  #busy(cause: CauseInfo, isBusy: boolean): void {
    this.#causes.busy(cause.name, isBusy);
    byId("main").setAttribute("aria-busy", String(isBusy));
    byId("run").classList.toggle("busy", isBusy);
  }

  #fail(error: Error): void {
    const target = byId("error");
    target.hidden = false;
    show(target, error.message);
  }

  /** On a narrow screen the list folds away; on a wide one it is always there. */
  #setUpCauseFolding(): void {
    const narrow = matchMedia("(max-width: 860px)");
    const settle = (): void => {
      byId<HTMLDetailsElement>("cause-box").open = !narrow.matches;
    };
    narrow.addEventListener("change", settle);
    settle();
  }
}

function wayOf({ ray, way }: RunResult): string {
  return `Ray ID ${ray || "none"}, ${way === "edge" ? "through the edge" : "straight to the origin server"}`;
}

function provokedBy(probe: string): string {
  return /^(?:with|by|while) /.test(probe) ? probe : `by ${probe}`;
}

getSetup()
  .then((setup) => new PlaygroundPage(setup).start())
  .catch((error: Error) => {
    byId("error").hidden = false;
    show(byId("error"), `The page cannot reach its server: ${error.message}`);
  });
