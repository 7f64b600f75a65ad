import { performance, setTimeout } from "../clock.js";
import { contained } from "../containment.js";
import { MESSAGES } from "../report/log.js";
import type { OverloadListener } from "./overload.js";

/** Why a connection was refused before there was a place for it. */
export type ConnectionReason = "connections" | "descriptors" | "reset";

/** Time without a refusal that ends an episode, in milliseconds. */
const CALM_MS = 1_000;

/**
 * Counts connections that were refused, so that thousands of them make two lines in the log and not thousands: the
 * first one says why, the last one how many.
 */
export class RefusalTally {
  /** Requests refused since the guard was made. */
  shed = 0;
  readonly #look: () => void;
  #refused: Partial<Record<ConnectionReason, number>> | null = null;
  #isTold = false;
  #startedAt = 0;
  #lastAt = 0;

  constructor(private readonly listener: OverloadListener) {
    this.#look = contained(listener, () => this.#lookAgain());
  }

  /**
   * @param hasLine - it can have a line of its own
   * @returns whether it should: the first of an episode
   */
  note(reason: ConnectionReason, hasLine: boolean): boolean {
    const now = performance.now();
    if (this.#refused === null) {
      this.#refused = {};
      this.#startedAt = now;
      setTimeout(this.#look, CALM_MS).unref();
    }
    this.#lastAt = now;
    this.#refused[reason] = (this.#refused[reason] ?? 0) + 1;
    if (reason !== "reset") this.shed++;
    const isFirst = hasLine && !this.#isTold;
    if (isFirst) this.#isTold = true;
    return isFirst;
  }

  #lookAgain(): void {
    const now = performance.now();
    if (now - this.#lastAt < CALM_MS) {
      setTimeout(this.#look, CALM_MS).unref();
      return;
    }
    const refused = this.#refused;
    this.#refused = null;
    this.#isTold = false;
    this.listener.warn(
      { code: "OVERLOAD", ms: Math.round(this.#lastAt - this.#startedAt), refused },
      MESSAGES.refusalsOver,
    );
  }
}
