import { constants } from "node:os";
import { contain } from "../containment.js";
import { currentExchange, isOfRequest } from "../exchange/current-exchange.js";
import { frontsOf } from "../http1/connection/connection-lists.js";
import { signalled } from "../kept/leaving.js";
import { uncaught } from "../report/incidents.js";
import { WeakCollection } from "../weak-collection.js";
import { unmadeOf } from "./arriving.js";
import { asksForEnd, type Concerned, crashed, mustEnd, type Subscriber } from "./end.js";
import { hear } from "./other-listeners.js";
import { awaitOwnSignals, ownSignalHasCome } from "./own-signals.js";
import { printUncaught } from "./print-uncaught.js";
import { hearOnly, isHeard } from "./process-events.js";

/** How long listeners for messages, which may be there for any message, have for PM2's `shutdown`, in milliseconds. */
const MESSAGE_PATIENCE_MS = 1_000;

/** Kept by their servers; once the last has been collected, the process gets its default actions back. */
const subscribers = new WeakCollection<Subscriber>(() => install());
/** `exit` has been emitted. */
let isLeaving = false;
let undoKill: (() => void) | undefined;

/**
 * Takes the place of Node's default action for signals, uncaught exceptions and the end of the process while at least
 * one guard is attached. Listeners of the app may end the process before; see `end.ts`.
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
  mustEnd(concern(({ shutdown }) => shutdown !== false));
}

/** Notes whom an event concerns, before any listener of the app has run. */
function concern(concerns: (subscriber: Subscriber) => boolean): Concerned {
  const guards = [...subscribers].filter(concerns);
  const servers = guards
    .flatMap(({ servers }) => [...servers])
    .flatMap((server) => [server as { readonly listening: boolean }, ...frontsOf(server)]);
  return {
    guards,
    left: () => guards.filter((guard) => subscribers.has(guard)),
    listening: servers.filter(({ listening }) => listening),
  };
}

// -- crashes -------------------------------------------------------------------------------------------------------

function onUncaught(error: unknown, origin: NodeJS.UncaughtExceptionOrigin): void {
  let culprit = currentExchange();
  // Now: a listener that throws, too, ends the process there and then.
  contain(undefined, () => {
    const failure = uncaught(error);
    culprit ??= unmadeOf(subscribers, failure);
    culprit?.fail(failure);
    culprit?.interrupted();
  });
  const concerned = concern(({ crash }) => crash !== false);
  const throwAgain = () => {
    throw error;
  };
  hear("uncaughtException", onUncaught, (others) => {
    const crash = {
      isKnown: culprit !== undefined || isOfRequest(),
      print: () => printUncaught(error, origin),
      throwAgain,
    };
    crashed(others, crash, concerned, isLeaving);
  });
}

// -- exit ----------------------------------------------------------------------------------------------------------

/** Nothing asynchronous happens any more; but a socket takes octets at once as long as its buffer has room. */
function onExit(): void {
  isLeaving = true;
  for (const guard of subscribers) contain(undefined, () => guard.exits());
}
