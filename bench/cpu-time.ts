import { existsSync, readdirSync, readFileSync } from "node:fs";

/** Whether this system tells of other processes how long they have run. */
export const TELLS_CPU_TIME = existsSync(`/proc/self/task/${process.pid}/schedstat`);

/** CPU time that a process has used so far, in microseconds; it need not be asked, and does nothing for it. */
export function cpuTimeOf(pid: number): number {
  const threads = `/proc/${pid}/task`;
  return readdirSync(threads).reduce((us, id) => us + nanoseconds(`${threads}/${id}/schedstat`) / 1_000, 0);
}

/** The first of three numbers: time on a processor. */
function nanoseconds(file: string): number {
  return Number(readFileSync(file, "latin1").split(" ")[0]);
}
