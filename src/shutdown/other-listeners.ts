import { EventEmitter } from "node:events";
import { nextTick } from "../clock.js";

/** Who hears an event of the process beside the guard. */
export type Others =
  /** Nobody. */
  | "none"
  /**
   * Only listeners that have asked, while they ran, who else listens: they end the process themselves where nobody else
   * would (signal-exit, PM2, Sentry), and leave it to the others where somebody does.
   */
  | "onlookers"
  /** Listeners that may end the process in their own time, or not at all. */
  | "listeners";

const QUESTIONS = ["listeners", "rawListeners", "listenerCount"] as const;

/** Places in the code from which each event has been asked about, while it is being emitted. */
const asked = new Map<unknown, Set<string>>();
let restore: (() => void) | undefined;

/** Listens beside every other listener once `node:domain` has been loaded, and only tidies up. */
const NODES_OWN = "domainUncaughtExceptionClear";

/**
 * Finds out who else hears the event that is being emitted, and tells it: at once where nobody does, else when all of
 * them have run. Called by the listener that comes first, since those added with `once` are gone when they have run.
 * @param own - the listener that calls
 */
export function hear(event: string, own: (...args: never[]) => void, tell: (others: Others) => void): void {
  const isOther = (listener: { readonly name: string }) => listener !== (own as unknown) && listener.name !== NODES_OWN;
  // Not by the process itself: an event that comes before the listeners of another have been told apart is asked about, too.
  const others = EventEmitter.prototype.listeners.call(process, event).filter(isOther).length;
  if (others === 0) return tell("none");
  const places = new Set<string>();
  asked.set(event, places);
  restore ??= watchQuestions();
  nextTick(() => {
    if (asked.get(event) === places) asked.delete(event);
    if (asked.size === 0) {
      restore?.();
      restore = undefined;
    }
    tell(places.size >= others ? "onlookers" : "listeners");
  });
}

/** Notes who asks the process for its listeners; the answers are its own. @returns puts everything back */
function watchQuestions(): () => void {
  const undo = QUESTIONS.map((name) => {
    const before = Object.getOwnPropertyDescriptor(process, name);
    const answer = process[name] as (...args: unknown[]) => unknown;
    const question = function (this: unknown, ...args: unknown[]): unknown {
      const place = asked.has(args[0]) ? placeOf(question) : undefined;
      if (place !== undefined) asked.get(args[0])?.add(place);
      return Reflect.apply(answer, this, args);
    };
    Object.defineProperty(process, name, { value: question, configurable: true, writable: true });
    return () => {
      if ((process[name] as unknown) !== question) return;
      if (before === undefined) delete (process as Partial<NodeJS.Process>)[name];
      else Object.defineProperty(process, name, before);
    };
  });
  return () => {
    for (const step of undo) step();
  };
}

/** Where a function was called from; undefined where Node itself has called it, which asks when a listener goes. */
function placeOf(callee: (...args: never[]) => unknown): string | undefined {
  const limit = Error.stackTraceLimit;
  const trace: { stack?: unknown } = {};
  Error.stackTraceLimit = 10;
  Error.captureStackTrace(trace, callee);
  const frames = String(trace.stack)
    .split("\n")
    .filter((line) => /^\s+at /.test(line));
  Error.stackTraceLimit = limit;
  if (frames[0]?.includes("node:internal/")) return undefined;
  return frames.find((frame) => !frame.includes("node:")) ?? "";
}
