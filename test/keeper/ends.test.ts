import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectSecurely } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { exchange } from "../../src/testing/index.js";
import { selfSigned } from "../testing/certificate.js";
import { endPrograms, Program, type Start } from "../zero-code/program.js";
import { Load } from "./load.js";

afterEach(endPrograms);

const SLOW_MS = 1_500;

/** @param onTerm - what the app does on SIGTERM */
const program = (onTerm = "") => `import http from "node:http";
const server = http.createServer((request, response) => {
  const answer = () => response.end(request.url + " " + process.pid + " 0");
  if (request.url === "/slow") setTimeout(answer, ${SLOW_MS});
  else answer();
});
${onTerm}
server.listen(0, "127.0.0.1", () => process.send(server.address().port));`;

const EXITS = 'process.on("SIGTERM", () => process.exit(3));';
const TELLS = 'process.on("SIGTERM", () => console.log("told"));';
const CLOSES = 'process.on("SIGTERM", () => server.close(() => process.exit(7)));';

/** Status of the answer to a request that takes a while, of which the process has heard. */
async function slow(port: number): Promise<{ status: Promise<number> }> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  socket.write("GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  let received = "";
  socket.on("data", (octets) => {
    received += octets;
  });
  const status = once(socket, "close").then(() => Number(received.slice(9, 12)));
  await new Promise((resolve) => setTimeout(resolve, 300));
  return { status };
}

/** As a terminal, or systemd: every process has the signal, the one of the app first. */
async function toAll(kept: Program, signal: NodeJS.Signals): Promise<void> {
  for (const pid of kept.workers()) process.kill(pid, signal);
  await new Promise((resolve) => setTimeout(resolve, 100));
  kept.signal(signal);
}

describe("a kept program that is asked to end", { timeout: 60_000 }, () => {
  it.each<[string, NodeJS.Signals, "all" | "keeper", string, number]>([
    ["SIGTERM", "SIGTERM", "keeper", "", 143],
    ["SIGTERM to every process, as by systemd,", "SIGTERM", "all", "", 143],
    ["SIGINT to every process, as by a terminal,", "SIGINT", "all", "", 130],
    ["SIGTERM to every process, where the app closes its server,", "SIGTERM", "all", CLOSES, 7],
  ])("by %s answers all there is, and ends with its code", async (_, signal, to, onTerm, code) => {
    const kept = Program.start("app.mjs", program(onTerm), {
      keeper: [],
      env: { RAYGUARD_OPTIONS: '{"logger":false}' },
    });
    const [port = 0] = await kept.ports();
    const load = new Load(port, 10);
    await load.everyone(3);
    const { status } = await slow(port);
    if (to === "all") await toAll(kept, signal);
    else kept.signal(signal);
    expect(await kept.end()).toBe(code);
    expect(await status).toBe(200);
    // A connection that is idle for a while is closed, and its client may just be asking then: `empty` does not count.
    expect(load.seen).toMatchObject({ cut: 0, silent: 0, wrong: [] });
    // Whoever connects once the process has closed its listener, and before the keeper has had the signal, is told so.
    if (to === "keeper") expect(load.seen.unavailable).toBe(0);
    void load.stop();
  });

  it("has the app hear of a signal once that every process has had", async () => {
    const kept = Program.start("app.mjs", program(TELLS), { keeper: [] });
    await kept.ports();
    process.kill(await kept.worker(), "SIGTERM");
    await expect.poll(() => kept.stdout).toMatch(/^told$/m);
    kept.signal("SIGTERM");
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(kept.stdout.match(/^told$/gm)).toHaveLength(1);
  });

  // What PM2 loads into it listens on its channel.
  it("ends whatever else an agent has running in its process", async () => {
    const agent = "data:text/javascript,process.on(`message`,()=>{});setInterval(()=>{},1000)";
    const kept = Program.start("app.mjs", program(), { keeper: [], env: { NODE_OPTIONS: `--import ${agent}` } });
    await kept.ports();
    kept.signal("SIGTERM");
    expect(await Promise.race([kept.end(), new Promise((resolve) => setTimeout(resolve, 10_000))])).toBe(143);
    expect(kept.stdout).toMatch(/"a process of the app has ended"\}\n$/);
  });

  it("ends at once where it is asked again", async () => {
    const kept = Program.start("app.mjs", program(), { keeper: [] });
    const [port = 0] = await kept.ports();
    const { status } = await slow(port);
    kept.signal("SIGTERM");
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    kept.signal("SIGTERM");
    expect(await kept.end()).toBe(143);
    // It had less than half a second to go, so it may just have been answered.
    expect([200, 503]).toContain(await status);
  });

  it("ends where it ends itself, however long that takes", async () => {
    const text = `import fastify from "fastify";
    const app = fastify();
    app.get("/slow", () => new Promise((resolve) => setTimeout(resolve, ${SLOW_MS}, "done")));
    app.get("/close", async () => { setImmediate(() => app.close()); return "closes"; });
    app.listen({ port: 0, host: "127.0.0.1" }).then(() => process.send(app.server.address().port));`;
    const kept = Program.start("app.mjs", text, { keeper: [] });
    const [port = 0] = await kept.ports();
    const { status } = await slow(port);
    expect(await (await fetch(`http://127.0.0.1:${port}/close`)).text()).toBe("closes");
    expect(await status).toBe(200);
    expect(await kept.end()).toBe(0);
  });

  it("goes on with another process where one alone is asked to end", async () => {
    const kept = Program.start("app.mjs", program(), { keeper: [], env: { RAYGUARD_OPTIONS: '{"logger":false}' } });
    const [port = 0] = await kept.ports();
    const load = new Load(port, 10);
    await load.everyone(3);
    const { status } = await slow(port);
    process.kill(await kept.worker(), "SIGTERM");
    expect(await status).toBe(200);
    await expect.poll(() => load.seen.processes.size, { timeout: 20_000 }).toBe(2);
    await load.everyone(2);
    expect(await load.stop()).toMatchObject({ refused: 0, unavailable: 0, cut: 0, empty: 0, silent: 0, wrong: [] });
  });
});

