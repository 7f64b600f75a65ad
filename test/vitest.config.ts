import { availableParallelism } from "node:os";
import { configDefaults, defineConfig } from "vitest/config";

// They measure what a machine can do, or how soon something is noticed on it: a neighbour would be part of the load.
// Where Apache has no time to connect to itself, requests take all of its threads before the first one gets its second.
const ALONE = [
  ...["container", "crash", "deadline-scale", "drain", "newcomers", "overload", "watchdog"].map(
    (name) => `test/lifecycle/${name}.test.ts`,
  ),
  "test/deploy/passing.test.ts",
];

// The same on every version of Node: the package, its files and documents, the page, other servers and runtimes, pure
// functions, the command's text, how a keeper fares under load, what a machine can do.
const OF_ANY_NODE = [
  "test/package.test.ts",
  "test/public-types.test.ts",
  "test/readme.test.ts",
  "test/rooms.test.ts",
  "test/containment-audit.test.ts",
  "test/documents/**",
  "test/runtimes.test.ts",
  "test/parser/**",
  "test/trust/**",
  "test/validity/**",
  "test/cloudflare/**",
  "test/playground/**",
  "test/proxies/**",
  "test/keeper/deaths*",
  // What differs from Express 5 is Express.
  "test/origins/express4*",
  "test/deploy/**",
  "test/lifecycle/container*",
  "test/lifecycle/deadline-scale*",
  "test/lifecycle/overload*",
  "test/lifecycle/pm2*",
  // The files that `explain` reads are those that Node can decompress.
  "test/cli/[!ep]*",
  "test/cli/errors*",
  "test/cli/explain-[!f]*",
  "test/cli/probe/[!s]*",
];

// What Node has little part in: the oldest version has shown it, and what it stands on is shown by other tests on each.
const OF_MOST_NODES = [
  ...OF_ANY_NODE,
  "test/keeper/options*",
  "test/keeper/bad-input*",
  "test/upload-deadline*",
  "test/zero-code/programs*",
  "test/error-headers*",
  "test/log-batch*",
  "test/mounted*",
  "test/successor*",
  "test/observability/**",
  "test/testing/**",
  "test/keeper/{arriving,blocked,many}*",
  "test/lifecycle/{listeners,watchdog}*",
  "test/origins/{express,fastify}-http2*",
  "test/origins/fastify.test.ts",
];

// Two versions of Node have shown it.
const OF_TWO_NODES = [
  ...OF_MOST_NODES,
  "test/cli/**",
  "test/keeper/**",
  "test/zero-code/{apm,given-connections,programs}*",
  "test/lifecycle/**",
  "test/origins/*-http2*",
  "test/origins/express5*",
  "test/http2-{order,told}*",
  "test/{half-closed,protocols,early-answer,wrapped-methods}*",
];

/** `RAYGUARD_TESTS` leaves out what was tested on another version of Node already, or on two others. */
const LEFT: Readonly<Record<string, readonly string[]>> = {
  "of-this-node": OF_MOST_NODES,
  "of-newest-node": OF_TWO_NODES,
};
const left = LEFT[process.env.RAYGUARD_TESTS ?? ""] ?? [];

export default defineConfig({
  test: {
    retry: 1,
    // Three processes share two cores, and each test may start some of its own: a limit is for what hangs.
    testTimeout: 20_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 5_000 } },
    projects: [
      {
        extends: true,
        test: {
          name: "side by side",
          include: ["test/**/*.test.ts"],
          exclude: [...configDefaults.exclude, ...ALONE, ...left],
          // Most of them wait for sockets and processes more than they compute.
          maxWorkers: availableParallelism() + 1,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: { name: "alone", include: ALONE, exclude: [...left], maxWorkers: 1, sequence: { groupOrder: 1 } },
      },
    ],
  },
});
