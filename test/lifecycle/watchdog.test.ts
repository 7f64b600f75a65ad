import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import net, { type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { createGuard, type GuardOptions, RayguardError } from "../../src/index.js";
import { resolveOptions } from "../../src/options/options.js";
import { MESSAGES } from "../../src/report/log.js";
import { exchange } from "../../src/testing/index.js";
import { WATCHDOG_DEFAULTS } from "../../src/watchdog/watchdog-options.js";
import { listen } from "../testing/servers.js";
import type { Order } from "./watchdog-app.js";

interface Line {
  message: string;
  code?: string;
  port?: number;
  blockedMs?: number;
  stack?: string;
  [name: string]: unknown;
}

const children = new Set<ChildProcess>();
afterEach(() => {
  for (const child of children) child.kill("SIGKILL");
  children.clear();
});

/** Runs watchdog-app.ts in a process of its own. */
function run(options: GuardOptions, flags: string[] = []) {
  const args = [...flags, "--import", "tsx", join(import.meta.dirname, "watchdog-app.ts"), JSON.stringify(options)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe", "ipc"] });
  children.add(child);
  const lines: Line[] = [];
  let stderr = "";
  child.on("message", (line) => lines.push(line as Line));
  child.stderr?.on("data", (text) => {
    stderr += String(text);
  });
  return {
    child,
    lines,
    stderr: () => stderr,
    exited: once(child, "exit") as Promise<[number | null, string | null]>,
    order: (order: Order) => child.send(order),
    of: (code: string) => lines.filter((line) => line.code === code),
    line: (message: string): Promise<Line> =>
      expect
        .poll(() => lines.find((line) => line.message === message), { timeout: 20_000, interval: 5 })
        .toBeDefined()
        .then(() => lines.find((line) => line.message === message) as Line),
  };
}

async function ask(port: number, path = "/health", method = "GET") {
  const { responses, valid, problems } = await exchange({ host: "127.0.0.1", port }, { path, method });
  expect(problems).toEqual([]);
  expect(valid).toBe(true);
  const [response] = responses;
  return { status: response?.status ?? 0, text: response?.text() ?? "", response };
}

const statusOf = async (port: number) => (await ask(port)).status;

/** An app with a watchdog whose loop has begun to beat. */
async function serve(options: GuardOptions = { watchdog: { port: 0, thresholdMs: 300 } }, flags: string[] = []) {
  const app = run(options, flags);
  const { port } = await app.line(MESSAGES.watchdogListens);
  await app.line("listening");
  await expect.poll(() => statusOf(port as number), { timeout: 10_000, interval: 20 }).toBe(200);
  return { ...app, port: port as number };
}

describe("a loop that is blocked by a function of the app", () => {
  it("is answered for with complete responses, and reported with duration and stack when it is back", async () => {
    const { port, order, of, line } = await serve();
    expect(await ask(port)).toMatchObject({ status: 200, text: expect.stringContaining('{"status":"healthy"') });
    order({ do: "block", how: "script", ms: 1_500 });
    await expect.poll(() => statusOf(port), { timeout: 1_400, interval: 20 }).toBe(503);
    const blocked = await ask(port);
    expect(blocked.text).toMatch(/^\{"status":"blocked","blockedMs":\d+\}\n$/);
    const { blockedMs } = JSON.parse(blocked.text) as { blockedMs: number };
    expect(blockedMs).toBeGreaterThan(300);
    expect(blockedMs).toBeLessThan(2_000);
    expect(blocked.response?.field("retry-after")).toBeDefined();
    expect(await ask(port, "/health", "HEAD")).toMatchObject({ status: 503, text: "" });
    expect(of("BLOCKED")).toEqual([]);
    const incident = await line("incident");
    expect(incident).toMatchObject({ code: "BLOCKED", action: "reported", prevented: null, level: "warn" });
    expect(incident.blockedMs).toBeGreaterThanOrEqual(1_400);
    expect(incident.blockedMs).toBeLessThan(3_000);
    expect(incident.stack).toContain(`blocked for ${incident.blockedMs} ms`);
    expect(incident.stack).toMatch(/^ {4}at crunchNumbers \(file:\/\/.*watchdog-app\.ts:\d+:\d+\)$/m);
    expect(await ask(port)).toMatchObject({ status: 200 });
    order({ do: "block", how: "script", ms: 700 });
    await expect.poll(() => of("BLOCKED").length, { timeout: 5_000 }).toBe(2);
    // Looking at the stack takes time of its own, so a second block soon after goes without.
    expect(of("BLOCKED")[1]?.stack).not.toContain("crunchNumbers");
  }, 60_000);

  it("for longer than the edge waits counts as its 524, and is told by the thread while it lasts", async () => {
    const { order, line, stderr, of } = await serve({
      watchdog: { port: 0, thresholdMs: 100 },
      edge: { readTimeoutMs: 400 },
    });
    order({ do: "block", how: "script", ms: 1_200 });
    await expect.poll(stderr, { timeout: 1_100, interval: 10 }).toContain('"code":"BLOCKED"');
    expect(of("BLOCKED")).toEqual([]);
    expect(stderr()).toMatch(/crunchNumbers/);
    expect(await line("incident")).toMatchObject({ code: "BLOCKED", prevented: 524 });
    expect(stderr().match(/"code":"BLOCKED"/g)).toHaveLength(1);
  }, 60_000);

  it("names who called native code, which nothing can interrupt", async () => {
    const { port, order, line } = await serve();
    order({ do: "block", how: "native", ms: 1_000 });
    await expect.poll(() => statusOf(port), { timeout: 900, interval: 20 }).toBe(503);
    expect((await line("incident")).stack).toContain("at waitInNativeCode (");
  }, 60_000);
});

describe("a process somebody debugs", () => {
  it("is never stopped for its stack", async () => {
    const { order, line } = await serve(undefined, ["--inspect=127.0.0.1:0"]);
    order({ do: "block", how: "script", ms: 800 });
    const incident = await line("incident");
    expect(incident.code).toBe("BLOCKED");
    expect(incident.stack).not.toContain("crunchNumbers");
  }, 60_000);
});

describe("a loop that is busy, but turns", () => {
  it("is not reported", async () => {
    const { port, order, of, line } = await serve({ watchdog: { port: 0, thresholdMs: 1_000 } });
    order({ do: "burst", times: 20, ms: 50 });
    await line("done");
    expect(await statusOf(port)).toBe(200);
    expect(of("BLOCKED")).toEqual([]);
  }, 60_000);
});

describe("a process that is stopped as a whole", () => {
  it("blames no code for the time it stood still", async () => {
    const { child, port, of, order } = await serve();
    order({ do: "block", how: "cpu", ms: 200 });
    await new Promise((resolve) => setTimeout(resolve, 50));
    child.kill("SIGSTOP");
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    child.kill("SIGCONT");
    await expect.poll(() => statusOf(port), { timeout: 5_000 }).toBe(200);
    expect(of("BLOCKED")).toEqual([]);
  }, 60_000);
});

describe("the port of the watchdog", () => {
  it("answers every health path, other methods with 405, others with 404, CONNECT and noise with an error", async () => {
    const app = run({ watchdog: { port: 0, thresholdMs: 300 }, health: { path: "/up", livePath: "/live" } });
    const port = (await app.line(MESSAGES.watchdogListens)).port as number;
    await expect.poll(async () => (await ask(port, "/up?x=1")).status, { timeout: 10_000 }).toBe(200);
    expect((await ask(port, "/live")).status).toBe(200);
    expect((await ask(port, "/health")).status).toBe(404);
    const posted = await ask(port, "/up", "POST");
    expect([posted.status, posted.response?.field("allow")]).toEqual([405, "GET, HEAD"]);
    const connect = "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n";
    for (const [octets, status] of [
      [connect, 501],
      ["GET / HTTP/9\r\n\r\n", 400],
    ] as const) {
      const socket = net.connect(port, "127.0.0.1").end(octets);
      let text = "";
      for await (const chunk of socket) text += String(chunk);
      expect(text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} [^]*\r\n\r\n$`));
    }
  }, 60_000);

  it("that is in use gives a warning with the number, and the app goes on and is watched over", async () => {
    const taken = await listen(net.createServer());
    const { port } = taken.address() as AddressInfo;
    const app = run({ watchdog: { port, thresholdMs: 200 } });
    expect(await app.line(MESSAGES.watchdogPort)).toMatchObject({
      level: "warn",
      host: "127.0.0.1",
      port,
      code: "EADDRINUSE",
    });
    const own = (await app.line("listening")).port as number;
    expect((await ask(own, "/")).text).toBe("app");
    app.order({ do: "block", how: "script", ms: 700 });
    expect(await app.line("incident")).toMatchObject({ code: "BLOCKED" });
  }, 60_000);
});

describe("the thread", () => {
  it("loads nothing that was meant for the app", async () => {
    const folder = await mkdtemp(join(tmpdir(), "rayguard-"));
    const file = join(folder, "preload.cjs");
    await writeFile(file, "process._rawDebug('preloaded')");
    process.env.NODE_OPTIONS = `--require ${file}`;
    try {
      const first = await serve();
      delete process.env.NODE_OPTIONS;
      const second = await serve(undefined, ["--require", file]);
      // tsx has a thread of its own in some releases of Node, which loads it, too.
      const bare = run({}, ["--require", file]);
      await bare.line("listening");
      const times = bare.stderr().match(/preloaded/g)?.length;
      expect(first.stderr().match(/preloaded/g)).toHaveLength(times as number);
      expect(second.stderr().match(/preloaded/g)).toHaveLength(times as number);
    } finally {
      delete process.env.NODE_OPTIONS;
      await rm(folder, { recursive: true });
    }
  }, 60_000);

  it("keeps no process alive", async () => {
    const { order, exited } = await serve();
    order({ do: "leave" });
    expect(await exited).toEqual([0, null]);
  }, 60_000);

  it("ends with close(), and its port with it", async () => {
    const { port, order, child } = await serve();
    order({ do: "close" });
    await expect
      .poll(async () => (await exchange({ host: "127.0.0.1", port }, { path: "/health" })).responses.length)
      .toBe(0);
    expect(child.exitCode).toBeNull();
  }, 60_000);

  it("is not there unless it is asked for", async () => {
    const app = run({});
    await app.line("listening");
    expect(app.lines).toHaveLength(1);
  }, 60_000);
});

describe("the option", () => {
  it("is off by default, and true takes the defaults", () => {
    expect(resolveOptions().watchdog).toBe(false);
    expect(resolveOptions({ watchdog: true }).watchdog).toEqual(WATCHDOG_DEFAULTS);
    expect(resolveOptions({ watchdog: { port: 1 } }).watchdog).toEqual({ ...WATCHDOG_DEFAULTS, port: 1 });
    expect(Object.isFrozen(resolveOptions({ watchdog: {} }).watchdog)).toBe(true);
  });

  it.each<[unknown, RegExp]>([
    [null, /^watchdog must be true, false or an object/],
    ["yes", /^watchdog must be true, false or an object/],
    [[], /^watchdog must be true, false or an object/],
    [{ port: -1 }, /^watchdog\.port must be a whole number from 0 to 65535; got -1\.$/],
    [{ port: 65_536 }, /^watchdog\.port must be/],
    [{ port: "80" }, /^watchdog\.port must be/],
    [{ host: 1 }, /^watchdog\.host must be an IP address or "localhost"; got 1\.$/],
    [{ host: "example.com" }, /^watchdog\.host must be/],
    [{ thresholdMs: 49 }, /^watchdog\.thresholdMs must be a whole number of milliseconds from 50 to/],
    [{ thresholdMs: 1.5 }, /^watchdog\.thresholdMs must be/],
  ])("cannot be %j", (watchdog, message) => {
    expect(() => createGuard({ watchdog } as GuardOptions)).toThrow(message);
    expect(() => createGuard({ watchdog } as GuardOptions)).toThrow(
      expect.objectContaining({ code: "ERR_RAYGUARD_INVALID_OPTION" }),
    );
  });

  it("knows no other name", () => {
    expect(() => createGuard({ watchdog: { ports: 1 } } as GuardOptions)).toThrow(RayguardError);
    expect(() => createGuard({ watchdog: { ports: 1 } } as GuardOptions)).toThrow(
      expect.objectContaining({ code: "ERR_RAYGUARD_UNKNOWN_OPTION" }),
    );
  });
});
