import { setTimeout as wait } from "node:timers/promises";
import type { Exchange } from "../exchange.js";
import type { Failure } from "../incidents.js";
import type { Supervision } from "../supervision.js";
import { type Closing, type DrainedGuard, drain } from "./drain.js";
import { DrainHooks } from "./drain-hooks.js";
import { joinProcess, type Participant } from "./end-of-process.js";
import { resolveTimes, type ShutdownOptions, type ShutdownSettings } from "./shutdown-options.js";

/** How a guard drains, in milliseconds; what is left out is as in the option `shutdown`. */
export type DrainOptions = Pick<ShutdownOptions, "lameDuckMs" | "graceMs">;

/** How one guard ends: its state, its drain, and its part in the end of the process. */
export class Ending implements Participant {
  state: "serving" | "draining" | "closed" = "serving";
  /** What new requests are answered with; undefined while they are served. */
  refusal: Failure | undefined;
  afterDrain: (() => Promise<unknown>) | undefined;
  readonly #guard: DrainedGuard & { readonly supervision: Supervision };
  readonly #hooks: DrainHooks;
  #drained: Promise<void> | undefined;
  #leave: (() => void) | undefined;

  constructor(guard: DrainedGuard & { readonly supervision: Supervision }) {
    this.#guard = guard;
    this.#hooks = new DrainHooks((record, message) => guard.supervision.warn(record, message));
  }

  get crash(): boolean {
    return this.#guard.supervision.settings.crash === "drain";
  }

  get shutdown(): false | ShutdownSettings {
    return this.#guard.supervision.settings.shutdown;
  }

  exchanges(): Iterable<Exchange> {
    return this.#guard.supervision.exchanges();
  }

  refuse(failure: Failure): void {
    this.refusal = failure;
  }

  /** From the first server on the guard has a part in the end of the process. */
  join(): void {
    this.#leave ??= joinProcess(this);
  }

  drain(closing: Closing, options: DrainOptions = {}): Promise<void> {
    const times = resolveTimes(options, this.shutdown === false ? undefined : this.shutdown);
    this.#drained ??= this.#drain(closing, times);
    return this.#drained;
  }

  async #drain(closing: Closing, { lameDuckMs, graceMs }: ReturnType<typeof resolveTimes>): Promise<void> {
    if (this.state === "closed") return;
    this.state = "draining";
    if (lameDuckMs > 0) await wait(lameDuckMs);
    await drain(this.#guard, graceMs, closing);
    await this.#hooks.run();
  }

  onDrained(hook: () => unknown, timeoutMs: number | undefined): void {
    this.#hooks.add(hook, timeoutMs);
  }

  close(): void {
    this.state = "closed";
    this.#leave?.();
  }
}
