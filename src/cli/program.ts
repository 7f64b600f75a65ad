import { Command, CommanderError } from "commander";
import { errorsCommand } from "./commands/errors.js";
import { explainCommand } from "./commands/explain.js";
import { healthCommand } from "./commands/health.js";
import { probeCommand } from "./commands/probe.js";
import { rangesCommand } from "./commands/ranges.js";
import { ruleCommand } from "./commands/rule.js";
import { runCommand } from "./commands/run.js";
import { CommandError, EXIT } from "./exit-codes.js";
import type { Terminal } from "./terminal.js";

/** A subcommand: its action says how it went through `done`. */
export type Subcommand = (terminal: Terminal, done: (code: number) => void) => Command;

export const SUBCOMMANDS: readonly Subcommand[] = [
  runCommand,
  probeCommand,
  explainCommand,
  ruleCommand,
  errorsCommand,
  rangesCommand,
  healthCommand,
];

/**
 * Runs the `rayguard` command.
 * @param args - the arguments behind the name of the command
 * @returns the exit code
 */
export async function run(args: readonly string[], terminal: Terminal, version: string): Promise<number> {
  let code: number = EXIT.OK;
  const program = new Command("rayguard")
    .description("Runs, checks and explains a Node origin server behind Cloudflare.")
    .enablePositionalOptions()
    .version(version)
    .addHelpText("after", HELP_TAIL);
  for (const subcommand of SUBCOMMANDS) program.addCommand(subcommand(terminal, (given) => (code = given)));
  for (const each of [program, ...program.commands]) prepare(each, terminal);
  try {
    await program.parseAsync(args as string[], { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.OK : EXIT.FAILED;
    if (!(error instanceof CommandError)) throw error;
    terminal.err(`rayguard: ${error.message}`);
    return EXIT.FAILED;
  }
  return code;
}

const HELP_TAIL = `
Exit codes: 0 nothing is wrong; 1 something is wrong (a finding, an unhealthy answer, too many errors);
2 the command could not do its work (wrong arguments, a file that cannot be read, no answer from a service).
"rayguard help COMMAND" has examples. "rayguard rule CODE" explains a code of the log.
You have a 520 now? node_modules/rayguard/docs/guides/520-now.md leads to its cause.`;

/** Never ends the process, and writes where the terminal says. */
function prepare(command: Command, { out, err }: Terminal): void {
  command
    .exitOverride()
    .showHelpAfterError('(see "rayguard help")')
    .configureOutput({
      writeOut: (text) => out(text.trimEnd()),
      writeErr: (text) => err(text.trimEnd()),
    });
}
