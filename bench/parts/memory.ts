import { BUDGETS } from "../budgets.js";
import type { Flags } from "../flags.js";
import { openLoad } from "../load.js";
import { type Origin, startOrigin } from "../origin.js";
import { progress } from "../progress.js";
import type { Row } from "../report.js";
import type { Framework, Variant } from "../variants.js";
import { closeWaiters, openIdle, openWaiters } from "../waiters.js";

/** Connections at once. */
const CONNECTIONS = 10_000;

/** What is on each: a request that waits for its answer, or nothing, after one that has been answered. */
const STATES = {
  "waiting request": (origin: Origin) => openWaiters(origin, "/wait", CONNECTIONS),
  "idle connection": (origin: Origin) => openIdle(origin, CONNECTIONS),
} as const;
type State = keyof typeof STATES;

/** Memory of a request that waits for its answer, and of a connection that waits for a request, over the bare framework's. */
export async function memoryRows(framework: Framework, { node }: Flags): Promise<Row[]> {
  const rows: Row[] = [];
  for (const state of Object.keys(STATES) as State[]) rows.push(...(await rowsOf(state, framework, node)));
  return rows;
}

async function rowsOf(state: State, framework: Framework, node: string): Promise<Row[]> {
  const measure = (variant: Variant) => {
    progress(`${framework}: memory of ${CONNECTIONS} times one ${state}, ${variant}`);
    return octetsPerConnection(state, framework, variant, node);
  };
  const bare = await measure("bare");
  // Fastify makes a logger for each request of an app that logs; that is its own, and on either side.
  const logger = framework === "fastify" ? await measure("logger") : bare;
  const row = async (what: string, variant: Variant, without = bare): Promise<Row> => {
    const octets = await measure(variant);
    const detail = `${octets.toFixed(0)} - ${without.toFixed(0)}`;
    return { framework, what: `memory per ${state}, ${what}`, value: octets - without, unit: "octets", detail };
  };
  const budget = BUDGETS.memory[framework];
  return [
    { ...(await row("guard without logging", "guarded")), budget },
    { ...(await row("everything on", "everything", logger)), budget },
    await row("usual stack", "usual"),
  ];
}

/** Octets that one connection takes, with what is on it. */
async function octetsPerConnection(
  state: State,
  framework: Framework,
  variant: Variant,
  node: string,
): Promise<number> {
  const origin = await startOrigin({ framework, variant, node, nodeFlags: ["--expose-gc"] });
  try {
    const load = await openLoad(origin.port);
    await load.send(1_000); // what is allocated once, when the first requests come
    load.close();
    const before = await origin.ask("memory");
    const sockets = await STATES[state](origin);
    const after = await origin.ask("memory");
    closeWaiters(sockets);
    return (after - before) / CONNECTIONS;
  } finally {
    await origin.stop();
  }
}
