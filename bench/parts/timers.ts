import { setTimeout } from "node:timers/promises";
import { BUDGETS } from "../budgets.js";
import type { Flags } from "../flags.js";
import { startOrigin } from "../origin.js";
import { progress } from "../progress.js";
import type { Row } from "../report.js";
import type { Framework, Variant } from "../variants.js";
import { closeWaiters, openWaiters } from "../waiters.js";

const WAITING = 500;

/** Longer than any hold-back, so that a response in progress has come to rest. */
const SETTLE_MS = 300;

/** The two ways to wait: for the first octet, and for the next. */
const WAITS = { "/wait": "before the first octet", "/stall": "inside the response" } as const;
type Wait = keyof typeof WAITS;

/** Timers of a request that waits, over the bare framework's. */
export async function timersRows(framework: Framework, { node }: Flags): Promise<Row[]> {
  const rows: Row[] = [];
  for (const wait of Object.keys(WAITS) as Wait[]) {
    progress(`${framework}: timers ${WAITS[wait]}`);
    const bare = await timersPerRequest(framework, "bare", node, wait);
    const guarded = await timersPerRequest(framework, "everything", node, wait);
    rows.push({
      framework,
      what: `timers per request waiting ${WAITS[wait]}`,
      // One timer more or less is Node's own, which renews the Date field once a second.
      value: Math.round((guarded - bare) * 100) / 100,
      unit: "timers",
      detail: `${guarded.toFixed(2)} - ${bare.toFixed(2)}`,
      budget: BUDGETS.timers[framework],
    });
  }
  return rows;
}

/** Live timers, referenced or not, that each waiting request adds. */
async function timersPerRequest(framework: Framework, variant: Variant, node: string, wait: Wait): Promise<number> {
  const origin = await startOrigin({ framework, variant, node, countTimers: true });
  try {
    const first = await openWaiters(origin, wait, 1); // a sweep that serves all starts with the first
    await setTimeout(SETTLE_MS);
    const before = await origin.ask("timers");
    const rest = await openWaiters(origin, wait, WAITING);
    await setTimeout(SETTLE_MS);
    const after = await origin.ask("timers");
    closeWaiters([...first, ...rest]);
    return (after - before) / WAITING;
  } finally {
    await origin.stop();
  }
}
