import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { lastingPort } from "../../playground/process/lasting-port.js";
import { exchange } from "../../src/testing/index.js";
import { findInPath } from "../proxies/proxy.js";

const COMMAND = join(import.meta.dirname, "../../dist/src/cli/main.js");

/** Says what it finds of a pipe to its parent, and what nobody has caught. */
const program = (port: number) => `import http from "node:http";
process.on("uncaughtExceptionMonitor", (error) => console.error("uncaught", error));
process.on("exit", () => console.error("ends"));
const { send, disconnect, connected, channel } = process;
const found = JSON.stringify([typeof send, typeof disconnect, connected ?? null, channel ?? null, Object.keys(process)
  .filter((name) => /^(?:send|disconnect|connected|channel)$/.test(name))]);
http.createServer((request, response) => {
  if (request.url === "/slow") setTimeout(() => response.end("slow"), 500);
  else response.end(found);
}).listen(${port}, "127.0.0.1");`;

let folder: string;
let child: ChildProcess | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rayguard-channel-"));
});

afterEach(() => {
  child?.kill("SIGKILL");
  rmSync(folder, { recursive: true });
});

/** Starts a program as from a shell, which has no pipe for it. */
async function start(before: readonly string[]): Promise<{ port: number; errors: () => string }> {
  const port = await lastingPort();
  const file = join(folder, "app.mjs");
  writeFileSync(file, program(port));
  const env = { ...process.env, NODE_ENV: "production", RAYGUARD_OPTIONS: '{"logger":false}' };
  const started = spawn(process.execPath, [...before, file], { stdio: ["ignore", "ignore", "pipe"], env });
  child = started;
  let errors = "";
  started.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors += text;
  });
  return { port, errors: () => errors };
}

async function answer(port: number, path: string): Promise<string | undefined> {
  return (await exchange({ port }, { path })).responses[0]?.text();
}

describe.skipIf(process.platform === "win32")("the pipe to the keeper", { timeout: 60_000 }, () => {
  it("is not there for a program that has no parent of its own", async () => {
    const found = [];
    for (const before of [[], [COMMAND, "run"]]) {
      const { port } = await start(before);
      await expect.poll(() => answer(port, "/").catch(() => undefined), { timeout: 20_000 }).toBeDefined();
      found.push(await answer(port, "/"));
      child?.kill("SIGTERM");
    }
    expect(found[1]).toBe(found[0]);
    expect(found[1]).toBe('["undefined","undefined",null,null,[]]');
  });

  it("ends with the keeper, and the program drains behind it", async () => {
    const { port, errors } = await start([COMMAND, "run"]);
    await expect.poll(() => answer(port, "/").catch(() => undefined), { timeout: 20_000 }).toBeDefined();
    const slow = answer(port, "/slow");
    await new Promise((resolve) => setTimeout(resolve, 100));
    child?.kill("SIGKILL");
    expect(await slow).toBe("slow");
    await expect.poll(errors, { timeout: 20_000 }).toContain("ends");
    expect(errors()).not.toContain("uncaught");
  });
});

/** Has a keeper as its child, and a pipe to it. */
const parent = `import { fork } from "node:child_process";
fork(process.argv[2], process.argv.slice(3), { stdio: "ignore" });`;

const tells = (port: number) => `import http from "node:http";
http.createServer((request, response) => {
  if (request.url === "/tell" && process.connected) process.send("told");
  if (request.url === "/end") process.kill(process.ppid, "SIGTERM");
  response.end(String(process.pid));
}).listen(${port}, "127.0.0.1");`;

describe.skipIf(process.platform === "win32")("a parent that is gone", { timeout: 60_000 }, () => {
  it("takes no keeper along to which its program goes on telling things", async () => {
    const port = await lastingPort();
    const [file, above] = [join(folder, "app.mjs"), join(folder, "parent.mjs")];
    writeFileSync(file, tells(port));
    writeFileSync(above, parent);
    child = spawn(process.execPath, [above, COMMAND, "run", file], { stdio: "ignore" });
    await expect.poll(() => answer(port, "/tell").catch(() => undefined), { timeout: 20_000 }).toBeDefined();
    const pid = await answer(port, "/tell");
    child.kill("SIGKILL");
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await answer(port, "/tell")).toBe(pid);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await answer(port, "/end")).toBe(pid);
  });
});

/** Lets go of its parent when it is asked to, and says what it finds. */
const lets = `import http from "node:http";
const told = [];
process.on("disconnect", () => told.push("disconnect"));
process.on("error", (error) => told.push(error.code));
const found = () => [typeof process.send, process.connected, process.channel === null, told];
http.createServer((request, response) => {
  if (request.url === "/go") process.disconnect();
  setTimeout(() => response.end(JSON.stringify(found())), 50);
}).listen(0, "127.0.0.1", function () { process.send(this.address().port); });`;

describe.skipIf(process.platform === "win32")("a program that lets go of its parent", { timeout: 60_000 }, () => {
  it("goes on, and finds what it finds without a keeper", async () => {
    const file = join(folder, "app.mjs");
    writeFileSync(file, lets);
    const found = [];
    for (const before of [[], [COMMAND, "run"]]) {
      const env = { ...process.env, RAYGUARD_OPTIONS: '{"logger":false}' };
      const [program, ...args] = [...before, file];
      child = fork(program as string, args, { stdio: "ignore", env });
      const [port] = (await once(child, "message")) as [number];
      const gone = once(child, "disconnect");
      const asked = [await answer(port, "/"), await answer(port, "/go")];
      await gone;
      asked.push(await answer(port, "/"), await answer(port, "/go"));
      found.push(asked);
      child.kill("SIGTERM");
    }
    expect(found[1]).toEqual(found[0]);
  });
});

const activate = findInPath("systemd-socket-activate");
const why = activate === undefined ? " (skipped: there is no systemd-socket-activate)" : "";

describe.skipIf(why !== "")(`a socket that systemd has opened${why}`, { timeout: 60_000 }, () => {
  it("is where the program looks for it, and outlives its processes", async () => {
    const port = await lastingPort();
    const file = join(folder, "app.mjs");
    const text = `import http from "node:http";
      const { LISTEN_PID, LISTEN_FDS } = process.env;
      if (LISTEN_PID !== String(process.pid)) throw new Error("not for this process");
      http.createServer((request, response) => {
        if (request.url === "/kill") process.kill(process.pid, "SIGKILL");
        else response.end(process.pid + " " + LISTEN_FDS);
      }).listen({ fd: 3 });`;
    writeFileSync(file, text);
    const run = ["--listen", `127.0.0.1:${port}`, process.execPath, COMMAND, "run", file];
    child = spawn(activate as string, run, { stdio: "ignore" });
    await expect.poll(() => answer(port, "/").catch(() => undefined), { timeout: 20_000 }).toMatch(/^\d+ 1$/);
    const before = await answer(port, "/");
    await answer(port, "/kill").catch(() => undefined);
    await expect.poll(() => answer(port, "/").catch(() => undefined), { timeout: 20_000 }).toMatch(/^\d+ 1$/);
    expect(await answer(port, "/")).not.toBe(before);
    child.kill("SIGTERM");
  });
});
