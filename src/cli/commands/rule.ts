import { Command } from "commander";
import { CommandError, EXIT, type ExitCode } from "../exit-codes.js";
import { printable, printableJson } from "../printable.js";
import { line, type ProseLine, printProse } from "../prose.js";
import { ALL_CODES, type CodePage, lookUp } from "../rule/look-up.js";
import { nearest } from "../rule/nearest.js";
import type { Terminal } from "../terminal.js";

/** `rayguard rule CODE`: what a code of the log stands for, without a network. */
export function ruleCommand(terminal: Terminal, done: (code: ExitCode) => void): Command {
  return new Command("rule")
    .summary("explain a code of the log, a rule, an error or a finding")
    .description(
      "Explains a code: what it is, what the guard and the edge do, what to change, and where in the repository it is " +
        "tested. Codes are rules such as MC-5, events such as KILLED, errors such as ERR_RAYGUARD_DEADLINE, and findings " +
        "of the probe. It needs no network.",
    )
    .argument("[codes...]", "one code or several, in upper or lower case; without one: a list of all")
    .option("--json", "print the result as JSON")
    .addHelpText(
      "after",
      `
Examples:
  rayguard rule MC-5
  rayguard rule killed no_worker
  rayguard rule ERR_RAYGUARD_DEADLINE --json

Exit codes: 0 the code is known; 2 there is no such code.`,
    )
    .action((names: string[], { json }: { json?: boolean }) => {
      const pages = (names.length === 0 ? ALL_CODES : names).map(pageOf);
      if (json) terminal.out(printableJson(pages));
      else if (names.length === 0) terminal.out(pages.map(({ code, what }) => `${code.padEnd(34)} ${what}`).join("\n"));
      else
        printProse(
          terminal,
          pages.flatMap((page, i) => [...(i === 0 ? [] : [line()]), ...tell(page)]),
        );
      done(EXIT.OK);
    });
}

function pageOf(name: string): CodePage {
  const page = lookUp(name);
  if (page !== null) return page;
  throw new CommandError(`There is no code "${printable(name, 60)}". ${adviceFor(name)}`);
}

function adviceFor(name: string): string {
  if (/^52\d$/.test(name))
    return "It is a status that Cloudflare shows: node_modules/rayguard/docs/guides/520-now.md leads to its cause.";
  const near = nearest(name, ALL_CODES);
  return near.length === 0 ? 'See "rayguard rule" for all of them.' : `Near it: ${near.join(", ")}.`;
}

function tell({ code, kind, what, source, guard, edge, next, tests }: CodePage): ProseLine[] {
  const lines = [line(`${code}  ${what}`, "title"), line(`  Kind:    ${kind}`)];
  if (source !== null) lines.push(line(`  Source:  ${source}`));
  if (guard !== null) lines.push(line(`  Guard:   ${guard}`));
  if (edge !== null) lines.push(line(`  Edge:    ${edge}`));
  for (const [i, step] of next.entries()) lines.push(line(`  ${i === 0 ? "Change:" : "       "}  ${step}`));
  for (const [i, test] of tests.entries()) lines.push(line(`  ${i === 0 ? "Tested:" : "       "}  ${test}`, "aside"));
  return lines;
}
