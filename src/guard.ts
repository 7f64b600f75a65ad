import type { RequestListener } from "node:http";
import type { GuardedListener } from "./exchange/request-context.js";
import type { HealthCheck } from "./health/health-checks.js";
import type { GuardStats } from "./report/stats.js";
import type { DrainOptions } from "./shutdown/lifecycle.js";

/** Looks after every response of the servers it is attached to. */
export interface Guard {
  /** `"draining"` from `drain()` or a signal on, `"closed"` after `close()`. */
  readonly state: "serving" | "draining" | "closed";
  /** Registers and removes health checks. */
  readonly health: { register(name: string, check: HealthCheck): void; remove(name: string): boolean };
  /** Guards every request of a server; returns it. Attaching twice changes nothing. */
  attach<T extends object>(server: T): T;
  /** Wraps a request listener, sync or async, so that nothing it throws escapes. */
  listener(listener: GuardedListener): RequestListener;
  /** Counts since the guard was made. */
  stats(): GuardStats;
  /**
   * Fails readiness, lets requests finish, closes connections behind them and then the listeners; what is left after
   * `graceMs` is ended with a complete 503 or a visible cut. Runs the hooks of `onDrained` last. A second call waits for
   * the first.
   * @throws {RayguardError} `ERR_RAYGUARD_INVALID_OPTION`
   */
  drain(options?: DrainOptions): Promise<void>;
  /**
   * Adds something to do once every request is answered, such as closing a database; hooks run one after the other, in
   * the order in which they were added. One that takes longer than `timeoutMs` (5 000 unless given) is left behind.
   */
  onDrained(hook: () => unknown, options?: { timeoutMs?: number }): void;
  /** Detaches from every server and stops every timer; responses under way keep their protection, but no deadline. */
  close(): void;
}
