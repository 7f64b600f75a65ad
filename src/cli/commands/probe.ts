import { Command, InvalidArgumentError, Option } from "commander";
import { FIELD_LINE, trimWhitespace } from "../../http/grammar.js";
import { httpUrl, seconds } from "../arguments.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import type { Fields } from "../probe/edge-request.js";
import { originOf, type Resolve, resolveOption } from "../probe/origin.js";
import { Probe } from "../probe/probe.js";
import { printed, reportOf } from "../probe/report.js";
import { run } from "../probe/run.js";
import type { Terminal } from "../terminal.js";

interface Options {
  readonly resolve?: Resolve[];
  readonly header: Fields;
  readonly timeout: number;
  readonly idle: number;
  readonly repeat: number;
  readonly health?: string;
  readonly strict?: boolean;
  readonly json?: boolean;
}

/** `rayguard probe URL`: what the edge would stumble over. */
export function probeCommand(terminal: Terminal, done: (code: ExitCode) => void): Command {
  return new Command("probe")
    .summary("test an origin server from outside, as Cloudflare sees it")
    .description(
      "Tests an origin server from outside, as Cloudflare sees it: complete and valid responses, framing, limits, " +
        "persistent connections, HTTP/2, certificate, health endpoint, redirects. Sends about 50 requests, only GET, HEAD " +
        "and OPTIONS. A certificate that cannot be verified is a finding, and the probe continues.",
    )
    .argument("<url>", "address of a page, http: or https:", httpUrl)
    .option(
      "--resolve <host:address>",
      "connect to this address[:port] for that host, not through Cloudflare",
      resolveOption,
    )
    .addOption(
      new Option("-H, --header <field>", 'add a header field, such as "Authorization: Bearer …"')
        .argParser(field)
        .default([], "none"),
    )
    .option("--timeout <seconds>", "longest time for one response; Cloudflare waits 125", seconds, 10)
    .option("--idle <seconds>", "pause before a connection is used again; 0: no such test", idle, 6.5)
    .option("--repeat <count>", "how often the page is asked for, on new connections", count, 5)
    .option("--health <path>", "path of the health endpoint, which must answer 200 then (default: tries /health)", path)
    .option("--strict", "exit code 1 for warnings too")
    .option("--json", "print the result as JSON")
    .addHelpText(
      "after",
      `
Examples:
  rayguard probe http://127.0.0.1:3000/
  rayguard probe https://example.com/ --resolve example.com:192.0.2.10 --health /health
  rayguard probe https://example.com/ --resolve example.com:443:192.0.2.10 --timeout 125 --idle 900 --json

Exit codes: 0 no error was found; 1 there is one; 2 the probe could not run.`,
    )
    .action(async (url: URL, options: Options) => {
      const started = performance.now();
      const isShown = process.stderr.isTTY === true;
      const probe = new Probe(originOf(url, options.resolve ?? []), {
        timeoutMs: options.timeout * 1_000,
        idleMs: options.idle * 1_000,
        repeat: options.repeat,
        health: { path: options.health ?? "/health", given: options.health !== undefined },
        fields: options.header,
        ...(isShown ? { progress: (text: string) => void process.stderr.write(`\r\x1b[K${text} …`) } : {}),
      });
      await run(probe);
      if (isShown) process.stderr.write("\r\x1b[K");
      const report = reportOf(probe, url, performance.now() - started, options.strict === true);
      terminal.out(options.json ? JSON.stringify(report, null, 2) : printed(report, terminal.colours));
      done(report.ok ? EXIT.OK : EXIT.FOUND);
    });
}

/** Reads `Name: value`. */
function field(value: string, before: Fields): Fields {
  const [, name, text] = FIELD_LINE.exec(value) ?? [];
  if (name !== undefined && text !== undefined) return [...before, [name, trimWhitespace(text)]];
  throw new InvalidArgumentError('It must be "Name: value", without control characters.');
}

function idle(value: string): number {
  return value.trim() === "0" ? 0 : seconds(value);
}

function count(value: string): number {
  const number = Number(value);
  if (Number.isInteger(number) && number >= 1 && number <= 100) return number;
  throw new InvalidArgumentError(`It must be a whole number from 1 to 100; got "${value}".`);
}

function path(value: string): string {
  if (/^\/[\x21-\x7e]*$/.test(value)) return value;
  throw new InvalidArgumentError(`It must be a path such as /health; got "${value}".`);
}
