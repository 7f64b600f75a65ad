import { fork, spawnSync } from "node:child_process";
import { mkdtemp, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { HOST } from "../origins/origin.js";
import { LogTail } from "../process/log-tail.js";
import { capnpConfig, type EdgeConfig } from "./config.js";

export interface Edge {
  readonly port: number;
  readonly url: string;
  stop(): Promise<void>;
}

const KEEPER = fileURLToPath(new URL("keeper.js", import.meta.url));

/** Path of workerd's binary, or `undefined` where npm has none that runs on this platform. */
export function findWorkerd(): string | undefined {
  try {
    // Its main file looks for the package of the platform and throws when that is not there.
    const binary: string = createRequire(import.meta.url)("workerd").default;
    // A binary for another C library is there, but does not start.
    return spawnSync(binary, ["--version"]).status === 0 ? binary : undefined;
  } catch {
    return undefined;
  }
}

/** Starts workerd with the Worker of this folder; resolves when it listens. */
export async function startEdge(binary: string, config: EdgeConfig): Promise<Edge> {
  const folder = await mkdtemp(join(tmpdir(), "rayguard-edge-"));
  const file = join(folder, "config.capnp");
  await writeFile(file, capnpConfig(config));

  const log = new LogTail();
  // Without the loader of this process: the keeper is plain JavaScript.
  const keeper = fork(KEEPER, [binary, file], { stdio: ["ignore", "ignore", "pipe", "ipc"], execArgv: [] });
  log.read(keeper.stderr);
  const gone = new Promise<void>((resolve) => keeper.once("exit", () => resolve()));
  const listening = new Promise<{ port: number; pid: number }>((resolve) =>
    keeper.once("message", resolve as () => void),
  );
  const started = await Promise.race([listening, gone]);
  if (!started) throw new Error(`workerd did not start:\n${log.last().join("\n")}`);

  const { port, pid } = started;
  keeper.once("exit", () => endIfRunning(pid));
  return {
    port,
    url: `http://${HOST}:${port}`,
    async stop() {
      if (keeper.connected) keeper.disconnect();
      await gone;
    },
  };
}

/** Ends workerd where its keeper was killed before it could. */
function endIfRunning(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // Gone already, as it should be.
  }
}
