import { clearInterval, setInterval } from "./clock.js";

/**
 * Calls `act` every `ms` milliseconds for as long as somebody else keeps `owner`; a timer of its own would keep it, and
 * with it the guard, for ever. Does not keep the process alive.
 */
export function whileKept<T extends object>(owner: T, act: (owner: T) => void, ms: number): NodeJS.Timeout {
  const ref = new WeakRef(owner);
  const timer = setInterval(() => {
    const kept = ref.deref();
    if (kept === undefined) clearInterval(timer);
    else act(kept);
  }, ms);
  return timer.unref();
}
