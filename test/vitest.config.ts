import { availableParallelism } from "node:os";
import { configDefaults, defineConfig } from "vitest/config";

// Processes under load, and how long they take to notice it: a neighbour would be part of the load.
const ALONE = ["test/lifecycle/**/*.test.ts"];

// The same on every version of Node: the package, its documents, the page, other servers, the command's text.
const OF_ANY_NODE = [
  "test/package.test.ts",
  "test/readme.test.ts",
  "test/validity/lint*",
  "test/playground/**",
  "test/proxies/**",
  "test/deploy/**",
  "test/cli/ranges*",
  "test/cli/explain-*",
  "test/cli/probe/web-servers.test.ts",
  "test/cli/probe/broken-[cmr]*",
];

/** `RAYGUARD_TESTS=of-this-node` leaves out what was tested on another version of Node already. */
const left = process.env.RAYGUARD_TESTS === "of-this-node" ? OF_ANY_NODE : [];

export default defineConfig({
  test: {
    retry: 1,
    projects: [
      {
        extends: true,
        test: {
          name: "side by side",
          include: ["test/**/*.test.ts"],
          exclude: [...configDefaults.exclude, ...ALONE, ...left],
          // Most of them wait for sockets more than they compute.
          maxWorkers: Math.max(2, availableParallelism() - 1),
          sequence: { groupOrder: 0 },
        },
      },
      { extends: true, test: { name: "alone", include: ALONE, maxWorkers: 1, sequence: { groupOrder: 1 } } },
    ],
  },
});
