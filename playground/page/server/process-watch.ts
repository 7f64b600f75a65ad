import { get } from "node:http";
import { HOST } from "../../origins/origin.js";
import type { GaugeNote } from "../../process/messages.js";
import { newTrafficRay } from "../../process/rays.js";
import type { ProcessView } from "../shared/model.js";
import type { Actor, Stage } from "./stage.js";

const INTERVAL_MS = 700;
const PATIENCE_MS = 600;

interface Known {
  gauge: GaugeNote | undefined;
  /** Status of the last look, 0 where nothing came; undefined: not looked yet. */
  health: number | undefined;
  isAlive: boolean;
}

/** How every process on the stage is, by what its guard says of itself and by asking it from outside. */
export class ProcessWatch {
  readonly #stage: Stage;
  readonly #known = new Map<Actor, Known>();
  readonly #timer: NodeJS.Timeout;

  constructor(stage: Stage) {
    this.#stage = stage;
    for (const actor of stage.actors) {
      const known: Known = { gauge: undefined, health: undefined, isAlive: false };
      this.#known.set(actor, known);
      actor.origin.on("message", (message) => {
        if (message.type === "gauge") known.gauge = message;
        if (message.type === "listening") Object.assign(known, { isAlive: true, health: undefined, gauge: undefined });
      });
      actor.origin.on("death", () => {
        known.isAlive = false;
      });
    }
    this.#timer = setInterval(() => this.#lookAround(), INTERVAL_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  views(): ProcessView[] {
    return this.#stage.actors.filter((actor) => this.#stage.isStarted(actor)).map((actor) => this.#view(actor));
  }

  #view(actor: Actor): ProcessView {
    const { origin, side } = actor;
    const { gauge, health, isAlive } = this.#known.get(actor) as Known;
    const isDraining = gauge !== undefined && gauge.state !== "serving";
    const answers = health === 0 ? "blocked" : isDraining ? "draining" : "serving";
    return {
      name: origin.name,
      framework: origin.framework,
      side,
      port: origin.port,
      pid: origin.pid ?? 0,
      state: isAlive ? answers : "down",
      health: isAlive ? (health ?? null) : 0,
      deaths: origin.deaths,
      inFlight: gauge?.stats.inFlight ?? null,
    };
  }

  #lookAround(): void {
    for (const [{ origin }, known] of this.#known) {
      if (!known.isAlive) continue;
      void statusOf(origin.port, origin.guarded ? "/health" : "/").then((status) => {
        known.health = status;
      });
    }
  }
}

/** Status that a health check gets; 0 where nothing comes in time. */
function statusOf(port: number, path: string): Promise<number> {
  return new Promise((resolve) => {
    const headers = { "CF-RAY": newTrafficRay() };
    const request = get({ host: HOST, port, path, headers, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.setTimeout(PATIENCE_MS, () => request.destroy());
    request.on("error", () => resolve(0));
  });
}
