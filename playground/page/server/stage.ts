import { type Edge, startEdge } from "../../edge/edge.js";
import { type Framework, OriginProcess } from "../../process/origin-process.js";
import type { Side } from "../shared/model.js";
import { Relay } from "./relay.js";

export const STAGE_FRAMEWORKS: readonly Framework[] = ["express", "fastify", "node"];
export const SIDES: readonly Side[] = ["bare", "guarded"];

/** One origin server of the page, with a relay in front of it that can record. */
export interface Actor {
  readonly origin: OriginProcess;
  readonly relay: Relay;
  readonly side: Side;
}

/** The origin servers of the page, each behind its relay, and the edge in front of them all. */
export class Stage {
  readonly actors: readonly Actor[] = STAGE_FRAMEWORKS.flatMap((framework) =>
    SIDES.map((side) => {
      const origin = new OriginProcess(framework, side === "guarded", true);
      return { origin, side, relay: new Relay(() => origin.port) };
    }),
  );
  readonly #workerd: string | undefined;
  readonly readTimeoutMs: number;
  readonly #started = new Map<Framework, Promise<void>>();
  #edge: Edge | undefined;

  constructor(workerd: string | undefined, readTimeoutMs: number) {
    this.#workerd = workerd;
    this.readTimeoutMs = readTimeoutMs;
  }

  get hasEdge(): boolean {
    return this.#workerd !== undefined;
  }

  get edgePort(): number | undefined {
    return this.#edge?.port;
  }

  /** Opens the relays and starts the edge; origin servers start when somebody asks for them. */
  async start(): Promise<void> {
    await Promise.all(this.actors.map(({ relay }) => relay.listen()));
    if (this.#workerd === undefined) return;
    const origins = new Map(this.actors.map(({ origin, relay }) => [origin.name, relay.port]));
    this.#edge = await startEdge(this.#workerd, { port: 0, readTimeoutMs: this.readTimeoutMs, origins });
  }

  /** Both origin servers of a framework, running. */
  async pair(framework: Framework): Promise<Record<Side, Actor>> {
    const actors = this.actors.filter(({ origin }) => origin.framework === framework);
    let started = this.#started.get(framework);
    if (started === undefined) {
      started = Promise.all(actors.map(({ origin }) => origin.start())).then(() => undefined);
      this.#started.set(framework, started);
    }
    await started;
    return Object.fromEntries(actors.map((actor) => [actor.side, actor])) as Record<Side, Actor>;
  }

  isStarted({ origin }: Actor): boolean {
    return origin.port !== 0;
  }

  async stop(): Promise<void> {
    for (const { relay } of this.actors) relay.close();
    await Promise.all([this.#edge?.stop(), ...this.actors.map(({ origin }) => origin.stop())]);
  }
}
