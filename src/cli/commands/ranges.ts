import { Command, Option } from "commander";
import { PUBLISHED_RANGES } from "../../cloudflare/published-ranges.js";
import { port } from "../arguments.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { FORMATS, formatRanges } from "../ranges/formats.js";
import type { Terminal } from "../terminal.js";

interface Options {
  readonly format: string;
  readonly port: readonly number[];
  readonly json?: boolean;
}

/** `rayguard ranges`: allow-lists and real-IP configuration. */
export function rangesCommand(terminal: Terminal, done: (code: ExitCode) => void): Command {
  return new Command("ranges")
    .summary("print Cloudflare's address ranges as configuration")
    .description(
      "Prints the address ranges from which Cloudflare connects to origin servers: as allow-list for a web server or a " +
        "firewall (nginx, apache, haproxy, nftables, iptables, ufw), or so that a web server sees the address of the client " +
        "(nginx-realip, apache-remoteip).",
    )
    .addOption(new Option("--format <format>", "what to print").choices([...FORMATS]).default("json"))
    .option(
      "--port <port>",
      "TCP port of the origin server, for firewalls; can be repeated (default: 80 and 443)",
      collect,
      [],
    )
    .option("--json", "the same as --format json")
    .addHelpText(
      "after",
      `
Examples:
  rayguard ranges --format nginx-realip > /etc/nginx/conf.d/cloudflare-realip.conf && nginx -t
  rayguard ranges --format nftables --port 443 | nft -f -
  rayguard ranges --format haproxy > /etc/haproxy/cloudflare.lst`,
    )
    .action(({ format, port: given, json }: Options) => {
      const ports = given.length > 0 ? [...new Set(given)] : [80, 443];
      terminal.out(formatRanges(json ? "json" : format, PUBLISHED_RANGES, ports));
      done(EXIT.OK);
    });
}

function collect(value: string, before: readonly number[]): number[] {
  return [...before, port(value)];
}
