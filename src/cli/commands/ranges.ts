import { Command, Option } from "commander";
import { currentRanges, type Ranges } from "../../cloudflare/ranges.js";
import { refreshRanges } from "../../cloudflare/refresh-ranges.js";
import { RayguardError } from "../../errors.js";
import { tcpPort } from "../arguments.js";
import { CommandError, EXIT, type ExitCode } from "../exit-codes.js";
import { RANGE_FORMATS } from "../ranges/index.js";
import type { Terminal } from "../terminal.js";
import { replaceFile } from "../write-file.js";

interface Given {
  readonly format?: string;
  readonly port: readonly number[];
  readonly output?: string;
  readonly refresh?: boolean;
  readonly json?: boolean;
}

/** Ports on which Cloudflare reaches an origin server unless told otherwise. */
const WEB_PORTS: readonly number[] = [80, 443];

/** `rayguard ranges --format NAME`: allow-lists and real-IP configuration for what stands in front of the app. */
export function rangesCommand(terminal: Terminal, done: (code: ExitCode) => void): Command {
  const format = new Option("--format <name>", "for which program").choices(Object.keys(RANGE_FORMATS));
  return new Command("ranges")
    .summary("write Cloudflare's address ranges for a proxy or a firewall")
    .description(
      "Writes the address ranges from which Cloudflare connects to origin servers, as configuration for a reverse proxy " +
        "or a firewall. The list is in this version of the package; with --refresh it comes from Cloudflare. Its date is " +
        "in the first line.",
    )
    .addOption(format)
    .option(
      "--port <number>",
      "TCP port that only Cloudflare may reach; can be repeated (firewalls)",
      collectPorts,
      WEB_PORTS,
    )
    .option("--output <file>", "write to this file, which is replaced as a whole")
    .option("--refresh", "ask Cloudflare for the list of today")
    .option("--json", "the same as --format json")
    .addHelpText(
      "after",
      `
Examples:
  rayguard ranges --format nginx-realip --output /etc/nginx/rayguard/cloudflare-realip.conf
  rayguard ranges --format nftables --port 443 | nft -f -
  rayguard ranges --refresh --json`,
    )
    .action(async ({ format: name, json, port, output, refresh }: Given) => {
      const write = RANGE_FORMATS[name ?? (json ? "json" : "")];
      if (write === undefined) throw new CommandError(`Say what to write with --format: ${known()}.`);
      if (json && name !== undefined && name !== "json") {
        throw new CommandError(`--json and --format ${name} ask for two different things; leave one out.`);
      }
      const text = write(refresh ? await refreshed() : currentRanges(), { ports: port });
      if (output === undefined) terminal.out(text.trimEnd());
      else await replaceFile(output, text);
      done(EXIT.OK);
    });
}

async function refreshed(): Promise<Ranges> {
  try {
    return await refreshRanges();
  } catch (error) {
    if (!(error instanceof RayguardError)) throw error;
    throw new CommandError(`${error.message} Without --refresh the list of ${currentRanges().date} is written.`);
  }
}

function collectPorts(value: string, before: readonly number[]): readonly number[] {
  const ports = before === WEB_PORTS ? [] : before;
  const port = tcpPort(value);
  return ports.includes(port) ? ports : [...ports, port];
}

function known(): string {
  return Object.keys(RANGE_FORMATS).join(", ");
}
