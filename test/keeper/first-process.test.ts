import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { lastingPort } from "../../playground/process/lasting-port.js";
import { exchange } from "../../src/testing/index.js";

// As in a container: the keeper is process 1, so no signal has a default action, and whoever dies is its child.

const COMMAND = join(import.meta.dirname, "../../dist/src/cli/main.js");
const UNSHARE = ["--pid", "--fork", "--mount-proc", "--kill-child"];
const TEXT = `import { createServer } from "node:http";
import { readdirSync, readFileSync } from "node:fs";
createServer((request, response) => {
  if (request.url === "/kill") process.kill(process.pid, "SIGKILL");
  const all = readdirSync("/proc").filter((name) => /^\\d+$/.test(name));
  const states = all.map((pid) => readFileSync("/proc/" + pid + "/stat", "utf8").split(") ")[1][0]);
  if (request.url === "/slow") setTimeout(() => response.end("slow"), 800);
  else response.end(JSON.stringify({ keeper: process.ppid, zombies: states.filter((state) => state === "Z").length }));
}).listen(Number(process.argv[2]), "127.0.0.1");`;

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

function isPermitted(): boolean {
  try {
    execFileSync("unshare", [...UNSHARE, "true"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

async function start(text = TEXT) {
  const folder = mkdtempSync(join(tmpdir(), "rayguard-first-"));
  undo.push(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "app.mjs"), text);
  const port = await lastingPort();
  const run = [process.execPath, COMMAND, "run", join(folder, "app.mjs"), String(port)];
  const child = spawn("unshare", [...UNSHARE, ...run], { stdio: "ignore" });
  const end = once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
  undo.push(() => child.kill("SIGKILL"));
  const ask = async (path: string) => (await exchange({ port }, { path })).responses[0];
  /** Of the keeper, as the outside sees it. */
  const pid = () => Number(execFileSync("ps", ["-o", "pid=", "--ppid", String(child.pid)], { encoding: "utf8" }));
  return { end, ask, pid };
}

describe.skipIf(!isPermitted())("as process 1 the keeper", { timeout: 60_000 }, () => {
  it("buries its dead, and passes signals and exit codes on", async () => {
    const { end, ask, pid } = await start();
    await expect.poll(async () => (await ask("/").catch(() => undefined))?.status, { timeout: 20_000 }).toBe(200);
    expect((await ask("/kill"))?.status).toBe(503);
    expect((await ask("/kill"))?.status).toBe(503);
    expect(JSON.parse((await ask("/"))?.text() ?? "")).toEqual({ keeper: 1, zombies: 0 });
    const slow = ask("/slow");
    await new Promise((resolve) => setTimeout(resolve, 200));
    process.kill(pid(), "SIGTERM");
    expect((await slow)?.text()).toBe("slow");
    expect(await end).toEqual([143, null]);
  });

  it("ends with the number of the signal that its program has ended of", async () => {
    const { end } = await start('process.kill(process.pid, "SIGKILL");');
    expect(await end).toEqual([137, null]);
  });
});

it.skipIf(isPermitted())("a namespace of processes needs unshare, and root", ({ skip }) => skip("not permitted"));
