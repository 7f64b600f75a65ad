import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { lastingPort } from "../../playground/process/lasting-port.js";
import { exchange } from "../../src/testing/index.js";

// PM2 listens in the processes it starts, and ends them only where it is alone.

const PM2 = fileURLToPath(new URL("../../.ci/runtimes/node_modules/pm2/bin/pm2", import.meta.url));
const SCRIPT = fileURLToPath(new URL("supervised-origin.ts", import.meta.url));
const KEEPER = fileURLToPath(new URL("../../dist/src/cli/main.js", import.meta.url));
const TIMEOUT = { timeout: 90_000, skip: !existsSync(PM2) };

const homes: string[] = [];
afterEach(async () => {
  for (const home of homes.splice(0)) {
    await pm2(home, "kill");
    rmSync(home, { recursive: true, force: true });
  }
});

async function pm2(home: string, ...args: string[]): Promise<void> {
  const child = spawn(process.execPath, [PM2, "--silent", ...args], {
    env: { ...process.env, PM2_HOME: home, NODE_ENV: "production" },
    stdio: "ignore",
  });
  await once(child, "exit");
}

type Mode = "fork" | "cluster" | "fork, with a keeper";

async function start(mode: Mode): Promise<{ home: string; port: number; pid: string }> {
  const home = mkdtempSync(join(tmpdir(), "rayguard-pm2-"));
  homes.push(home);
  const port = await lastingPort();
  const app = {
    name: "origin",
    ...(mode === "fork, with a keeper"
      ? { script: KEEPER, args: ["run", SCRIPT], exec_mode: "fork" }
      : { script: SCRIPT, exec_mode: mode }),
    instances: 1,
    interpreter: process.execPath,
    node_args: ["--import", "tsx"],
    cwd: process.cwd(),
    env: { PORT: String(port) },
    kill_timeout: 10_000,
  };
  writeFileSync(join(home, "origin.json"), JSON.stringify({ apps: [app] }));
  await pm2(home, "start", join(home, "origin.json"));
  return { home, port, pid: await pidOf(port) };
}

const ask = async (port: number, path: string) => (await exchange({ port }, { path })).responses[0];

/** Id of the process that serves; one that PM2 has just started takes a while to listen. */
async function pidOf(port: number, other?: string): Promise<string> {
  for (;;) {
    const pid = (await ask(port, "/").catch(() => undefined))?.text();
    if (pid !== undefined && /^\d+$/.test(pid) && pid !== other) return pid;
    await wait(50);
  }
}

describe.each<Mode>(["fork", "cluster", "fork, with a keeper"])("under PM2, mode %s,", (mode) => {
  it("a process ends after an uncaught exception, and another takes its place", TIMEOUT, async () => {
    const { port, pid } = await start(mode);
    const slow = ask(port, "/slow");
    await wait(100);
    expect((await ask(port, "/throw"))?.status).toBe(500);
    expect((await slow)?.text()).toBe(pid);
    expect(await pidOf(port, pid)).not.toBe(pid);
  });

  it("a restart lets requests finish", TIMEOUT, async () => {
    const { home, port, pid } = await start(mode);
    const slow = ask(port, "/slow");
    await wait(100);
    const restarted = pm2(home, "restart", "origin");
    expect((await slow)?.text()).toBe(pid);
    await restarted;
    expect(await pidOf(port, pid)).not.toBe(pid);
  });

  it("nothing is left running where it is stopped", TIMEOUT, async () => {
    const { home, port, pid } = await start(mode);
    await pm2(home, "stop", "origin");
    expect(() => process.kill(Number(pid), 0)).toThrow();
    expect(await ask(port, "/")).toBeUndefined();
  });
});

it.runIf(TIMEOUT.skip)("PM2 is not installed: .ci/run brings it to .ci/runtimes", ({ skip }) => skip("no PM2"));
