import { delay } from "../causes/cause.js";
import { Crowd } from "./crowd.js";
import type { Death } from "./deaths.js";
import type { End, KeeperIncident, SupervisedProgram } from "./supervised-program.js";
import type { Outcome, Tally } from "./tally.js";

/** Nothing takes so long but a machine that has no time; in milliseconds. */
const LIMIT_MS = 20_000;
/** How often everyone is answered before it happens, and by the next process. */
const ANSWERS = 2;

/** What clients have seen of one death, and what was logged of it. */
export interface DeathFinding {
  readonly tally: Tally;
  /** Longest time that a complete answer has taken, in milliseconds. */
  readonly longestMs: number;
  /** From the death to the first answer of another process, in milliseconds; `undefined`: there was none. */
  readonly awayMs: number | undefined;
  /** The process that it has happened to. */
  readonly end: End | undefined;
  readonly incidents: readonly KeeperIncident[];
}

/** Has it happen to a program that clients are using, and watches until all of them are served again, or have given up. */
export async function provokeDeath(
  death: Death,
  program: SupervisedProgram,
  note?: (outcome: Outcome) => void,
): Promise<DeathFinding> {
  await program.start(death.keeper);
  const crowd = new Crowd(program.port, note);
  await until(() => crowd.isServed(ANSWERS));
  const { pid } = crowd;
  if (pid === undefined) {
    await crowd.stop();
    throw new Error(`${program.name} answers nobody:\n${program.log.last().join("\n")}`);
  }
  const [ends, incidents] = [program.ends.length, program.incidents.length];
  const before = performance.now();
  const asked = happen(death, program, crowd, pid);
  let awayMs: number | undefined;
  await until(() => {
    if (awayMs === undefined && crowd.pid !== pid) awayMs = Math.round(performance.now() - before);
    return crowd.isServed(ANSWERS, pid);
  });
  await Promise.all([asked, crowd.stop()]);
  const { tally, longestMs } = crowd;
  const finding = {
    tally,
    longestMs: Math.round(longestMs),
    awayMs,
    end: program.ends.slice(ends).find((end) => end.pid === pid),
    incidents: program.incidents.slice(incidents),
  };
  // What stands still is ended by somebody, some time.
  if (awayMs === undefined) kill(pid);
  return finding;
}

/**
 * Whether the keeper has kept its promise: whoever asks is answered, rightly and in time. Connections break where part of
 * a response may have been out, which the log tells; and one more request may be lost, which was being read in the moment
 * of death, or sent when its connection had ended behind the answer before.
 */
export function isPromiseKept({ isPlanned }: Death, { tally, awayMs, incidents }: DeathFinding): boolean {
  const { answered, unavailable, cut, empty, refused, silent, wrong } = tally;
  if (awayMs === undefined || answered === 0 || refused + wrong > 0) return false;
  const lost = cut + empty + silent;
  if (isPlanned) return unavailable + lost === 0;
  return lost <= incidents.filter(({ action }) => action === "torn down").length + 1;
}

async function happen({ name, by }: Death, program: SupervisedProgram, crowd: Crowd, pid: number): Promise<void> {
  if (by === "signal") kill(pid);
  else if (by === "order") program.deploy();
  else await crowd.ask("POST", `/die/${name}`);
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

async function until(isSo: () => boolean): Promise<void> {
  const end = performance.now() + LIMIT_MS;
  while (!isSo() && performance.now() < end) await delay(5);
}
