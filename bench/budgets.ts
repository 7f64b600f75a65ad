import type { Framework } from "./variants.js";

/** The budgets of the guard, as the README promises them. */
export const BUDGETS = {
  /** Server CPU time per request, no logging, against the bare framework. */
  guarded: { express: 1.1, fastify: 1.14 },
  /** Server CPU time per request, everything on, against the bare framework. */
  everything: { express: 1.25, fastify: 1.45 },
  /** Server CPU time per request, everything on, against the request logger alone that it takes the place of. */
  requestLogger: { express: 0.85, fastify: 0.85 },
  /** Server CPU time per request, everything on, against the usual stack of packages for the same job. */
  usual: { express: 0.6, fastify: 0.6 },
  /** Server CPU time per request of a program and its keeper, against the same program without a keeper. */
  kept: { express: 1.1, fastify: 1.1 },
  /** Microseconds of CPU time that the keeper adds to each new connection. */
  keptConnection: { express: 350, fastify: 350 },
  /** Octets of each waiting request, and of each idle connection, over the bare framework. */
  memory: { express: 640, fastify: 640 },
  /** Timers of each waiting request over the bare framework: one sweep serves all. */
  timers: { express: 0, fastify: 0 },
  /** Milliseconds of a cold import over the framework's own. */
  import: { express: 15, fastify: 15 },
} as const satisfies Record<string, Record<Framework, number>>;
