import { Command, Option } from "commander";
import {
  type CountErrorsOptions,
  countErrors,
  EDGE_ERRORS,
  type ErrorCounts,
  RayguardError,
} from "../../cloudflare/analytics/index.js";
import { seconds } from "../arguments.js";
import { pointInTime, statusList, wholeNumber } from "../errors/arguments.js";
import { type Joined, joinLogs } from "../errors/join.js";
import { type Lengths, tellCounts } from "../errors/tell-counts.js";
import { CommandError, EXIT, type ExitCode } from "../exit-codes.js";
import { printable, printableJson } from "../printable.js";
import { printProse } from "../prose.js";
import type { Terminal } from "../terminal.js";

interface Options extends Lengths {
  readonly zone?: string;
  readonly since: Date;
  readonly until?: Date;
  readonly status: number[];
  readonly threshold?: number;
  readonly join?: string[];
  readonly endpoint?: string;
  readonly timeout: number;
  readonly wait: number;
  readonly json?: boolean;
}

/** `rayguard errors --zone ID`: how often Cloudflare showed an error of its own, and for which requests. */
export function errorsCommand(terminal: Terminal, done: (code: ExitCode) => void): Command {
  return new Command("errors")
    .summary("count the errors 520 to 526 that visitors saw, and list their Ray IDs")
    .description(
      "Counts the errors that Cloudflare showed because the origin server sent no good response, and lists their Ray " +
        "IDs. It asks Cloudflare's GraphQL Analytics API, within the limits of the zone's plan. The API token is read from " +
        "CLOUDFLARE_API_TOKEN. It needs the permission Account Analytics: Read, limited to the zone.",
    )
    .option("--zone <id>", "zone ID, 32 hexadecimal digits (or CLOUDFLARE_ZONE_ID)")
    .addOption(
      new Option("--since <time>", "start: a time before now (90m, 24h, 7d), or ISO 8601")
        .argParser(pointInTime)
        .default(pointInTime("24h"), "24h"),
    )
    .option("--until <time>", "end, in the same forms (default: now)", pointInTime)
    .addOption(
      new Option("--status <list>", "statuses to count, separated by commas")
        .argParser(statusList)
        .default([...EDGE_ERRORS], "520 to 526"),
    )
    .option("--threshold <n>", "exit code 1 if there are more errors than this", wholeNumber)
    .option("--join <files...>", "add to each Ray ID what these logs of the origin server say (see explain)")
    .option("--rays <n>", "Ray IDs to print; --json has up to 10000", wholeNumber, 20)
    .option("--top <n>", "rows of the other tables to print", wholeNumber, 10)
    .option("--timeout <seconds>", "longest time for one answer", seconds, 30)
    .option("--wait <seconds>", "longest time to wait for Cloudflare's rate limit", seconds, 300)
    .option("--endpoint <url>", "another address of the API (or RAYGUARD_ANALYTICS_ENDPOINT)")
    .option("--json", "print the result as JSON")
    .addHelpText(
      "after",
      `
Examples:
  CLOUDFLARE_API_TOKEN=... rayguard errors --zone 023e105f4ecef8ad9ca31a8372d0c353
  rayguard errors --zone $ZONE --since 7d --status 520,524 --threshold 0 --json
  rayguard errors --zone $ZONE --since 6h --join app.log /var/log/nginx/access.log

Exit codes: 0 counted, and not more than --threshold; 1 more than that; 2 they could not be counted.`,
    )
    .action(async (options: Options) => {
      const counts = await count(terminal, options);
      const joined = options.join === undefined ? null : await joinLogs(counts.rows, options.join);
      const exceeded = options.threshold !== undefined && counts.total > options.threshold;
      if (options.json) terminal.out(printableJson(resultOf(counts, joined, options.threshold)));
      else printProse(terminal, tellCounts(counts, options, joined));
      if (exceeded)
        terminal.err(`rayguard: ${counts.total} errors are more than the threshold of ${options.threshold}`);
      done(exceeded ? EXIT.FOUND : EXIT.OK);
    });
}

async function count(terminal: Terminal, options: Options): Promise<ErrorCounts> {
  const { env } = terminal;
  const token = env.CLOUDFLARE_API_TOKEN?.trim();
  const zone = options.zone ?? env.CLOUDFLARE_ZONE_ID;
  if (!zone)
    throw new CommandError(
      "Which zone? Give --zone, or set CLOUDFLARE_ZONE_ID; the ID is on the zone's overview page.",
    );
  if (!token)
    throw new CommandError(
      "CLOUDFLARE_API_TOKEN is not set. Create a token with Account Analytics: Read and put it there.",
    );
  const endpoint = options.endpoint ?? env.RAYGUARD_ANALYTICS_ENDPOINT;
  const request: CountErrorsOptions = {
    zone,
    token,
    since: options.since,
    ...(options.until === undefined ? {} : { until: options.until }),
    statuses: options.status,
    ...(endpoint ? { endpoint } : {}),
    timeoutMs: options.timeout * 1_000,
    patienceMs: options.wait * 1_000,
    onWait: (ms, why) => terminal.err(`rayguard: ${why}; waiting ${Math.ceil(ms / 1_000)} s`),
  };
  try {
    return await countErrors(request);
  } catch (error) {
    if (error instanceof RayguardError) throw new CommandError(printable(error.message), { cause: error });
    throw error;
  }
}

function resultOf(counts: ErrorCounts, joined: Joined | null, threshold: number | undefined): object {
  const { rows, ...rest } = counts;
  const limit = threshold === undefined ? {} : { threshold, exceeded: counts.total > threshold };
  if (joined === null) return { ...rest, ...limit, rows };
  return {
    ...rest,
    ...limit,
    rows: rows.map((row) => ({ ...row, origin: joined.accounts.get(row.ray) ?? null })),
    files: joined.files,
  };
}
