import { mkdtempSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { endPrograms, Program } from "../zero-code/program.js";

afterEach(endPrograms);

const LISTENS = 'import http from "node:http";\nhttp.createServer().listen(0, "127.0.0.1");';

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function isLedger(pid: number, fd: string, ledger: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith(ledger);
  } catch {
    return false; // it was closed meanwhile
  }
}

describe("rayguard run", { timeout: 30_000 }, () => {
  it.each<[what: string, text: string, keeper: readonly string[], env: NodeJS.ProcessEnv, says: RegExp]>([
    ["no workers", LISTENS, ["--workers", "0"], {}, /--workers.*whole number, 1 or more; got "0"/],
    ["a size that is none", LISTENS, ["--max-memory", "much"], {}, /--max-memory.*512M or 2G; got "much"/],
    ["an option that is not known", LISTENS, ["--worker", "2"], {}, /unknown option '--worker'/],
    [
      "a directory that cannot be written",
      LISTENS,
      ["--ledger", "/none/of/these"],
      {},
      /ERR_RAYGUARD_LEDGER: .*\/none\/of\/these \(ENOENT\)/,
    ],
    ["a program that listens on nothing", "", [], {}, /ERR_RAYGUARD_PROGRAM: .*without listening/],
    [
      "a program that never becomes ready",
      "setInterval(() => {}, 1_000);",
      ["--ready-ms", "300"],
      {},
      /ERR_RAYGUARD_NEVER_READY: .*within 300 ms/,
    ],
    ["a configuration that cannot be read", LISTENS, [], { RAYGUARD_OPTIONS: "{" }, /ERR_RAYGUARD_CONFIGURATION/],
    [
      "an option of the guard that is not known",
      LISTENS,
      [],
      { RAYGUARD_OPTIONS: '{"typo":1}' },
      /ERR_RAYGUARD_UNKNOWN_OPTION/,
    ],
  ])("ends with 2 and says why: %s", async (_, text, keeper, env, says) => {
    const program = Program.start("app.mjs", text, { keeper, env });
    expect(await program.end()).toBe(2);
    await expect.poll(() => program.stderr).toMatch(says);
    for (const pid of program.workers()) expect(isAlive(pid)).toBe(false);
  });

  it("ends with 2 where there is no such program", async () => {
    const program = Program.start("app.mjs", LISTENS, { keeper: ["none.mjs"] });
    expect(await program.end()).toBe(2);
    expect(program.stderr).toContain('ERR_RAYGUARD_PROGRAM: There is no program "none.mjs"');
  });

  it("ends with 2 and says why where the program is there, and Node cannot have it", async () => {
    const program = Program.start("app.js", LISTENS, { keeper: [], files: { "package.json": "{ typo" } });
    expect(await program.end()).toBe(2);
    expect(program.stderr).toMatch(/ERR_RAYGUARD_PROGRAM: ".*app\.js" cannot be started: .*package\.json/);
  });

  it("passes on the exit code of a program that fails to start", async () => {
    const program = Program.start("app.mjs", "process.exit(5);", { keeper: [] });
    expect(await program.end()).toBe(5);
  });

  it("passes on the end of a program that is done", async () => {
    const text = `import http from "node:http";
      const server = http.createServer().listen(0, "127.0.0.1", () => server.close());`;
    const program = Program.start("app.mjs", text, { keeper: [] });
    expect(await program.end()).toBe(0);
  });

  it("starts a program that does not stay later and later, and ends when it is asked to", async () => {
    const text = `import http from "node:http";
      import { existsSync, writeFileSync } from "node:fs";
      const mark = new URL("mark", import.meta.url);
      if (existsSync(mark)) process.exit(1);
      writeFileSync(mark, "");
      const server = http.createServer(() => process.exit(1)).listen(0, "127.0.0.1", () => process.send(server.address().port));`;
    const program = Program.start("app.mjs", text, { keeper: ["--wait-ms", "500"] });
    const [port = 0] = await program.ports();
    const first = await fetch(`http://127.0.0.1:${port}/`);
    expect(first.status).toBe(503);
    const waits = await fetch(`http://127.0.0.1:${port}/`, { headers: { "cf-ray": "230b030023ae2822-SJC" } });
    expect([waits.status, waits.headers.get("retry-after")]).toEqual([503, "1"]);
    expect(await waits.text()).toContain("230b030023ae2822");
    const pauses = () =>
      program.lines("the next process of the app is started after a pause, since the ones before it ended soon");
    await expect.poll(() => pauses().length, { timeout: 10_000 }).toBeGreaterThan(2);
    const lengths = pauses().map(({ pauseMs }) => pauseMs as number);
    expect(lengths).toEqual([...lengths].sort((a, b) => a - b));
    // Lines are written a few at a time.
    await expect.poll(() => program.lines("incident").map(({ code }) => code)).toContain("NO_WORKER");
    program.signal("SIGTERM");
    expect(await program.end()).not.toBe("SIGKILL");
  });

  it.skipIf(process.platform !== "linux")(
    "answers for a process whose ledger somebody has taken away, and for the next",
    async () => {
      const ledger = mkdtempSync(join(tmpdir(), "rayguard-ledgers-"));
      const text = `import http from "node:http";
      const server = http.createServer((request, response) => {
        if (request.url === "/kill") process.kill(process.pid, "SIGKILL");
        response.end("fine");
      }).listen(0, "127.0.0.1", () => process.send(server.address().port));`;
      const program = Program.start("app.mjs", text, { keeper: ["--ledger", ledger] });
      const [port = 0] = await program.ports();
      const status = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).status;
      // The keeper opens it when it has asked the process for the first time.
      const opened = () => readdirSync(`/proc/${program.pid}/fd`).filter((fd) => isLedger(program.pid, fd, ledger));
      await expect.poll(opened).not.toEqual([]);
      for (const name of readdirSync(ledger)) rmSync(join(ledger, name), { recursive: true });
      expect([await status("/kill"), await status("/"), await status("/kill"), await status("/")]).toEqual([
        503, 200, 503, 200,
      ]);
      expect(program.lines("incident").map(({ code }) => code)).toEqual(["KILLED", "KILLED"]);
      program.signal("SIGTERM");
      await program.end();
      expect(readdirSync(ledger)).toEqual([]);
      rmSync(ledger, { recursive: true });
    },
  );

  it("says in a health check that nobody serves, whatever NODE_OPTIONS guards", async () => {
    const text = `import http from "node:http";
      import { existsSync, writeFileSync } from "node:fs";
      const mark = new URL("mark", import.meta.url);
      if (existsSync(mark)) process.exit(1);
      writeFileSync(mark, "");
      const server = http.createServer(() => process.exit(1)).listen(0, "127.0.0.1", () => process.send(server.address().port));`;
    const env = { NODE_OPTIONS: "--import rayguard/register" };
    const program = Program.start("app.mjs", text, { keeper: ["--wait-ms", "300"], env });
    const [port = 0] = await program.ports();
    expect((await fetch(`http://127.0.0.1:${port}/health`)).status).toBe(200);
    expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(503);
    expect((await fetch(`http://127.0.0.1:${port}/health`)).status).toBe(503);
  });

  it("leaves nothing running where it is killed itself", async () => {
    const text = `import http from "node:http";
      const server = http.createServer().listen(0, "127.0.0.1", () => process.send(server.address().port));`;
    const program = Program.start("app.mjs", text, { keeper: [] });
    await program.ports();
    const pid = await program.worker();
    expect(isAlive(pid)).toBe(true);
    program.signal("SIGKILL");
    await expect.poll(() => isAlive(pid), { timeout: 10_000 }).toBe(false);
  });

  it("has a program that never becomes ready take along what it has started", async () => {
    const text = `import { spawn } from "node:child_process";
      const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1_000)"]);
      process.on("SIGTERM", () => { child.kill(); process.exit(0); });
      process.send(child.pid);`;
    const program = Program.start("app.mjs", text, { keeper: ["--ready-ms", "1000"] });
    const [pid = 0] = await program.ports();
    expect(isAlive(pid)).toBe(true);
    expect(await program.end()).toBe(2);
    expect(program.stderr).toContain("ERR_RAYGUARD_NEVER_READY");
    await expect.poll(() => isAlive(pid)).toBe(false);
  });

  it("ends one that never becomes ready and hears nothing", async () => {
    const program = Program.start("app.mjs", 'process.on("SIGTERM", () => {});\nfor (;;);', {
      keeper: ["--ready-ms", "500"],
    });
    expect(await program.end()).toBe(2);
    for (const pid of program.workers()) expect(isAlive(pid)).toBe(false);
  });

  it("takes away what a keeper has left that was killed", async () => {
    const ledger = mkdtempSync(join(tmpdir(), "rayguard-ledgers-"));
    const text = `import http from "node:http";
      const server = http.createServer().listen(0, "127.0.0.1", () => process.send(server.address().port));`;
    const [first, second] = [1, 2].map(() => Program.start("app.mjs", text, { keeper: ["--ledger", ledger] }));
    await first?.ports();
    await second?.ports();
    const [pid = 0] = first?.workers() ?? [];
    expect(readdirSync(ledger)).toHaveLength(2);
    first?.signal("SIGKILL");
    await first?.end();
    await expect.poll(() => isAlive(pid), { timeout: 10_000 }).toBe(false);
    const third = Program.start("app.mjs", text, { keeper: ["--ledger", ledger] });
    await third.ports();
    expect(readdirSync(ledger)).toHaveLength(2);
    for (const each of [second, third]) {
      each?.signal("SIGTERM");
      await each?.end();
    }
    expect(readdirSync(ledger)).toEqual([]);
    rmSync(ledger, { recursive: true });
  });
});
