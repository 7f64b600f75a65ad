import { setTimeout as wait } from "node:timers/promises";
import { isMainThread } from "node:worker_threads";
import { nextTick, performance } from "../clock.js";
import { containPromise } from "../containment.js";
import { endOfProcess, type Failure } from "../report/incidents.js";
import { MESSAGES } from "../report/log.js";
import type { Arriving } from "./arriving.js";
import type { Closing } from "./close-listeners.js";
import type { Others } from "./other-listeners.js";
import { hearNoMore } from "./process-events.js";
import { SAME_SIGNAL_MS } from "./same-signal.js";
import { SHUTDOWN_DEFAULTS, type ShutdownSettings } from "./shutdown-options.js";

/** A guard, as far as the end of the process concerns it. */
export interface Subscriber extends Arriving {
  readonly crash: "drain" | "answer" | false;
  readonly shutdown: false | ShutdownSettings;
  /** Whether anybody waits for an answer, or has begun to send a request. */
  readonly hasWork: boolean;
  /** Answers whoever waits, here and now: the process is about to be gone. */
  exits(): void;
  /** Lets requests finish, closes what is idle. */
  drain(closing: Closing): Promise<void>;
  /** From here on new requests are answered with this. */
  refuse(failure: Failure): void;
  warn(record: object, message: string): void;
  /** What an adapter has to do once everything is drained: Fastify closes its app. */
  readonly afterDrain: (() => Promise<unknown>) | undefined;
}

/** Longest time an adapter may take after the drain, in milliseconds. */
const AFTER_DRAIN_MS = 5_000;

/** How long listeners have at least to get an error out of the process, in milliseconds. */
const TELL_ERROR_MS = 2_000;

/** Whom an event concerns. */
export interface Concerned {
  readonly guards: readonly Subscriber[];
  /** Those of them that have not been closed since. */
  left(): readonly Subscriber[];
  /** Their servers that listened when it came, and the listeners that accept connections for one that does not. */
  readonly listening: readonly { readonly listening: boolean }[];
}

/** The end that something has asked for. */
interface End {
  readonly since: number;
  code: number;
  /** How a thread tells the one that made it of an exception. */
  throwAgain?: () => void;
  /** The guard ends the process; until then a listener of the app may. */
  decided: boolean;
}

let end: End | undefined;

/** A signal, or a message, has asked for the end. @param patienceMs - how long other listeners have for it */
export function asksForEnd(code: number, others: Others, concerned: Concerned, patienceMs?: number): void {
  if (end?.decided) {
    if (others !== "listeners" && performance.now() - end.since >= SAME_SIGNAL_MS) process.exit(end.code);
  } else if (others !== "listeners") {
    containPromise(undefined, finish(begin(code, true), concerned.guards));
  } else if (end === undefined) {
    containPromise(undefined, giveTime(begin(code, false), concerned, patienceMs));
  }
}

/** Nobody else can decide any more. */
export function mustEnd({ guards }: Concerned): void {
  if (!end?.decided) containPromise(undefined, finish(begin(0, true), guards));
}

function begin(code: number, decided: boolean): End {
  end = { since: performance.now(), code, decided };
  return end;
}

/**
 * A listener of the app may have taken charge of the end, or may only look on; neither can be told from the outside. So
 * it has the time of a drain. An app that has closed a server by then has taken charge, and gets all the time it needs;
 * else the guard does what Node would have done.
 */
async function giveTime(
  mine: End,
  { guards, left, listening }: Concerned,
  patienceMs = graceOf(guards),
  lastWords = () => {},
): Promise<void> {
  for (const guard of guards) containPromise(undefined, guard.drain("by the app"));
  await wait(patienceMs, undefined, { ref: false });
  if (end !== mine || mine.decided) return;
  const concerned = left();
  if (concerned.length === 0) end = undefined;
  if (concerned.length === 0 || listening.some((server) => !server.listening)) return;
  mine.decided = true;
  lastWords();
  concerned[0]?.warn(
    { code: mine.code, waitedMs: Math.round(performance.now() - mine.since) },
    MESSAGES.endsBesideListeners,
  );
  await finish(mine, concerned);
}

function graceOf(guards: readonly Subscriber[]): number {
  return Math.max(
    ...guards.map(({ shutdown }) => {
      const { lameDuckMs, graceMs } = shutdown === false ? SHUTDOWN_DEFAULTS : shutdown;
      return lameDuckMs + graceMs;
    }),
  );
}

/** Ends the process once every request is answered. @param leastMs - not before this time, in milliseconds */
async function finish(mine: End, guards: readonly Subscriber[], leastMs = 0): Promise<void> {
  const atLeast = leastMs > 0 ? wait(leastMs) : undefined;
  await Promise.allSettled(guards.map((guard) => guard.drain("in a quiet moment")));
  const closing = Promise.allSettled(guards.map(async (guard) => guard.afterDrain?.()));
  await Promise.race([closing, wait(AFTER_DRAIN_MS)]);
  await atLeast;
  // Not in the promise: what a listener for `exit` throws is not the guard's to contain.
  nextTick(() => leave(mine));
}

function leave({ code, throwAgain }: End): void {
  if (throwAgain === undefined) process.exit(code);
  hearNoMore("uncaughtException");
  nextTick(throwAgain);
}

/** An exception that nobody has caught. */
export interface Crash {
  /** The request it came from is known, and answered. */
  readonly isKnown: boolean;
  print(): void;
  throwAgain(): void;
}

/** @param isLeaving - `exit` has been emitted */
export function crashed(
  others: Others,
  { isKnown, print, throwAgain }: Crash,
  concerned: Concerned,
  isLeaving: boolean,
): void {
  const { guards } = concerned;
  if (others === "listeners") {
    const isLeftToApp = guards.every(({ crash }) => crash === "answer");
    if (end === undefined && !isLeftToApp)
      containPromise(undefined, giveTime(begin(1, false), concerned, undefined, print));
    return;
  }
  const isThrownAgain = others === "none" && !isMainThread;
  if (!isThrownAgain) print();
  // A listener for `exit` has thrown: nobody else ends a process that has begun to leave.
  if (isLeaving) process.exit(process.exitCode ?? 1);
  if (end?.decided) {
    // A further fault costs its own request and no other; where that is not known, nothing can be relied on any more.
    end.code = 1;
    if (isThrownAgain) end.throwAgain ??= throwAgain;
    if (!isKnown) leave(end);
    return;
  }
  const mine = begin(1, true);
  if (isThrownAgain) mine.throwAgain = throwAgain;
  if (others === "none" && !guards.some(({ hasWork }) => hasWork)) return leave(mine);
  for (const guard of guards) guard.refuse(endOfProcess("CRASHING"));
  containPromise(undefined, finish(mine, guards, others === "none" ? 0 : TELL_ERROR_MS));
}
