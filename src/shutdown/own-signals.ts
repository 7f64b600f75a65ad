import { constants } from "node:os";
import { isMainThread } from "node:worker_threads";
import { clearTimeout, setTimeout } from "../clock.js";
import { contained } from "../containment.js";
import { overrideMethod } from "../override-method.js";

/** No signal takes longer from a process to itself, in milliseconds. */
const ARRIVES_MS = 1_000;

/** Signals that the process has sent to itself, each with what keeps the process until it is there. */
const awaited = new Map<string, NodeJS.Timeout>();

/**
 * Overrides `process.kill()`. A signal that nobody listens for ends a process there and then; one that somebody
 * listens for is an event, for which Node keeps no process. An app that has tidied up and sends itself the signal again
 * (Nest, Apollo) would end with code 0, before the guard has heard of it.
 * @param isHeard - whether the guard listens for a signal
 * @returns puts everything back
 */
export function awaitOwnSignals(isHeard: (signal: string) => boolean): () => void {
  const { kill } = process;
  const before = Object.getOwnPropertyDescriptor(process, "kill") as PropertyDescriptor;
  function awaitsOwn(this: unknown, pid: number, signal: string | number = "SIGTERM"): true {
    // biome-ignore lint/complexity/noArguments: forwarded as it came
    const sent = Reflect.apply(kill, this, arguments as unknown as Parameters<typeof kill>) as true;
    const name = typeof signal === "number" ? nameOf(signal) : signal;
    // A group, 0 or negative, may be that of this process.
    const isOwn = Number(pid) === process.pid || Number(pid) <= 0;
    if (isOwn && isMainThread && name !== undefined && isHeard(name) && !awaited.has(name)) {
      const giveUp = contained(undefined, () => ownSignalHasCome(name));
      awaited.set(name, setTimeout(giveUp, ARRIVES_MS));
    }
    return sent;
  }
  overrideMethod(process, "kill", awaitsOwn);
  return () => {
    if ((process.kill as unknown) === awaitsOwn) Object.defineProperty(process, "kill", before);
  };
}

/** From here on the process is not kept for a signal any more. */
export function ownSignalHasCome(signal: string): void {
  clearTimeout(awaited.get(signal));
  awaited.delete(signal);
}

function nameOf(number: number): string | undefined {
  return Object.entries(constants.signals).find(([, value]) => value === number)?.[0];
}