describe("a connection on which nobody but its process can write", { timeout: 60_000 }, () => {
  const { key, cert } = selfSigned();
  const PROGRAM = `import http from "node:http";
  import https from "node:https";
  const server = process.env.SECURE ? https.createServer(${JSON.stringify({ key, cert })}) : http.createServer();
  server.on("request", (request, response) => response.end("an answer"));
  server.on("upgrade", (request, socket) => {
    socket.write("HTTP/1.1 101 Switching Protocols\\r\\nConnection: Upgrade\\r\\nUpgrade: a\\r\\n\\r\\n");
  });
  process.on("SIGTERM", () => process.exit(3));
  process.on("SIGHUP", () => setImmediate(() => { throw new Error("mine"); }));
  server.listen(0, "127.0.0.1", () => process.send(server.address().port));`;

  const WAYS: Start[] = [{ flags: [] }, { keeper: [] }];

  it.each<[string, NodeJS.Signals, boolean]>([
    ["that has switched protocols, at process.exit()", "SIGTERM", false],
    ["that has switched protocols, at an uncaught exception", "SIGHUP", false],
    ["of TLS, at process.exit()", "SIGTERM", true],
  ])("%s, ends as without a keeper", async (_, signal, isSecure) => {
    const ends: unknown[] = [];
    for (const way of WAYS) {
      const options = '{"crash":false,"shutdown":false}';
      const env = { RAYGUARD_OPTIONS: options, ...(isSecure && { SECURE: "1" }) };
      const program = Program.start("app.mjs", PROGRAM, { ...way, env });
      const [port = 0] = await program.ports();
      const socket = isSecure ? connectSecurely({ port, rejectUnauthorized: false }) : connect(port, "127.0.0.1");
      const end = new Promise((resolve) => {
        socket.on("end", () => resolve("end")).on("error", ({ code }: NodeJS.ErrnoException) => resolve(code));
      });
      socket.write(
        isSecure
          ? "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
          : "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: a\r\n\r\n",
      );
      await once(socket, "data");
      await new Promise((resolve) => setTimeout(resolve, 300));
      process.kill(way.keeper === undefined ? program.pid : await program.worker(), signal);
      ends.push(await end);
      if (way.keeper !== undefined)
        await expect.poll(() => program.lines("a process of the app has ended")).toHaveLength(1);
      expect(program.lines("incident")).toEqual([]);
      program.signal("SIGKILL");
    }
    expect(ends).toEqual(["end", "end"]);
  });
});

