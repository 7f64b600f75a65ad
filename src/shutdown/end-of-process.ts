import { constants } from "node:os";
import { setTimeout as wait } from "node:timers/promises";
import { isMainThread } from "node:worker_threads";
import { nextTick, performance } from "../clock.js";
import { contain, containPromise } from "../containment.js";
import { currentExchange, isOfRequest } from "../exchange/current-exchange.js";
import { frontsOf } from "../http1/connection/connection-lists.js";
import { signalled } from "../kept/leaving.js";
import { endOfProcess, type Failure, uncaught } from "../report/incidents.js";
import { MESSAGES } from "../report/log.js";
import { WeakCollection } from "../weak-collection.js";
import type { Closing } from "./close-listeners.js";
import { hear, type Others } from "./other-listeners.js";
import { awaitOwnSignals, ownSignalHasCome } from "./own-signals.js";
import { printUncaught } from "./print-uncaught.js";
import { hearOnly, isHeard } from "./process-events.js";
import { SAME_SIGNAL_MS } from "./same-signal.js";
import { SHUTDOWN_DEFAULTS, type ShutdownSettings } from "./shutdown-options.js";

/** A guard, as far as the end of the process concerns it. */
export interface Subscriber {
  readonly crash: "drain" | "answer" | false;
  readonly shutdown: false | ShutdownSettings;
  /** Servers it is attached to. */
  readonly servers: Iterable<object>;
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

/** How long listeners for messages, which may be there for any message, have for PM2's `shutdown`, in milliseconds. */
const MESSAGE_PATIENCE_MS = 1_000;

/** The end that something has asked for. */
interface End {
  readonly since: number;
  code: number;
  /** How a thread tells the one that made it of an exception. */
  throwAgain?: () => void;
  /** The guard ends the process; until then a listener of the app may. */
  decided: boolean;
}

/** Whom an event concerns. */
interface Concerned {
  readonly guards: readonly Subscriber[];
  /** Their servers that listened when it came, and the listeners that accept connections for one that does not. */
  readonly listening: readonly { readonly listening: boolean }[];
}

/** Kept by their servers; once the last has been collected, the process gets its default actions back. */
const subscribers = new WeakCollection<Subscriber>(() => install());
let end: End | undefined;
/** `exit` has been emitted. */
let isLeaving = false;
let undoKill: (() => void) | undefined;

/**
 * Takes the place of Node's default action for signals, uncaught exceptions and the end of the process while at least
 * one guard is attached. Listeners of the app may end the process before; see `giveTime`.
 */
export function joinProcess(subscriber: Subscriber): () => void {
  subscribers.add(subscriber);
  install();
  return () => {
    subscribers.delete(subscriber);
    install();
  };
}

/** Listens for what the guards that are left want to know, and for nothing else. */
function install(): void {
  const wanted = new Map<string, (...args: never[]) => void>();
  for (const { shutdown, crash } of subscribers) {
    wanted.set("exit", onExit);
    if (crash !== false) wanted.set("uncaughtException", onUncaught as never);
    if (shutdown === false) continue;
    for (const signal of shutdown.signals) wanted.set(signal, onSignal as never);
    if (isManaged()) wanted.set("message", onMessage as never);
    if (isClusterWorker()) wanted.set("disconnect", onDisconnect);
  }
  hearOnly(wanted);
  if ([...wanted.values()].includes(onSignal as never)) undoKill ??= awaitOwnSignals(isHeard);
  else {
    undoKill?.();
    undoKill = undefined;
  }
}

/** Workers of `node:cluster`, and of PM2, hear of a reload over the channel to their parent. */
function isManaged(): boolean {
  return hasParent() && (process.env.pm_id !== undefined || isClusterWorker());
}

/** Only these end with the channel: any other process goes on where its parent dies, or where it lets go itself. */
function isClusterWorker(): boolean {
  const cluster = process.getBuiltinModule("node:cluster") as unknown as { readonly isWorker: boolean };
  return hasParent() && cluster.isWorker;
}

function hasParent(): boolean {
  return process.channel !== undefined && process.channel !== null;
}

// -- signals -------------------------------------------------------------------------------------------------------

function onSignal(signal: NodeJS.Signals): void {
  ownSignalHasCome(signal);
  signalled();
  const concerned = concern(({ shutdown }) => shutdown !== false && shutdown.signals.includes(signal));
  hear(signal, onSignal, (others) => {
    // An app that listens for it opens its log again, or reads its configuration, and goes on.
    if (signal === "SIGHUP" && others === "listeners") return;
    asksForEnd(128 + constants.signals[signal], others, concerned);
  });
}

/** PM2 says it so before it sends a signal. */
function onMessage(message: unknown): void {
  if (message !== "shutdown") return;
  const concerned = concern(({ shutdown }) => shutdown !== false);
  hear("message", onMessage, (others) => asksForEnd(0, others, concerned, MESSAGE_PATIENCE_MS));
}

/** The primary of a cluster has let this worker go: it has closed the listeners, and waits for the connections. */
function onDisconnect(): void {
  const { guards } = concern(({ shutdown }) => shutdown !== false);
  if (!end?.decided) containPromise(undefined, finish(begin(0, true), guards));
}

/** Notes whom an event concerns, before any listener of the app has run. */
function concern(concerns: (subscriber: Subscriber) => boolean): Concerned {
  const guards = [...subscribers].filter(concerns);
  const servers = guards
    .flatMap(({ servers }) => [...servers])
    .flatMap((server) => [server as { readonly listening: boolean }, ...frontsOf(server)]);
  return { guards, listening: servers.filter(({ listening }) => listening) };
}

function asksForEnd(code: number, others: Others, concerned: Concerned, patienceMs?: number): void {
  if (end?.decided) {
    if (others !== "listeners" && performance.now() - end.since >= SAME_SIGNAL_MS) process.exit(end.code);
  } else if (others !== "listeners") {
    containPromise(undefined, finish(begin(code, true), concerned.guards));
  } else if (end === undefined) {
    containPromise(undefined, giveTime(begin(code, false), concerned, patienceMs));
  }
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
  { guards, listening }: Concerned,
  patienceMs = graceOf(guards),
  lastWords = () => {},
): Promise<void> {
  for (const guard of guards) containPromise(undefined, guard.drain("by the app"));
  await wait(patienceMs, undefined, { ref: false });
  if (end !== mine || mine.decided) return;
  const left = guards.filter((guard) => subscribers.has(guard));
  if (left.length === 0) end = undefined;
  if (left.length === 0 || listening.some((server) => !server.listening)) return;
  mine.decided = true;
  lastWords();
  left[0]?.warn(
    { code: mine.code, waitedMs: Math.round(performance.now() - mine.since) },
    MESSAGES.endsBesideListeners,
  );
  await finish(mine, left);
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
  process.removeListener("uncaughtException", onUncaught);
  nextTick(throwAgain);
}

// -- crashes -------------------------------------------------------------------------------------------------------

function onUncaught(error: unknown, origin: NodeJS.UncaughtExceptionOrigin): void {
  const culprit = currentExchange();
  // Now: a listener that throws, too, ends the process there and then.
  contain(undefined, () => {
    culprit?.fail(uncaught(error));
    culprit?.interrupted();
  });
  const concerned = concern(({ crash }) => crash !== false);
  const throwAgain = () => {
    throw error;
  };
  hear("uncaughtException", onUncaught, (others) =>
    crashed(others, isOfRequest(), concerned, () => printUncaught(error, origin), throwAgain),
  );
}

/** @param isKnown - the request it came from is known, and answered */
function crashed(
  others: Others,
  isKnown: boolean,
  concerned: Concerned,
  print: () => void,
  throwAgain: () => void,
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

// -- exit ----------------------------------------------------------------------------------------------------------

/** Nothing asynchronous happens any more; but a socket takes octets at once as long as its buffer has room. */
function onExit(): void {
  isLeaving = true;
  for (const guard of subscribers) contain(undefined, () => guard.exits());
}
