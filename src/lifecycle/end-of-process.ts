import { constants } from "node:os";
import type { Exchange } from "../exchange.js";
import { endOfProcess, type Failure, uncaught } from "../incidents.js";
import { currentExchange } from "./current-exchange.js";
import type { Closing } from "./drain.js";
import { printUncaught } from "./print-uncaught.js";
import type { ShutdownSettings } from "./shutdown-options.js";

/** A guard, as far as the end of the process concerns it. */
export interface Participant {
  readonly crash: boolean;
  readonly shutdown: false | ShutdownSettings;
  exchanges(): Iterable<Exchange>;
  /** Lets requests finish, closes what is idle. */
  drain(closing: Closing): Promise<void>;
  /** From here on new requests are answered with this. */
  refuse(failure: Failure): void;
  /** What an adapter has to do once everything is drained: Fastify closes its app. */
  readonly afterDrain: (() => Promise<unknown>) | undefined;
}

/** Longest time an adapter may take after the drain, in milliseconds. */
const AFTER_DRAIN_MS = 5_000;

const participants = new Set<Participant>();
const installed = new Map<string, (...args: never[]) => void>();
/** The process is about to end: a second signal, or a second fault, ends it at once. */
let ending = false;

/**
 * Takes the place of Node's default action for signals, uncaught exceptions and the end of the process while at least
 * one guard is attached. Listeners of the app stay in charge: where there are any, the app decides when to exit.
 */
export function joinProcess(participant: Participant): () => void {
  participants.add(participant);
  install();
  return () => {
    participants.delete(participant);
    install();
  };
}

/** Listens for what the guards that are left want to know, and for nothing else. */
function install(): void {
  const wanted = new Map<string, (...args: never[]) => void>();
  if (participants.size > 0) wanted.set("exit", onExit);
  for (const { shutdown, crash } of participants) {
    if (crash) wanted.set("uncaughtException", onUncaught as never);
    if (shutdown === false) continue;
    for (const signal of shutdown.signals) wanted.set(signal, onSignal as never);
    if (isManaged()) {
      wanted.set("message", onMessage as never);
      wanted.set("disconnect", onDisconnect);
    }
  }
  for (const [event, listener] of installed) {
    if (wanted.has(event)) continue;
    process.removeListener(event, listener as never);
    installed.delete(event);
  }
  for (const [event, listener] of wanted) {
    if (installed.has(event)) continue;
    process.on(event, listener as never);
    installed.set(event, listener);
  }
}

/** Workers of `node:cluster`, and of PM2, hear of a reload over the channel to their parent. */
function isManaged(): boolean {
  if (process.channel === undefined || process.channel === null) return false;
  const cluster = process.getBuiltinModule("node:cluster") as unknown as { readonly isWorker: boolean };
  return process.env.pm_id !== undefined || cluster.isWorker;
}

// -- signals -------------------------------------------------------------------------------------------------------

function onSignal(signal: NodeJS.Signals): void {
  const isOurs = process.listenerCount(signal) === 1;
  const code = 128 + constants.signals[signal];
  if (ending && isOurs) process.exit(code);
  void endGracefully(code, isOurs, ({ shutdown }) => shutdown !== false && shutdown.signals.includes(signal));
}

/** PM2 says it so before it sends a signal. */
function onMessage(message: unknown): void {
  if (message !== "shutdown") return;
  if (ending) process.exit(0);
  void endGracefully(0, process.listenerCount("message") === 1, ({ shutdown }) => shutdown !== false);
}

/** The primary of a cluster has let this worker go: it has closed the listeners, and waits for the connections. */
function onDisconnect(): void {
  if (!ending) void endGracefully(0, true, ({ shutdown }) => shutdown !== false);
}

/** @param exits - the app has no listener of its own, which would decide when to exit */
async function endGracefully(
  code: number,
  exits: boolean,
  concerns: (participant: Participant) => boolean,
): Promise<void> {
  ending = exits;
  await drainAll([...participants].filter(concerns), exits);
  if (exits) process.exit(code);
}

async function drainAll(guards: readonly Participant[], closesListeners: boolean): Promise<void> {
  await Promise.allSettled(guards.map((guard) => guard.drain(closesListeners ? "in a quiet moment" : "by the app")));
  if (!closesListeners) return;
  const closing = Promise.allSettled(guards.map((guard) => guard.afterDrain?.()));
  await Promise.race([closing, new Promise((resolve) => setTimeout(resolve, AFTER_DRAIN_MS))]);
}

// -- crashes -------------------------------------------------------------------------------------------------------

function onUncaught(error: unknown, origin: NodeJS.UncaughtExceptionOrigin): void {
  const culprit = currentExchange();
  const guarded = [...participants].filter(({ crash }) => crash);
  if (culprit !== undefined) culprit.fail(uncaught(error));
  // An error tracker or a test runner that listens decides what becomes of the process.
  if (process.listenerCount("uncaughtException") > 1) return;
  printUncaught(error, origin);
  const hasWork = guarded.some((guard) => [...guard.exchanges()].some(({ hasConnection }) => hasConnection));
  if (ending || !hasWork) process.exit(1);
  ending = true;
  for (const guard of guarded) guard.refuse(endOfProcess("CRASHING"));
  void drainAll(guarded, true).finally(() => process.exit(1));
}

// -- exit ----------------------------------------------------------------------------------------------------------

/** Nothing asynchronous happens any more; but a socket takes octets at once as long as its buffer has room. */
function onExit(): void {
  for (const guard of participants)
    for (const exchange of guard.exchanges()) if (exchange.fail(endOfProcess("EXIT"))) exchange.settle(true);
}