describe.each<[string, Start]>([
  ["", {}],
  [" under a keeper", { keeper: [] }],
])("a request that is answered as the app ends its process%s", { timeout: 60_000 }, (_, way) => {
  const PROGRAM = `import http from "node:http";
  process.on("uncaughtException", () => process.exit(3));
  http.createServer((request, response) => {
    if (request.url === "/throws") setImmediate(() => { throw new Error("mine"); });
    else if (request.url === "/written") response.end("an answer", () => process.exit(3));
    else {
      response.end(request.url === "/large" ? Buffer.alloc(20_000_000) : "an answer");
      process.exit(3);
    }
  }).listen(0, "127.0.0.1", function () { process.send(this.address().port); });`;

  it.each([
    ["behind end()", "/ended", "intact", 200],
    ["behind the callback of end()", "/written", "intact", 200],
    ["where its exception is heard of", "/throws", "replaced", 500],
  ])("%s, is told of as such", async (_when, path, outcome, status) => {
    const program = Program.start("app.mjs", PROGRAM, way);
    const [port = 0] = await program.ports();
    const { responses } = await exchange({ port }, { path });
    expect(responses.map((response) => response.status)).toEqual([status]);
    await expect.poll(() => program.lines("request")).toMatchObject([{ url: path, outcome, status }]);
    if (way.keeper === undefined) expect(await program.end()).toBe(3);
    else await expect.poll(() => program.lines("a process of the app has ended").length).toBeGreaterThan(0);
    expect(program.lines("incident").map(({ code }) => code)).toEqual(outcome === "intact" ? [] : ["UNCAUGHT"]);
  });

  it("is not told of as one whose client has left, where not all of it was out", async () => {
    const program = Program.start("app.mjs", PROGRAM, way);
    const [port = 0] = await program.ports();
    const socket = connect(port, "127.0.0.1").on("error", () => {});
    socket.write("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    await once(socket, "readable"); // and nothing more is read
    if (way.keeper === undefined) expect(await program.end()).toBe(3);
    else await expect.poll(() => program.lines("a process of the app has ended").length).toBeGreaterThan(0);
    expect(program.lines("request")).toEqual([]);
    expect(program.lines("incident").map(({ code }) => code)).toEqual(way.keeper === undefined ? [] : ["KILLED"]);
    socket.destroy();
  });
});

it("a process is replaced once the next one listens wherever it does", { timeout: 60_000 }, async () => {
  const text = `import http from "node:http";
  const listen = () => {
    const server = http.createServer((request, response) => response.end(request.url + " " + process.pid + " 0"));
    server.listen(0, "127.0.0.1", () => process.send(server.address().port));
  };
  listen();
  setTimeout(listen, 1_500);`;
  const env = { RAYGUARD_OPTIONS: '{"logger":false}' };
  const kept = Program.start("app.mjs", text, { keeper: ["--wait-ms", "300"], env });
  const [, port = 0] = await kept.ports(2);
  const load = new Load(port, 10);
  await load.everyone(3);
  const old = await kept.worker();
  kept.signal("SIGHUP");
  await expect.poll(() => kept.workers(), { timeout: 20_000 }).not.toContain(old);
  await load.everyone(2);
  expect(await load.stop()).toMatchObject({ refused: 0, unavailable: 0, cut: 0, empty: 0, silent: 0, wrong: [] });
  expect(load.seen.processes.size).toBe(2);
});

it("a process whose keeper is killed before it has begun does not begin", async () => {
  // It is in a module of its own while that happens, which Node loads in front of all others.
  const slow = `const { existsSync } = require("node:fs");
  if (process.env.RAYGUARD_KEPT !== undefined)
    while (!existsSync(__dirname + "/go")) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);`;
  const folder = mkdtempSync(join(tmpdir(), "rayguard-slow-"));
  writeFileSync(join(folder, "slow.cjs"), slow);
  try {
    const env = { NODE_OPTIONS: `--require ${join(folder, "slow.cjs")}` };
    const program = Program.start(
      "app.mjs",
      `import { writeFileSync } from "node:fs"; import http from "node:http";
      http.createServer().listen(0, () => writeFileSync(${JSON.stringify(join(folder, "listens"))}, ""));`,
      { keeper: [], env },
    );
    const pid = await program.worker();
    program.signal("SIGKILL");
    await program.end();
    writeFileSync(join(folder, "go"), "");
    await expect.poll(() => isRunning(pid), { timeout: 10_000 }).toBe(false);
    expect(existsSync(join(folder, "listens"))).toBe(false);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, "latin1")); // nobody here waits for it
  } catch {
    return false;
  }
}

describe("a process that is replaced by SIGHUP finishes what it has", { timeout: 60_000 }, () => {
  it.each<[string, string, object]>([
    ["as ever", "", {}],
    ["where the app exits as soon as it hears of its end", EXITS, {}],
    ["where the guard leaves signals to Node", "", { shutdown: false }],
    ["where the guard only reports", "", { mode: "report" }],
  ])("%s", async (_, onTerm, options) => {
    const env = { RAYGUARD_OPTIONS: JSON.stringify({ logger: false, ...options }) };
    const kept = Program.start("app.mjs", program(onTerm), { keeper: [], env });
    const [port = 0] = await kept.ports();
    const load = new Load(port, 10);
    await load.everyone(3);
    const old = await kept.worker();
    const { status } = await slow(port);
    kept.signal("SIGHUP");
    expect(await status).toBe(200);
    await expect.poll(() => kept.workers(), { timeout: 20_000 }).not.toContain(old);
    await load.everyone(2);
    expect(await load.stop()).toMatchObject({ refused: 0, unavailable: 0, cut: 0, empty: 0, silent: 0, wrong: [] });
  });
});
