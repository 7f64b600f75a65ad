/**
 * Timers and clock of Node itself. Tests of an app put others in the place of the global ones and stop them (Jest, vitest,
 * sinon), while requests go on.
 */
import { hrtime } from "node:process";

export { performance } from "node:perf_hooks";
export { nextTick } from "node:process";
export { clearInterval, clearTimeout, setImmediate, setInterval, setTimeout } from "node:timers";

const { bigint } = hrtime;

/** Milliseconds of a clock that all processes of a machine have in common. */
export function machineMs(): number {
  return Number(bigint()) / 1e6;
}
