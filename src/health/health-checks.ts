import { clearTimeout, performance, setTimeout } from "../clock.js";
import { contained } from "../containment.js";
import { RayguardError } from "../errors.js";

/** Looks at something the app cannot work without; throws, rejects or returns `false` where it is not well. */
export type HealthCheck = (signal: AbortSignal) => unknown;

interface CheckResult {
  readonly status: "healthy" | "unhealthy";
  readonly latencyMs: number;
  readonly error?: string;
}

/** What the app cannot work without: checks by name, and their results for as long as they are fresh. */
export class HealthChecks {
  readonly #checks = new Map<string, HealthCheck>();
  #running: Promise<Record<string, CheckResult>> | null = null;
  #cached: { results: Record<string, CheckResult>; until: number } | null = null;

  constructor(
    private readonly timeoutMs: number,
    private readonly cacheMs: number,
  ) {}

  get size(): number {
    return this.#checks.size;
  }

  /** Adds a check, or replaces the one of that name. @throws {RayguardError} `ERR_RAYGUARD_INVALID_ARGUMENT` */
  register(name: string, check: HealthCheck): void {
    checkNamed(name, check);
    this.#checks.set(name, check);
    this.#cached = null;
  }

  /** Removes a check. @returns whether there was one */
  remove(name: string): boolean {
    this.#cached = null;
    return this.#checks.delete(name);
  }

  /** Results of all checks: cached for `cacheMs`, and never run twice at a time. */
  results(): Promise<Record<string, CheckResult>> {
    if (this.#cached !== null && performance.now() < this.#cached.until) return Promise.resolve(this.#cached.results);
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async #run(): Promise<Record<string, CheckResult>> {
    const checks = [...this.#checks];
    const results = await Promise.all(checks.map(([, check]) => runCheck(check, this.timeoutMs)));
    const named = Object.fromEntries(checks.map(([name], i) => [name, results[i] as CheckResult]));
    // Checks that came or went meanwhile count at the next question.
    if (checks.length === this.#checks.size && checks.every(([name, check]) => this.#checks.get(name) === check))
      this.#cached = { results: named, until: performance.now() + this.cacheMs };
    return named;
  }
}

async function runCheck(check: HealthCheck, timeoutMs: number): Promise<CheckResult> {
  const controller = new AbortController();
  const start = performance.now();
  let timer: NodeJS.Timeout | undefined;
  const timedOut = new Promise<never>((_, reject) => {
    const onTimeout = () => {
      const error = new Error(`no result within ${timeoutMs} ms`);
      reject(error);
      controller.abort(error);
    };
    timer = setTimeout(contained(undefined, onTimeout), timeoutMs);
  });
  const latency = () => Math.round(performance.now() - start);
  try {
    const result = await Promise.race([(async () => check(controller.signal))(), timedOut]);
    return result === false
      ? { status: "unhealthy", latencyMs: latency(), error: "returned false" }
      : { status: "healthy", latencyMs: latency() };
  } catch (error) {
    const message = error instanceof Error ? error.message : typeof error === "string" ? error : "failed";
    return { status: "unhealthy", latencyMs: latency(), error: message };
  } finally {
    clearTimeout(timer);
  }
}

/** @throws {RayguardError} `ERR_RAYGUARD_INVALID_ARGUMENT` */
export function checkNamed(name: unknown, check: unknown): void {
  if (typeof name === "string" && name !== "" && typeof check === "function") return;
  throw new RayguardError(
    "ERR_RAYGUARD_INVALID_ARGUMENT",
    `A check has a name and a function; got ${String(name)}, ${typeof check}.`,
  );
}
