import { createHook } from "node:async_hooks";

// Not process.getActiveResourcesInfo(): it leaves out unref'd timers, and a guard's timers should all be unref'd.
const live = new Set();

createHook({
  init(asyncId, type) {
    if (type === "Timeout") live.add(asyncId);
  },
  destroy(asyncId) {
    live.delete(asyncId);
  },
}).enable();

/** Timers created and neither fired nor cleared so far. */
export function count() {
  return live.size;
}
