import type { Server, Socket } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { performance } from "../clock.js";
import type { Exchange } from "../exchange/exchange.js";
import { leaves } from "../kept/leaving.js";
import type { Failure } from "../report/incidents.js";
import { flushLines, flushSync } from "../report/line-batch.js";
import { arrivingAt } from "./arriving.js";
import { type Closing, closeListeners, leavesListeners } from "./close-listeners.js";
import { answerTheRest, type DrainedGuard, drain, openArriving } from "./drain.js";
import { DrainHooks } from "./drain-hooks.js";
import type { Subscriber } from "./end.js";
import { joinProcess } from "./end-of-process.js";
import { resolveTimes, type ShutdownOptions, type ShutdownSettings } from "./shutdown-options.js";
import { watchEnd } from "./watched-end.js";

/** How a guard drains, in milliseconds; what is left out is as in the option `shutdown`. */
export type DrainOptions = Pick<ShutdownOptions, "lameDuckMs" | "graceMs">;

/** Longest time for what has come through listeners that the app was to close, in milliseconds. */
const LAST_MS = 1_000;

/** What its end needs of a guard beside that. */
interface EndingGuard extends DrainedGuard {
  readonly supervisor: DrainedGuard["supervisor"] & {
    readonly settings: Pick<Subscriber, "crash" | "shutdown">;
    warn(record: object, message: string): void;
  };
}

/** How one guard ends: its state, its drain, and its part in the end of the process. */
export class Lifecycle implements Subscriber {
  state: "serving" | "draining" | "closed" = "serving";
  /** What new requests are answered with; undefined while they are served. */
  refusal: Failure | undefined;
  afterDrain: (() => Promise<unknown>) | undefined;
  readonly #hooks: DrainHooks;
  #drained: Promise<void> | undefined;
  /** The listeners are left to the app so far. */
  #leavesListeners = false;
  #leave: (() => void) | undefined;

  constructor(private readonly guard: EndingGuard) {
    this.#hooks = new DrainHooks((record, message) => guard.supervisor.warn(record, message));
  }

  get crash(): "drain" | "answer" | false {
    return this.guard.supervisor.settings.crash;
  }

  get shutdown(): false | ShutdownSettings {
    return this.guard.supervisor.settings.shutdown;
  }

  get servers(): Iterable<object> {
    return this.guard.servers;
  }

  get hasWork(): boolean {
    for (const { hasConnection } of this.guard.supervisor.exchanges()) if (hasConnection) return true;
    return [...this.servers].some((server) => arrivingAt(server).size > 0);
  }

  get waiting(): Iterable<Exchange> {
    return this.guard.supervisor.exchanges();
  }

  openArriving(socket: Socket, otherwise: Failure): Exchange {
    return openArriving(this.guard, socket, otherwise);
  }

  exits(): void {
    answerTheRest(this.guard, "EXIT");
    flushSync(); // whoever does that at the end of the process may have been before
  }

  refuse(failure: Failure): void {
    this.refusal = failure;
  }

  warn(record: object, message: string): void {
    this.guard.supervisor.warn(record, message);
  }

  /** From the first server on the guard has a part in the end of the process, or only tells of it. */
  join(enforces: boolean): void {
    this.#leave ??= enforces ? joinProcess(this) : watchEnd(this);
  }

  drain(closing: Closing, options: DrainOptions = {}): Promise<void> {
    const times = resolveTimes(options, this.shutdown === false ? undefined : this.shutdown);
    if (this.#drained === undefined) {
      this.#leavesListeners = leavesListeners(closing);
      this.#drained = this.#drain(closing, times);
    } else if (this.#leavesListeners && !leavesListeners(closing)) {
      this.#leavesListeners = false;
      this.#drained = this.#closeAfterAll(this.#drained, closing);
    }
    return this.#drained;
  }

  async #drain(closing: Closing, { lameDuckMs, graceMs }: ReturnType<typeof resolveTimes>): Promise<void> {
    if (this.state === "closed") return;
    this.state = "draining";
    leaves(this.refusal !== undefined);
    if (lameDuckMs > 0) await wait(lameDuckMs);
    await drain(this.guard, graceMs, closing);
    await this.#hooks.run();
    flushLines();
  }

  async #closeAfterAll(drained: Promise<void>, closing: Closing): Promise<void> {
    await closeListeners([...this.servers] as Server[], closing, performance.now() + LAST_MS);
    await drained;
    await drain(this.guard, LAST_MS, closing);
  }

  onDrained(hook: () => unknown, timeoutMs: number | undefined): void {
    this.#hooks.add(hook, timeoutMs);
  }

  close(): void {
    this.state = "closed";
    this.#leave?.();
  }
}
