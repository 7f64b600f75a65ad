import { parseArgs } from "node:util";
import { FRAMEWORKS, type Framework, VARIANTS, type Variant } from "./variants.js";

/** Parts of the benchmark; `profile` runs only where `--only` names it. */
export const PARTS = ["cpu", "keeper", "memory", "timers", "import", "profile"] as const;
export type Part = (typeof PARTS)[number];

export type Flags = {
  frameworks: readonly Framework[];
  parts: readonly Part[];
  /** Variants of the CPU measure and of the profile; `bare`, which they are compared with, is always one. */
  variants: (framework: Framework) => readonly Variant[];
  rounds: number;
  /** Requests of one variant in one round. */
  requests: (framework: Framework) => number;
  node: string;
  /** No major garbage collection has found the servers without a request. */
  isFresh: boolean;
  check: boolean;
  json: boolean;
};

export const USAGE = `npm run bench -- [flags]

  --framework express|fastify   one framework instead of both
  --only cpu,keeper,memory,timers,import,profile
                                parts to run (all but profile, which tells where the CPU time goes)
  --variants guarded,everything,...
                                variants of the CPU measure and of the profile (all)
  --rounds N                    rounds of the CPU measures (6), each in fresh processes
  --requests N                  requests of one variant in one round (express 20000, fastify 60000)
  --node PATH                   Node binary that runs the servers
  --fresh                       CPU time of servers that no major garbage collection has found without a request
  --check                       exit code 1 where a budget is missed
  --json                        all figures as JSON instead of a table`;

/**
 * About the same time for each framework, so that neither is measured less well; and turns of a quarter of a second, since
 * after each change of process the caches are cold, which weighs more on the one with more code.
 */
const REQUESTS: Record<Framework, number> = { express: 20_000, fastify: 60_000 };

/**
 * Reads the command line.
 * @throws {TypeError} for a flag or value that does not exist
 */
export function readFlags(args: string[]): Flags | "help" {
  const { values } = parseArgs({
    args,
    options: {
      framework: { type: "string" },
      only: { type: "string" },
      variants: { type: "string" },
      rounds: { type: "string", default: "6" },
      requests: { type: "string" },
      node: { type: "string", default: process.execPath },
      fresh: { type: "boolean", default: false },
      check: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return "help";
  const known = [...new Set(Object.values(VARIANTS).flat())];
  const wanted = values.variants?.split(",").map((variant) => oneOf("variants", known, variant));
  const requests = values.requests === undefined ? undefined : whole("requests", values.requests);
  return {
    frameworks: values.framework === undefined ? FRAMEWORKS : [oneOf("framework", FRAMEWORKS, values.framework)],
    parts: values.only?.split(",").map((part) => oneOf("only", PARTS, part)) ?? PARTS.slice(0, -1),
    variants: (framework) =>
      VARIANTS[framework].filter((variant) => variant === "bare" || (wanted?.includes(variant) ?? true)),
    rounds: whole("rounds", values.rounds),
    requests: (framework) => requests ?? REQUESTS[framework],
    node: values.node,
    isFresh: values.fresh,
    check: values.check,
    json: values.json,
  };
}

function oneOf<Value extends string>(flag: string, known: readonly Value[], value: string): Value {
  const found = known.find((candidate) => candidate === value);
  if (found === undefined) throw new TypeError(`--${flag} takes ${known.join(", ")}; got ${value}.`);
  return found;
}

function whole(flag: string, value: string): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number < 1) throw new TypeError(`--${flag} takes a whole number; got ${value}.`);
  return number;
}
