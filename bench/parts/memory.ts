import { BUDGETS } from "../budgets.js";
import type { Flags } from "../flags.js";
import { openLoad } from "../load.js";
import { startOrigin } from "../origin.js";
import { progress } from "../progress.js";
import type { Row } from "../report.js";
import type { Framework, Variant } from "../variants.js";
import { closeWaiters, openWaiters } from "../waiters.js";

/** Requests in flight at once, one connection each. */
const WAITING = 10_000;

/** Memory of a request that waits for its answer, over the bare framework's. */
export async function memoryRows(framework: Framework, { node }: Flags): Promise<Row[]> {
  const measure = async (variant: Variant) => {
    progress(`${framework}: memory of ${WAITING} requests waiting, ${variant}`);
    return octetsPerRequest(framework, variant, node);
  };
  const bare = await measure("bare");
  // Fastify makes a logger for each request of an app that logs; that is its own, and on either side.
  const logger = framework === "fastify" ? await measure("logger") : bare;
  const row = async (what: string, variant: Variant, without = bare): Promise<Row> => {
    const octets = await measure(variant);
    const detail = `${octets.toFixed(0)} - ${without.toFixed(0)}`;
    return { framework, what, value: octets - without, unit: "octets", detail };
  };
  return [
    {
      ...(await row("memory per waiting request, guard without logging", "guarded")),
      budget: BUDGETS.memory[framework],
    },
    {
      ...(await row("memory per waiting request, everything on", "everything", logger)),
      budget: BUDGETS.memory[framework],
    },
    await row("memory per waiting request, usual stack", "usual"),
  ];
}

/** Octets that one waiting request takes, its connection included. */
async function octetsPerRequest(framework: Framework, variant: Variant, node: string): Promise<number> {
  const origin = await startOrigin({ framework, variant, node, nodeFlags: ["--expose-gc"] });
  try {
    const load = await openLoad(origin.port);
    await load.send(1_000); // what is allocated once, when the first requests come
    load.close();
    const before = await origin.ask("memory");
    const waiters = await openWaiters(origin, "/wait", WAITING);
    const after = await origin.ask("memory");
    closeWaiters(waiters);
    return (after - before) / WAITING;
  } finally {
    await origin.stop();
  }
}
