import { executionAsyncResource } from "node:async_hooks";
import { nextTick } from "../clock.js";
import { contained } from "../containment.js";
import { shared } from "../shared.js";

/**
 * Keeps one of the objects that `nextTick()` makes. Where major garbage collections find none, as in a moment
 * without a request, V8 forgets their shape, and Node makes each of them the slow way: 4 to 16 us of every request.
 */
export function keepTickShape(): void {
  shared("tick", () => {
    const kept: { tick?: object } = {};
    const keep = contained(undefined, () => {
      kept.tick = executionAsyncResource();
    });
    nextTick(keep);
    return kept;
  });
}
