import { contain, contained } from "../containment.js";
import { currentExchange, currentThrower } from "../exchange/current-exchange.js";
import type { Exchange } from "../exchange/exchange.js";
import { endOfProcess, thrown, uncaught } from "../report/incidents.js";
import { WeakCollection } from "../weak-collection.js";
import { type Arriving, unmadeOf } from "./arriving.js";

/** A guard that only reports, as far as the end of the process concerns it. */
export interface Watching extends Arriving {
  readonly waiting: Iterable<Exchange>;
}

/** Kept by their servers. */
const guards = new WeakCollection<Watching>(() => listen());
let isListening = false;
let isThrown = false;

/** Has a guard tell which requests die with the process, and changes nothing about that: no signal is listened for. */
export function watchEnd(guard: Watching): () => void {
  guards.add(guard);
  listen();
  return () => {
    guards.delete(guard);
    listen();
  };
}

function listen(): void {
  const isWanted = !guards.isEmpty;
  if (isWanted === isListening) return;
  isListening = isWanted;
  const change = isWanted ? "prependListener" : "removeListener";
  process[change]("uncaughtExceptionMonitor", onUncaught);
  process[change]("exit", onExit);
}

const onUncaught = contained(undefined, (error: Error) => {
  // The app has taken it, as `node:domain` does.
  if (process.hasUncaughtExceptionCaptureCallback()) return;
  isThrown = true;
  const thrower = currentThrower();
  const failure = thrower === undefined ? uncaught(error) : thrown(error);
  const culprit = thrower ?? currentExchange() ?? unmadeOf(guards, failure);
  if (culprit?.isWatched) culprit.fail(failure);
});

function onExit(): void {
  const failure = endOfProcess(isThrown ? "SHUTDOWN" : "EXIT");
  const end = (exchange: Exchange) => {
    if (exchange.phase.isOver) return exchange.tellBeforeExit();
    // A keeper answers it, and tells of that.
    if (exchange.kept !== undefined) return;
    if (exchange.incident === undefined) exchange.fail(failure);
    exchange.settle(false);
  };
  for (const guard of guards) for (const exchange of [...guard.waiting]) contain(undefined, () => end(exchange));
}
