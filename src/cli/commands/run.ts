import { createRequire } from "node:module";
import { constants } from "node:os";
import { resolve } from "node:path";
import { Command } from "commander";
import { RayguardError } from "../../errors.js";
import { Keeper, type KeeperEnd } from "../../keeper/keeper.js";
import type { KeeperOptions } from "../../keeper/options.js";
import { memory, wholeNumber } from "../arguments.js";
import { CommandError, EXIT } from "../exit-codes.js";
import type { Terminal } from "../terminal.js";

type Given = Omit<KeeperOptions, "program" | "args">;

/** Signals that end the program. */
const ENDING = ["SIGTERM", "SIGINT"] as const;

/** `rayguard run server.js`: a program whose processes are answered for when they cannot answer. */
export function runCommand(terminal: Terminal, done: (code: number) => void): Command {
  return new Command("run")
    .summary("run a program, and answer in its place when its process dies or is blocked")
    .description(
      "Runs a Node program under a keeper, a parent process that holds its connections. The code of the program stays as " +
        "it is, and is guarded. When its process is killed, runs out of memory, crashes or is blocked, every request that " +
        "waits gets a complete 503 at once. Idle and new connections continue with the next process, and no connection " +
        "is refused.",
    )
    .argument("<program>", "file of the program, as for node")
    .argument("[args...]", "its arguments")
    .passThroughOptions()
    .option("--workers <number>", "how many processes run at the same time", wholeNumber(1), 1)
    .option(
      "--blocked-ms <ms>",
      "replace a process whose event loop is blocked for this time; 0: never",
      wholeNumber(0),
      30_000,
    )
    .option(
      "--wait-ms <ms>",
      "how long a connection waits for a process to listen before it gets a 503",
      wholeNumber(0),
      10_000,
    )
    .option("--ready-ms <ms>", "how long a process may take until it listens", wholeNumber(1), 60_000)
    .option("--max-memory <size>", "replace a process that has more resident memory, such as 512M", memory, 0)
    .option("--ledger <directory>", "where the processes note which requests they have (default: in memory, /dev/shm)")
    .addHelpText(
      "after",
      `
Signals: SIGTERM and SIGINT finish the requests and end. SIGHUP starts a new process for each old one (on a terminal it ends).
Options of the guard: rayguard.config.js beside the program, or RAYGUARD_OPTIONS. Flags of Node: NODE_OPTIONS.
More: node_modules/rayguard/docs/guides/keeper.md

Examples:
  rayguard run server.js
  rayguard run --workers 4 --max-memory 1G dist/main.js --port 8080
  kill -HUP <pid of rayguard>      after you have installed a new version of the program`,
    )
    .action(async (program: string, args: string[], given: Given) => {
      if (process.platform === "win32")
        throw new CommandError("run needs sockets that two processes can hold, which Windows has not.");
      const keeper = start({ ...given, program: fileOf(program), args });
      const stop = obey(keeper);
      if (process.stderr.isTTY) showStatus(keeper, terminal);
      const end = await keeper.ended;
      stop();
      done(exitCodeOf(keeper, end, given, terminal));
    });
}

function start(options: KeeperOptions): Keeper {
  try {
    return new Keeper(options, import.meta.resolve("rayguard/register"));
  } catch (error) {
    throw error instanceof RayguardError ? new CommandError(`${error.code}: ${error.message}`) : error;
  }
}

/** A line on a terminal whenever a process has come or gone. */
function showStatus(keeper: Keeper, { err }: Terminal): void {
  let shown = "";
  keeper.changed = () => {
    const serving = keeper.workers.filter(({ isReady }) => isReady).map(({ pid }) => pid);
    const connections = `${keeper.connections} connection${keeper.connections === 1 ? "" : "s"}`;
    const state =
      serving.length === 0
        ? `no process serves; ${connections} wait`
        : `${serving.length === 1 ? "process" : "processes"} ${serving.join(", ")} at ${keeper.addresses.join(", ")}; ${connections}`;
    if (state !== shown) err(`rayguard: ${state}`);
    shown = state;
  };
}

/** The file that Node is to run, as a program sees it in its arguments. */
function fileOf(program: string): string {
  const path = resolve(program);
  try {
    createRequire(path).resolve(path);
    return path;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const isMissing = code === "MODULE_NOT_FOUND";
    const why = isMissing ? `There is no program "${program}".` : `"${program}" cannot be started: ${message}`;
    throw new CommandError(`ERR_RAYGUARD_PROGRAM: ${why}`);
  }
}

/** Passes on what the process is told. */
function obey(keeper: Keeper): () => void {
  const end = (signal: NodeJS.Signals) => keeper.end(signal);
  const hangUp = () => (process.stdin.isTTY ? keeper.end("SIGHUP") : keeper.replaceAll());
  const message = (told: unknown) => keeper.passDown(told);
  for (const signal of ENDING) process.on(signal, end);
  process.on("SIGHUP", hangUp);
  const left = () => keeper.parentLeft();
  if (process.send !== undefined) process.on("message", message).on("disconnect", left);
  return () => {
    for (const signal of ENDING) process.off(signal, end);
    process.off("SIGHUP", hangUp);
    process.off("message", message).off("disconnect", left);
  };
}

function exitCodeOf(keeper: Keeper, end: KeeperEnd, { readyMs }: Given, { err }: Terminal): number {
  if (end.failure !== undefined) {
    err(`rayguard: ERR_RAYGUARD_PROGRAM: No process of the program could be started: ${end.failure}`);
    return EXIT.FAILED;
  }
  if (!keeper.hasListened && end.killedFor !== undefined) {
    err(`rayguard: ERR_RAYGUARD_NEVER_READY: The program listened on nothing within ${readyMs} ms (--ready-ms).`);
    return EXIT.FAILED;
  }
  if (!keeper.hasListened && end.code === 0) {
    err("rayguard: ERR_RAYGUARD_PROGRAM: The program ended without listening: there was nothing to keep.");
    return EXIT.FAILED;
  }
  if (end.signal === null) return end.code ?? EXIT.FAILED;
  // As a shell has it. Where nobody handles the signal here, it ends this process as it has ended that one.
  process.kill(process.pid, end.signal);
  return 128 + numberOf(end.signal);
}

function numberOf(signal: NodeJS.Signals): number {
  return constants.signals[signal] ?? 0;
}
