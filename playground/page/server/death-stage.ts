import { CLIENTS } from "../../deaths/crowd.js";
import { DEATHS, type Death } from "../../deaths/deaths.js";
import { provokeDeath } from "../../deaths/provoke-death.js";
import { type KeeperIncident, SupervisedProgram, type Supervision } from "../../deaths/supervised-program.js";
import type { Outcome as Seen } from "../../deaths/tally.js";
import type { DeathOrder, DeathResult, DeathSide, FrameworkName, Side } from "../shared/model.js";
import { deathSide } from "./death-side.js";
import type { IncidentFeed } from "./incident-feed.js";
import type { Outcome, Outcomes } from "./outcomes.js";

const MAX_LOG_LINES = 40;

const SUPERVISIONS: Readonly<Record<Side, Supervision>> = { bare: "bare", guarded: "kept" };

/** Programs whose processes die while clients are asking: one with a plain supervisor, one with the keeper. */
export class DeathStage {
  readonly #programs = new Map<string, SupervisedProgram>();
  #incidents: IncidentFeed | undefined;
  #outcomes: Outcomes | undefined;

  /** Tells these what happens, as it happens. */
  watch(incidents: IncidentFeed, outcomes: Outcomes): void {
    this.#incidents = incidents;
    this.#outcomes = outcomes;
  }

  async run({ death: name, framework }: DeathOrder): Promise<Omit<DeathResult, "id" | "cause" | "framework">> {
    const death = DEATHS.find((one) => one.name === name);
    if (death === undefined) throw new Error(`There is no death "${name}".`);
    const [at, started] = [Date.now(), performance.now()];
    const [bare, guarded] = await Promise.all([
      this.#runOn(death, framework, "bare"),
      this.#runOn(death, framework, "guarded"),
    ]);
    return { at, ms: Math.round(performance.now() - started), clients: CLIENTS, bare, guarded };
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#programs.values()].map((program) => program.stop()));
  }

  async #runOn(death: Death, framework: FrameworkName, side: Side): Promise<DeathSide> {
    const program = this.#program(framework, side);
    const log: string[] = [];
    const listen = (line: string): void => {
      // One line for each of several hundred requests says nothing.
      if (!line.includes('"msg":"request"') && log.length < MAX_LOG_LINES) log.push(line);
    };
    await program.start(death.keeper);
    program.log.on("line", listen);
    const finding = await provokeDeath(death, program, (seen) => this.#outcomes?.add(side, OUTCOMES[seen]));
    program.log.off("line", listen);
    return deathSide(death, side, program, finding, log);
  }

  #program(framework: FrameworkName, side: Side): SupervisedProgram {
    const name = `${framework} ${side}`;
    const known = this.#programs.get(name);
    if (known !== undefined) return known;
    const program = new SupervisedProgram(framework, SUPERVISIONS[side]);
    program.onIncident((incident: KeeperIncident) =>
      this.#incidents?.add(program.name, { ...incident, message: incident.reason }),
    );
    this.#programs.set(name, program);
    return program;
  }
}

const OUTCOMES: Readonly<Record<Seen, Outcome>> = {
  answered: "Complete",
  unavailable: "Complete",
  empty: "Broken",
  refused: "Refused",
  silent: "Broken",
  cut: "Broken",
  wrong: "Broken",
};
