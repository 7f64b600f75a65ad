import { execFileSync } from "node:child_process";
import { cpus } from "node:os";

/**
 * Puts this process, and the children it starts from now on, on one core.
 *
 * Load and server then take turns, whatever else runs on the machine. On two cores they race, and the CPU time of a
 * request depends on who wins: up to half more where the server wakes up for each request.
 * @returns a function that undoes it, or `undefined` where there is no `taskset`.
 */
export function pinToOneCore(): (() => void) | undefined {
  const all = cpus().length;
  try {
    setCores(`${all - 1}`); // not the first, which serves most interrupts
  } catch {
    return undefined;
  }
  return () => setCores(`0-${all - 1}`);
}

function setCores(list: string): void {
  execFileSync("taskset", ["--all-tasks", "--pid", "--cpu-list", list, String(process.pid)], { stdio: "ignore" });
}
