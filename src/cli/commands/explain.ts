import { Command, InvalidArgumentError } from "commander";
import { parseRay, type Ray } from "../../cloudflare/ray.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { tellAbsence, tellCoverage } from "../explain/absence.js";
import { accountOf } from "../explain/account.js";
import { explanationOf } from "../explain/explanations.js";
import { tell } from "../explain/tell.js";
import { type Verdict, verdictOf } from "../explain/verdict.js";
import type { LogEntry } from "../logs/entry.js";
import { searchLogs } from "../logs/search.js";
import { STDIN } from "../logs/source.js";
import { printable, printableJson } from "../printable.js";
import { line, printProse } from "../prose.js";
import type { Terminal } from "../terminal.js";

const ABSENT: Verdict = { shown: "unknown", why: "No line is about it.", failed: true };

/** `rayguard explain RAY-ID FILE...`: what the origin server knows of one request. */
export function explainCommand(terminal: Terminal, done: (code: ExitCode) => void): Command {
  return new Command("explain")
    .summary("say what happened to a request, from its Ray ID and your logs")
    .description(
      "Reads logs and says in plain words what happened to the request with a Ray ID: when it came, what the app and " +
        "the guard did, each incident with its cause and what to change, and which Cloudflare error fits. Or it says " +
        "that the request never arrived, and what the reason can be.",
    )
    .argument(
      "<ray-id>",
      "16 hexadecimal digits, with or without the data centre, as on Cloudflare's error page",
      rayId,
    )
    .argument(
      "[files...]",
      'logs of rayguard and the app (JSON lines), of nginx, Apache, HAProxy, Caddy, Traefik or cloudflared, files of the flight recorder; plain, gzip or zstd; "-" or none: standard input',
    )
    .option("--json", "print the result as JSON")
    .addHelpText(
      "after",
      `
Examples:
  rayguard explain 230b030023ae2822-SJC app.log /var/log/nginx/access.log /var/log/nginx/error.log
  rayguard explain 230B030023AE2822 app.log.*.gz /var/lib/shop/flight.4711
  kubectl logs deploy/shop | rayguard explain 230b030023ae2822

Exit codes: 0 it arrived, and a complete response below 500 was sent, or the visitor left; 1 it failed, is still under
way, or never arrived; 2 this is not a Ray ID, or a file cannot be read.`,
    )
    .action(async (ray: Ray, names: string[], { json }: { json?: boolean }) => {
      if (names.length === 0 && process.stdin.isTTY) terminal.err("rayguard: reading the log from standard input");
      const { entries, files } = await searchLogs(names.length === 0 ? [STDIN] : names, new Set([ray.id]));
      const found = entries.get(ray.id) ?? [];
      const account = accountOf(ray.id, found);
      const arrived = found.some(({ kind }) => kind !== "quote");
      const verdict = arrived ? verdictOf(account) : ABSENT;
      if (json) {
        const codes = new Set(found.flatMap(codesOf));
        const explanations = [...codes].flatMap((code) => explanationOf(code) ?? []);
        const { entries: lines, ...rest } = account;
        terminal.out(printableJson({ ...rest, found: arrived, verdict, explanations, lines, files }));
      } else {
        const story = arrived ? tell(account, verdict) : tellAbsence(account, files);
        printProse(terminal, [...story, line(), ...tellCoverage(files)]);
      }
      done(verdict.failed ? EXIT.FOUND : EXIT.OK);
    });
}

/** Codes of incidents: most have a line of their own, and some only stand in the line of the request. */
function codesOf(entry: LogEntry): string[] {
  if (entry.kind === "incident") return [entry.code];
  return entry.kind === "request" && entry.incident !== undefined ? [entry.incident] : [];
}

/** Reads a Ray ID. */
export function rayId(value: string): Ray {
  const ray = parseRay(value.trim());
  if (ray !== null) return ray;
  throw new InvalidArgumentError(
    `A Ray ID is 16 hexadecimal digits, such as 230b030023ae2822-SJC; got "${printable(value, 60)}".`,
  );
}
