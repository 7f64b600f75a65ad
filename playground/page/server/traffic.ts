import { exchange } from "rayguard/testing";
import { seenDirectly } from "../../client/seen.js";
import { EDGE_SECRET } from "../../edge/secret.js";
import { newTrafficRay } from "../../process/rays.js";
import type { Side } from "../shared/model.js";
import type { Outcomes } from "./outcomes.js";
import type { Actor } from "./stage.js";

/** Ten requests a second to each side. */
const INTERVAL_MS = 100;
const MAX_IN_FLIGHT = 30;
/** Nobody needs it for longer, and a page that was left open ends it. */
const MAX_DURATION_MS = 300_000;
const PATIENCE_MS = 2_500;

/** Steady requests of visitors, so that a signal or a block has somebody to hit. Around the relays: runs do not see it. */
export class Traffic {
  readonly #outcomes: Outcomes;
  #timer: NodeJS.Timeout | undefined;
  #inFlight = 0;

  constructor(outcomes: Outcomes) {
    this.#outcomes = outcomes;
  }

  get isOn(): boolean {
    return this.#timer !== undefined;
  }

  start(pair: Record<Side, Actor>): void {
    this.stop();
    const end = performance.now() + MAX_DURATION_MS;
    this.#timer = setInterval(() => {
      if (performance.now() > end) this.stop();
      for (const side of ["bare", "guarded"] as const) void this.#visit(side, pair[side].origin.port);
    }, INTERVAL_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #visit(side: Side, port: number): Promise<void> {
    if (this.#inFlight >= MAX_IN_FLIGHT * 2) return;
    this.#inFlight++;
    const headers = {
      "CF-RAY": `${newTrafficRay()}-AMS`,
      "CF-Connecting-IP": "203.0.113.7",
      [EDGE_SECRET.header]: EDGE_SECRET.value,
    };
    const request = { method: "POST", path: "/slow", headers } as const;
    const { responses, problems, octets, timedOut, error } = await exchange({ port }, request, {
      timeoutMs: PATIENCE_MS,
    });
    this.#inFlight--;
    const isRefused = (error as NodeJS.ErrnoException | undefined)?.code === "ECONNREFUSED";
    const { kind } = seenDirectly(responses[0], problems, octets, timedOut);
    this.#outcomes.add(side, isRefused ? "Refused" : kind === "complete" ? "Complete" : "Broken");
  }
}
