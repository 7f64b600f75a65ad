import { spawn } from "node:child_process";
import { join } from "node:path";
import { text } from "node:stream/consumers";

const MAIN = join(import.meta.dirname, "../../dist/src/cli/main.js");

/** What a run of the command left behind. */
export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the built `rayguard` command as a user would, without a terminal. */
export async function rayguard(args: readonly string[], env: NodeJS.ProcessEnv = {}, input = ""): Promise<Ran> {
  const { NO_COLOR: _, FORCE_COLOR: __, ...inherited } = process.env;
  const child = spawn(process.execPath, [MAIN, ...args], { env: { ...inherited, ...env } });
  child.stdin.on("error", () => {}); // a command that does not read it
  child.stdin.end(input);
  const code = new Promise<number | null>((resolve) => child.once("close", resolve));
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: await code, out, err };
}
