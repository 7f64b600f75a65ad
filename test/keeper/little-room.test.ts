import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { lastingPort } from "../../playground/process/lasting-port.js";
import { exchange } from "../../src/testing/index.js";

// As in a container, of which the shared memory has 64 MB if nobody asks for more.

const COMMAND = join(import.meta.dirname, "../../dist/src/cli/main.js");
const TEXT = `import { createServer } from "node:http";
createServer((request, response) => {
  if (request.url === "/kill") process.kill(process.pid, "SIGKILL");
  response.end(String(process.pid));
}).listen(Number(process.argv[2]), "127.0.0.1");`;

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/** Runs a command where shared memory has so much room. */
const within = (room: string, ...command: string[]) => [
  "--mount",
  "sh",
  "-c",
  `mount -t tmpfs -o size=${room} tmpfs /dev/shm && exec "$@"`,
  "sh",
  ...command,
];

function isPermitted(): boolean {
  try {
    execFileSync("unshare", within("1m", "true"), { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

describe.skipIf(!isPermitted())("a keeper whose shared memory has room for", { timeout: 60_000 }, () => {
  it.each([
    ["none of its ledgers", "1m", 1],
    ["some of them", "9m", 3],
  ])("%s answers for a process that is killed", async (_, room, workers) => {
    const folder = mkdtempSync(join(tmpdir(), "rayguard-room-"));
    undo.push(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, "app.mjs"), TEXT);
    const port = await lastingPort();
    const run = [process.execPath, COMMAND, "run", "--workers", String(workers), join(folder, "app.mjs"), String(port)];
    const child = spawn("unshare", within(room, ...run), { stdio: "ignore", env: { ...process.env, TMPDIR: folder } });
    undo.push(async () => {
      // Its processes write into the folder until they have ended.
      child.kill("SIGTERM");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    });
    const ask = async (path: string) => (await exchange({ port }, { path })).responses[0];
    /** Each goes to the process with the fewest connections. */
    const all = (path: string) => Promise.all(Array.from({ length: workers }, () => ask(path)));
    const serving = async () => new Set((await all("/")).map((response) => response?.text() ?? "")).add("").size - 1;
    await expect.poll(() => serving().catch(() => 0), { timeout: 20_000 }).toBe(workers);
    expect((await all("/kill")).map((response) => response?.status)).toEqual(Array(workers).fill(503));
  });
});

it.skipIf(isPermitted())("a file system of its own needs unshare, and root", ({ skip }) => skip("not permitted"));
