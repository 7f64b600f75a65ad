import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { lastingPort } from "../../playground/process/lasting-port.js";
import { exchange } from "../../src/testing/index.js";

// What the system refuses for a while: descriptors, and processes.

const COMMAND = join(import.meta.dirname, "../../dist/src/cli/main.js");
const TEXT = `import { createServer } from "node:http";
import { closeSync, openSync } from "node:fs";
const taken = [];
const ways = {
  "/kill": () => process.kill(process.pid, "SIGKILL"),
  "/take": () => { try { for (;;) taken.push(openSync("/dev/null")); } catch {} },
  "/give": () => taken.splice(0).forEach(closeSync),
};
createServer((request, response) => {
  ways[request.url]?.();
  response.end(String(process.pid));
}).listen(Number(process.argv[2]), "127.0.0.1");`;

let folder: string;
let child: ChildProcess | undefined;
let port: number;
let output: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rayguard-short-"));
});

afterEach(async () => {
  if (child?.exitCode === null && child.signalCode === null) {
    child.kill("SIGTERM");
    await once(child, "exit");
  }
  child = undefined;
  rmSync(folder, { recursive: true });
});

/** @param flags - of the keeper */
async function start(command: readonly string[], flags: readonly string[] = []): Promise<void> {
  port = await lastingPort();
  const file = join(folder, "app.mjs");
  writeFileSync(file, TEXT);
  output = "";
  const [program = "", ...args] = [...command, COMMAND, "run", ...flags, file, String(port)];
  child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  await expect.poll(() => ask("/").catch(() => undefined), { timeout: 20_000 }).toMatchObject({ status: 200 });
}

async function ask(path: string): Promise<{ status: number | undefined; content: string | undefined }> {
  const [response] = (await exchange({ port }, { path })).responses;
  return { status: response?.status, content: response?.text() };
}

describe.skipIf(process.platform === "win32")("a keeper", { timeout: 60_000 }, () => {
  it("answers who connects where its process has no descriptor left for that, and ends nothing", async () => {
    await start(["sh", "-c", 'ulimit -n 128; exec "$@"', "sh", process.execPath], ["--blocked-ms", "1000"]);
    const { content: pid } = await ask("/");
    const kept = connectAndKeep();
    expect(await kept("/take")).toBe(200);
    // One more may have got the number that nobody has taken meanwhile.
    const found = [await ask("/"), await ask("/"), await ask("/")].map(({ status }) => status);
    expect(found.slice(1)).toContain(503);
    expect(found.every((status) => status === 200 || status === 503)).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    expect(await kept("/give")).toBe(200);
    await expect.poll(() => ask("/"), { timeout: 10_000 }).toEqual({ status: 200, content: pid });
    await expect.poll(() => output).toMatch(/"code":"NO_WORKER".*no file descriptor left/);
  });

  it("starts the next process as soon as the system lets it", async () => {
    const node = join(folder, "node");
    copyFileSync(process.execPath, node);
    await start([node]);
    renameSync(node, `${node}-away`);
    expect(await ask("/kill")).toMatchObject({ status: 503 });
    await expect.poll(() => output).toContain("it could not be started");
    renameSync(`${node}-away`, node);
    expect(await ask("/")).toMatchObject({ status: 200 });
    expect(output).not.toContain('"pid":0,"msg":"the keeper has started');
  });
});

/** One connection for several requests. */
function connectAndKeep(): (path: string) => Promise<number> {
  const { Agent, get } = process.getBuiltinModule("node:http");
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return async (path) => {
    const [response] = await once(get({ port, host: "127.0.0.1", path, agent }), "response");
    response.resume();
    await once(response, "end");
    return response.statusCode;
  };
}
