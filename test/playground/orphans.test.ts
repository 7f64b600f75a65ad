import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { capnpConfig } from "../../playground/edge/config.js";
import { findWorkerd } from "../../playground/edge/edge.js";

const PLAYGROUND = fileURLToPath(new URL("../../playground/", import.meta.url));
const WORKERD = findWorkerd();
const started: ChildProcess[] = [];

afterEach(() => {
  for (const child of started.splice(0)) child.kill("SIGKILL");
});

describe("whoever started it ends while it is still loading", { timeout: 20_000 }, () => {
  it("ends an origin server", async () => {
    const origin = start("origin.ts", ["node", "bare"], ["--import", "tsx"]);
    origin.disconnect();
    // With whatever code: the loader of TypeScript may fail to tell that it is gone.
    expect(await once(origin, "exit")).toEqual([expect.any(Number), null]);
  });

  it.runIf(WORKERD)("ends the edge, and removes its folder", async () => {
    const folder = await mkdtemp(join(tmpdir(), "rayguard-edge-"));
    const file = join(folder, "config.capnp");
    await writeFile(file, capnpConfig({ port: 0, readTimeoutMs: 1_000, origins: new Map([["one", 9]]) }));
    const keeper = start("edge/keeper.js", [WORKERD as string, file], []);
    keeper.disconnect();
    expect(await once(keeper, "exit")).toEqual([0, null]);
    await expect(writeFile(file, "")).rejects.toMatchObject({ code: "ENOENT" });
  });
});

function start(file: string, args: string[], execArgv: string[]): ChildProcess {
  const child = fork(join(PLAYGROUND, file), args, { execArgv, stdio: ["ignore", "ignore", "inherit", "ipc"] });
  started.push(child);
  return child;
}
