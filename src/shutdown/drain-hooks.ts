import { clearTimeout, setTimeout } from "../clock.js";
import { contained } from "../containment.js";
import { RayguardError } from "../errors.js";
import { MAX_TIMER_MS, whole } from "../option-checks.js";
import { MESSAGES } from "../report/log.js";

/** Longest time a hook may take unless it asks for another, in milliseconds. */
const HOOK_TIMEOUT_MS = 5_000;

/** What is to be done once every request is answered, in order, and never for longer than each may take. */
export class DrainHooks {
  readonly #hooks: { hook: () => unknown; timeoutMs: number }[] = [];

  constructor(private readonly warn: (record: object, message: string) => void) {}

  /** @throws {RayguardError} `ERR_RAYGUARD_INVALID_ARGUMENT`, `ERR_RAYGUARD_INVALID_OPTION` */
  add(hook: () => unknown, timeoutMs: number | undefined): void {
    if (typeof hook !== "function")
      throw new RayguardError("ERR_RAYGUARD_INVALID_ARGUMENT", `onDrained() takes a function; got ${typeof hook}.`);
    this.#hooks.push({ hook, timeoutMs: whole(timeoutMs, "timeoutMs", HOOK_TIMEOUT_MS, 1, MAX_TIMER_MS) });
  }

  async run(): Promise<void> {
    for (const { hook, timeoutMs } of this.#hooks.splice(0)) {
      let timer: NodeJS.Timeout | undefined;
      const tooLate = new Promise<void>((resolve) => {
        const onTimeout = () => {
          resolve();
          this.warn({ timeoutMs }, MESSAGES.hookLate);
        };
        timer = setTimeout(contained(undefined, onTimeout), timeoutMs);
      });
      try {
        await Promise.race([hook(), tooLate]);
      } catch (error) {
        this.warn({ err: error }, MESSAGES.hookFailed);
      }
      clearTimeout(timer);
    }
  }
}
