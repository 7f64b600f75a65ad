import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MESSAGES } from "../src/report/log.js";

// Runtimes with an HTTP implementation of their own: a guarded app sends there what a bare one sends, octet for octet.

const root = join(import.meta.dirname, "..");
const bin = (name: string) => join(root, ".ci/runtimes/node_modules/.bin", name);

/** A Node in which one of the methods that the guard stands in front of has another name. */
const RENAMED = `data:text/javascript,${encodeURIComponent(`
  import { OutgoingMessage } from "node:http";
  const { prototype } = OutgoingMessage;
  const flush = prototype._flushOutput;
  delete prototype._flushOutput;
  prototype._flush = function () {
    if (!this.socket?.writable) return;
    flush.call(this, this.socket);
    if (this.finished) this._finish();
  };`)}`;

const RUNTIMES: Record<string, { command: string; args: string[]; name: RegExp }> = {
  deno: { command: bin("deno"), args: ["run", "-A", "--node-modules-dir=manual", "--no-lock"], name: /^Deno \d/ },
  bun: { command: bin("bun"), args: ["run"], name: /^Bun \d/ },
  "a Node with other internals": { command: process.execPath, args: ["--import", RENAMED], name: /^Node \d/ },
};

const HANDLER = `(request, response) => {
  if (guarded && request.rayguard.clientIp !== "127.0.0.1") throw new Error("no context");
  if (request.url === "/drips") { response.write("one"); return setTimeout(() => response.end("two"), 20); }
  response.setHeader("Content-Type", "text/plain");
  response.end("hello");
}`;

const APPS: Record<string, string> = {
  "node:http": `
    import http from "node:http";
    import { createGuard } from "rayguard";
    const handler = ${HANDLER};
    const guard = guarded ? createGuard() : undefined;
    const server = http.createServer(guard ? guard.listener(handler) : handler);
    guard?.attach(server);
    server.listen(0, "127.0.0.1", () => listening(server));`,
  Express: `
    import express from "express";
    import { rayguard } from "rayguard/express";
    const app = express();
    const guard = guarded ? rayguard() : undefined;
    if (guard) app.use(guard);
    app.get("/{*any}", ${HANDLER});
    if (guard) app.use(guard.errorHandler);
    const server = app.listen(0, "127.0.0.1", () => listening(server));
    guard?.attach(server);`,
  Fastify: `
    import Fastify from "fastify";
    import rayguard from "rayguard/fastify";
    const app = Fastify({ logger: { level: "warn" } });
    if (guarded) await app.register(rayguard);
    app.get("/*", (request, reply) => {
      if (guarded && (request.rayguard.signal.aborted || app.rayguard.state !== "serving")) throw new Error("no context");
      return "hello";
    });
    await app.listen({ port: 0, host: "127.0.0.1" });
    listening(app.server);`,
};

const PREAMBLE = `
  const guarded = process.env.GUARDED === "1";
  const listening = (server) => console.log("listening " + server.address().port);`;

let home: string;
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "rayguard-runtimes-"));
  symlinkSync(realpathSync(join(root, "node_modules")), join(home, "node_modules"));
  for (const [name, app] of Object.entries(APPS)) writeFileSync(join(home, fileOf(name)), importable(PREAMBLE + app));
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

const fileOf = (app: string) => `${app.replace(":", "-")}.mjs`;
const importable = (code: string) =>
  code.replace(/"rayguard(?:\/(\w+))?"/g, (_, adapter?: string) =>
    JSON.stringify(join(root, "dist", adapter === undefined ? "src/index.js" : `adapters/${adapter}.js`)),
  );

interface Origin {
  child: ChildProcess;
  port: number;
  lines: string[];
}

