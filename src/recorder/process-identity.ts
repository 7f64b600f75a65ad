import { readFileSync, readlinkSync } from "node:fs";

/** What tells one process from every other, also from a later one with the same number. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When it started, in clock ticks since boot; empty where the system does not tell. */
  readonly start: string;
  /** Id of this run of the kernel; empty where the system does not tell. */
  readonly boot: string;
  /** Id of the namespace that `pid` is a number of: every container has its own. Empty where there is no such thing. */
  readonly space: string;
}

/** The identity of this process. */
export function ownIdentity(): ProcessIdentity {
  return {
    pid: process.pid,
    start: statOf(process.pid)?.start ?? "",
    boot: read(() => readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim()) ?? "",
    space: read(() => readlinkSync("/proc/self/ns/pid")) ?? "",
  };
}

/** Whether a process still runs; `"unknown"` where it has its number from a container this one cannot look into. */
export function fateOf(process_: ProcessIdentity, own: ProcessIdentity): "alive" | "gone" | "unknown" {
  if (process_.boot !== own.boot) return "gone";
  if (process_.space !== own.space) return "unknown";
  const stat = statOf(process_.pid);
  // A killed process that its parent has not waited for keeps its number, and a signal to it still "succeeds".
  if (stat !== null) return stat.start === process_.start && !stat.isZombie ? "alive" : "gone";
  try {
    process.kill(process_.pid, 0);
    return "alive";
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH" ? "gone" : "alive";
  }
}

/** Fields 3 and 22 of /proc/pid/stat; the second one, the name, may hold spaces and parentheses itself. */
function statOf(pid: number): { start: string; isZombie: boolean } | null {
  const text = read(() => readFileSync(`/proc/${pid}/stat`, "latin1"));
  if (text === null) return null;
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const start = fields[19];
  return start === undefined ? null : { start, isZombie: fields[0] === "Z" || fields[0] === "X" };
}

function read(act: () => string): string | null {
  try {
    return act();
  } catch {
    return null; // not Linux, or not ours to see
  }
}
