import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it, vi } from "vitest";
import { exchange } from "../../src/testing/index.js";

const LIMIT = 500_000_000;
const RATIO = 0.6;
/** Takes the process over `RATIO` of the limit, and leaves room under the limit itself. */
const FILL = 260_000_000;

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/** A control group with a limit of memory, version 1 or 2; undefined where none can be made. */
function containerProcs(): string | undefined {
  const [parent, limit] = existsSync("/sys/fs/cgroup/memory")
    ? ["/sys/fs/cgroup/memory", "memory.limit_in_bytes"]
    : ["/sys/fs/cgroup", "memory.max"];
  const group = `${parent}/rayguard-${process.pid}-${performance.now().toFixed(0)}`;
  try {
    mkdirSync(group);
  } catch {
    return undefined;
  }
  try {
    writeFileSync(`${group}/${limit}`, String(LIMIT));
  } catch {
    rmdirSync(group);
    return undefined;
  }
  undo.push(() => vi.waitFor(() => rmdirSync(group), { timeout: 5_000 }));
  return `${group}/cgroup.procs`;
}

async function start(procs: string): Promise<number> {
  const script = fileURLToPath(new URL("filling-origin.ts", import.meta.url));
  const node = [process.execPath, "--import", "tsx", script, String(RATIO)];
  const child = spawn("/bin/sh", ["-c", 'echo $$ >"$0" && exec "$@"', procs, ...node], {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  undo.push(async () => {
    child.kill("SIGKILL");
    await once(child, "exit");
  });
  const [port] = (await once(child, "message")) as [number];
  return port;
}

const ask = async (port: number, path: string) => (await exchange({ port }, { path })).responses[0];

describe("memory near the limit of the container", () => {
  it("is overload, though the heap is small", async ({ skip }) => {
    const procs = containerProcs();
    if (procs === undefined) return skip("needs root, and a control group for memory");
    const port = await start(procs);
    expect((await ask(port, "/"))?.status).toBe(200);
    const rss = Number((await ask(port, `/fill/${FILL}`))?.text());
    expect(rss).toBeGreaterThan(LIMIT * RATIO);
    await vi.waitFor(async () => expect((await ask(port, "/"))?.status).toBe(503), { timeout: 5_000 });
    const health = await ask(port, "/health");
    expect(JSON.parse(health?.text() ?? "")).toMatchObject({ status: "overloaded", reason: "heap" });
  });
});

describe("the same memory without a limit", () => {
  it("is none", async () => {
    const port = await start("/dev/null");
    await ask(port, `/fill/${FILL}`);
    // Longer than it takes to notice the other one.
    for (let turn = 0; turn < 20; turn++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect((await ask(port, "/"))?.status).toBe(200);
    }
  });
});