async function start(runtime: string, app: string, guarded: boolean): Promise<Origin> {
  const { command, args } = RUNTIMES[runtime] as (typeof RUNTIMES)[string];
  const child = spawn(command, [...args, join(home, fileOf(app))], {
    cwd: home,
    env: { ...process.env, GUARDED: guarded ? "1" : "0", NODE_OPTIONS: "" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines: string[] = [];
  let rest = "";
  const port = await new Promise<number>((resolve, reject) => {
    const take = (octets: Buffer) => {
      const all = (rest + octets).split("\n");
      rest = all.pop() as string;
      for (const line of all) {
        const [, told] = /^listening (\d+)$/.exec(line) ?? [];
        if (told === undefined) lines.push(line);
        else resolve(Number(told));
      }
    };
    child.stdout.on("data", take);
    child.stderr.on("data", take);
    child.once("exit", () => reject(new Error(`ended before it listened:\n${lines.join("\n")}\n${rest}`)));
  });
  return { child, port, lines };
}

/** Three requests on one connection, each sent when the one before it is answered. @returns the octets of each */
async function converse(port: number): Promise<string[]> {
  const socket = net.connect(port, "127.0.0.1").setNoDelay();
  const answers: string[] = [];
  for (const [url, last] of [
    ["/", "hello"],
    ["/drips", /hello|two\r\n0\r\n\r\n/],
    ["/again", "hello"],
  ] as const) {
    let answer = "";
    socket.write(`GET ${url} HTTP/1.1\r\nHost: origin.example\r\n\r\n`);
    while (!(typeof last === "string" ? answer.endsWith(last) : last.test(answer))) {
      const [octets] = (await once(socket, "data", { signal: AbortSignal.timeout(5_000) })) as [Buffer];
      answer += octets.toString("latin1");
    }
    answers.push(answer.replace(/^date: .*$/gim, "Date: then"));
  }
  socket.destroy();
  return answers;
}

async function end({ child }: Origin): Promise<unknown> {
  const ended = once(child, "exit", { signal: AbortSignal.timeout(5_000) });
  child.kill("SIGTERM");
  return ended;
}

describe.each(Object.entries(RUNTIMES))("%s", (runtime, { command, name }) => {
  const missing = existsSync(command) ? "" : " (skipped: .ci/run installs the binary, and it is not there)";

  it.skipIf(missing !== "").each(Object.keys(APPS))(
    `%s sends what it sends without the guard, which says once that it guards nothing${missing}`,
    async (app) => {
      const [bare, guarded] = [await start(runtime, app, false), await start(runtime, app, true)];
      try {
        expect(await converse(guarded.port)).toEqual(await converse(bare.port));
        const health = await fetch(`http://127.0.0.1:${guarded.port}/health`);
        expect([health.status, await health.json()]).toMatchObject([200, { status: "healthy" }]);
        expect(await end(guarded)).toEqual(await end(bare));
      } finally {
        for (const { child } of [bare, guarded]) child.kill("SIGKILL");
      }
      const told = guarded.lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
      expect(told).toEqual([
        expect.objectContaining({ level: 40, msg: MESSAGES.unsupportedRuntime, runtime: expect.stringMatching(name) }),
      ]);
    },
    60_000,
  );

  async function output(code: string): Promise<string> {
    const file = join(home, "alone.mjs");
    writeFileSync(file, importable(code));
    const child = spawn(command, [...(RUNTIMES[runtime]?.args ?? []), file], { cwd: home });
    let told = "";
    child.stdout.on("data", (octets) => {
      told += octets;
    });
    await once(child, "close");
    return told.trim();
  }

  it.skipIf(missing !== "")(`refuses to make a guard under unsupportedRuntime: "error"${missing}`, async () => {
    const code = `import { createGuard } from "rayguard";
      try { createGuard({ unsupportedRuntime: "error" }); } catch (error) { console.log(error.code); }`;
    expect(await output(code)).toBe("ERR_RAYGUARD_UNSUPPORTED_RUNTIME");
  });

  it.skipIf(missing !== "")(`puts nothing in front of anything${missing}`, async () => {
    const code = `import http from "node:http";
      import net from "node:net";
      import { createGuard } from "rayguard";
      const server = http.createServer();
      const watched = [http.ServerResponse, http.OutgoingMessage, http.IncomingMessage, net.Socket].map((c) => c.prototype);
      const look = () => [
        ...[...watched, server].flatMap((at) => Object.entries(Object.getOwnPropertyDescriptors(at))
          .map(([name, { value, get }]) => [name, value, get])),
        ...["SIGTERM", "SIGINT", "SIGHUP", "uncaughtException"].map((e) => [e, process.listenerCount(e), undefined]),
      ];
      const before = look();
      const guard = createGuard({ logger: false, overload: true, watchdog: true });
      console.log(String(guard.attach(server) === server));
      guard.listener(() => {});
      const after = look();
      console.log(after.filter((at, i) => at.some((part, j) => part !== before[i]?.[j])).map(([name]) => name).join() || "same");`;
    expect(await output(code)).toBe("true\nsame");
  });
});
