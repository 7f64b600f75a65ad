import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, existsSync, openSync, readSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, expect, it } from "vitest";
import { LogDestination } from "../src/report/log-destination.js";
import { exchange } from "../src/testing/index.js";

const ORIGIN = fileURLToPath(new URL("helpers/logging-origin.ts", import.meta.url));
const DESTINATION = new URL("../src/report/log-destination.ts", import.meta.url).href;
const TOGETHER = 20;
const children: ChildProcess[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

/** An origin server that ends with line `ends`; never, where that is 0. */
async function start(stdout: "pipe" | number, ends: number) {
  const child = spawn(process.execPath, ["--import", "tsx", ORIGIN, String(TOGETHER), String(ends)], {
    stdio: ["ignore", stdout, "pipe", "ipc"],
  });
  children.push(child);
  const [{ port }] = (await once(child, "message")) as [{ port: number }];
  const errors = text(child.stderr as NonNullable<ChildProcess["stderr"]>);
  const exit = once(child, "exit");
  return { child, port, errors, exit };
}

/** Statuses of requests that are under way at the same time, each on a connection of its own. */
function ask(port: number): Promise<(number | undefined)[]> {
  return Promise.all(
    Array.from(
      { length: TOGETHER },
      async (_, n) => (await exchange({ port }, { path: `/${n}` })).responses[0]?.status,
    ),
  );
}

const ANSWERED = Array.from({ length: TOGETHER }, () => 200);

it("has every line out, in order, when the process ends in the turn that wrote the last one", async () => {
  const { child, port, errors, exit } = await start("pipe", 3 * TOGETHER);
  const lines = text(child.stdout as NonNullable<ChildProcess["stdout"]>);
  for (let round = 0; round < 3; round++) await ask(port);
  expect(await exit).toEqual([0, null]);
  const times = (await lines)
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line).time as number);
  expect(times).toHaveLength(3 * TOGETHER);
  expect(times).toEqual(times.toSorted((a, b) => a - b));
  expect(await errors).toBe("");
});

it("takes lines at the very end of the process, as of the answers that a guard attached later gives there", async () => {
  const program = `import { LogDestination } from ${JSON.stringify(DESTINATION)};
    const destination = new LogDestination(1);
    process.on("exit", () => destination.write("the last\\n"));`;
  const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", program]);
  children.push(child);
  expect(await text(child.stdout)).toBe("the last\n");
});

it("lets the process end when the reader of stdout is gone", async () => {
  const { child, port, errors, exit } = await start("pipe", TOGETHER);
  child.stdout?.destroy();
  expect(await ask(port)).toEqual(ANSWERED);
  expect(await exit).toEqual([0, null]);
  expect(await errors).toBe("");
});

it("goes on serving when the reader of stdout is gone", async () => {
  const { child, port } = await start("pipe", 0);
  child.stdout?.destroy();
  for (let round = 0; round < 5; round++) expect(await ask(port)).toEqual(ANSWERED);
});

const FULL = "/dev/full";

it.skipIf(!existsSync(FULL))("goes on serving when the disk is full, and lets the process end", async () => {
  const { port, errors, exit } = await start(openSync(FULL, "w"), 5 * TOGETHER);
  for (let round = 0; round < 5; round++) expect(await ask(port)).toEqual(ANSWERED);
  expect(await exit).toEqual([0, null]);
  expect(await errors).toBe("");
});

it("goes on serving while nobody reads stdout, and lets the process end", { timeout: 20_000 }, async () => {
  const rounds = 60;
  const { port, errors, exit } = await start("pipe", rounds * TOGETHER);
  for (let round = 0; round < rounds; round++) expect(await ask(port)).toEqual(ANSWERED);
  expect(await exit).toEqual([0, null]);
  expect(await errors).toBe("");
});

it.skipIf(process.platform === "win32")("keeps a bounded number of whole lines for a reader, and goes on", async () => {
  const folder = await mkdtemp(join(tmpdir(), "rayguard-log-"));
  const fifo = join(folder, "stdout");
  execFileSync("mkfifo", [fifo]);
  const fd = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
  const destination = new LogDestination(fd);
  const line = `${"x".repeat(1023)}\n`;
  for (let octets = 0; octets < 20 << 20; octets += line.length) destination.write(line);
  const kept = await readAll(fd);
  expect(kept.length).toBeGreaterThan(8 << 20);
  expect(kept.length).toBeLessThan(9 << 20);
  expect(kept.replaceAll(line, "")).toBe("");
  destination.write("the next\n");
  expect(await readAll(fd)).toBe("the next\n");
  closeSync(fd);
  await rm(folder, { recursive: true });
});

/** What comes out of a pipe until it has been silent for a while. */
async function readAll(fd: number): Promise<string> {
  const octets = Buffer.alloc(1 << 16);
  let seen = "";
  for (let silent = 0; silent < 30; silent++) {
    try {
      seen += octets.toString("latin1", 0, readSync(fd, octets));
      silent = 0;
    } catch {
      await wait(10);
    }
  }
  return seen;
}
