import { contain } from "../containment.js";
import { shared } from "../shared.js";

/** Why a process has begun to end: by itself, `"app"`, or since it must. */
export type Cause = "app" | "signal" | "exception";

interface Holder {
  listener: ((cause: Cause) => void) | undefined;
  isSignalled: boolean;
}

const holder = shared("leaving", (): Holder => ({ listener: undefined, isSignalled: false }));

/** Has somebody told that this process has begun to end. */
export function whenLeaving(listener: (cause: Cause) => void): void {
  holder.listener = listener;
}

/** A signal asks this process to end. */
export function signalled(): void {
  holder.isSignalled = true;
}

/** This process has begun to end: it finishes what it has. @param crashes - it does so because of an exception */
export function leaves(crashes: boolean): void {
  const { listener, isSignalled } = holder;
  holder.listener = undefined;
  const cause = crashes ? "exception" : isSignalled ? "signal" : "app";
  if (listener !== undefined) contain(undefined, () => listener(cause));
}
