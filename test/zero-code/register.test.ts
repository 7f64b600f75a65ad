import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { exchange } from "../../src/testing/index.js";
import { selfSigned } from "../testing/certificate.js";
import { endPrograms, Program, WITH_GUARD } from "./program.js";

const ROOT = join(import.meta.dirname, "../..");

afterEach(endPrograms);

/** A handler that closes before it has answered, and one that answers. */
const HANDLER = `(request, response) => {
  if (request.url === "/drop") return void response.destroy();
  response.end("fine");
}`;
const TELL = "function () { process.send(this.address().port); }";

const NODE = `createServer(${HANDLER}).listen(0, "127.0.0.1", ${TELL});`;
const EXPRESS = `const app = express();
app.get("/drop", (_request, response) => void response.destroy());
app.get("/", (_request, response) => void response.send("fine"));
app.listen(0, "127.0.0.1", ${TELL});`;
const FASTIFY = `const app = fastify();
app.get("/drop", (_request, reply) => void reply.raw.destroy());
app.get("/", async () => "fine");
app.listen({ port: 0, host: "127.0.0.1" }).then(() => process.send(app.server.address().port));`;
const KOA = `const app = new Koa();
app.use((context) => {
  if (context.path === "/drop") return void context.res.destroy();
  context.body = "fine";
});
app.listen(0, "127.0.0.1", ${TELL});`;

const GUARDED = "rayguard/register guards this server, and the others of the program as they begin to listen";

async function statuses(port: number): Promise<(number | string | undefined)[]> {
  const results = [];
  for (const path of ["/", "/drop", "/health"]) {
    const { responses, problems } = await exchange({ port }, { path });
    results.push(problems.length > 0 ? "problem" : responses[0]?.status);
  }
  return results;
}

describe("a program that knows nothing of a guard", { timeout: 60_000 }, () => {
  it.each([
    ["node:http", "app.mjs", `import { createServer } from "node:http";\n${NODE}`],
    ["node:http in CommonJS", "app.cjs", `const { createServer } = require("node:http");\n${NODE}`],
    ["new Server()", "app.cjs", `const http = require("http");\n${NODE.replace("createServer", "new http.Server")}`],
    ["Express 5", "app.mjs", `import express from "express";\n${EXPRESS}`],
    ["Express 4 in CommonJS", "app.cjs", `const express = require("express4");\n${EXPRESS}`],
    ["Fastify", "app.mjs", `import fastify from "fastify";\n${FASTIFY}`],
    ["Fastify in CommonJS", "app.cjs", `const fastify = require("fastify");\n${FASTIFY}`],
    ["Koa", "app.mjs", `import Koa from "koa";\n${KOA}`],
  ])("is guarded: %s", async (_, name, text) => {
    const bare = Program.start(name, text, { flags: [] });
    expect((await statuses((await bare.ports())[0] as number))[1]).toBe("problem");
    const program = Program.start(name, text);
    expect(await statuses((await program.ports())[0] as number)).toEqual([200, 500, 200]);
    expect(program.lines(GUARDED)).toHaveLength(1);
    await expect
      .poll(() => program.lines("request").map(({ url, outcome }) => [url, outcome]))
      .toEqual([
        ["/", "intact"],
        ["/drop", "replaced"],
      ]);
    expect(program.stderr).toBe("");
  });

  it("is guarded by --require and by NODE_OPTIONS, and once where both load it", async () => {
    const text = `const { createServer } = require("node:http");\n${NODE}`;
    for (const [flags, env] of [
      [["--require", "rayguard/register"], {}],
      [[], { NODE_OPTIONS: "--import rayguard/register" }],
      [["--require", "rayguard/register"], { NODE_OPTIONS: "--import rayguard/register" }],
    ] as const) {
      const program = Program.start("app.cjs", text, { flags, env });
      expect(await statuses((await program.ports())[0] as number)).toEqual([200, 500, 200]);
      await expect.poll(() => program.lines("request")).toHaveLength(2);
      expect(program.stderr).toBe("");
    }
  });

  it("is guarded over HTTP/2", async () => {
    const text = `import { createSecureServer } from "node:http2";
    createSecureServer(${JSON.stringify(selfSigned())}, ${HANDLER.replace("response.destroy", "response.stream.destroy")})
      .listen(0, "127.0.0.1", ${TELL});`;
    const program = Program.start("app.mjs", text);
    const client = connectHttp2(`https://127.0.0.1:${(await program.ports())[0]}`, { rejectUnauthorized: false });
    const seen = [];
    for (const path of ["/", "/drop"]) {
      const stream = client.request({ ":path": path });
      stream.resume();
      seen.push(await new Promise((resolve) => stream.on("response", (headers) => resolve(headers[":status"]))));
    }
    client.destroy();
    expect(seen).toEqual([200, 500]);
  });

  it("is guarded in worker threads and in the workers of a cluster", async () => {
    const thread = `import { Worker, isMainThread, parentPort } from "node:worker_threads";
    import { createServer } from "node:http";
    if (isMainThread) new Worker(new URL(import.meta.url)).on("message", (port) => process.send(port));
    else createServer(${HANDLER}).listen(0, "127.0.0.1", function () { parentPort.postMessage(this.address().port); });`;
    const cluster = `import cluster from "node:cluster";
    import { createServer } from "node:http";
    if (cluster.isPrimary) cluster.fork().on("message", (port) => process.send(port));
    else createServer(${HANDLER}).listen(0, "127.0.0.1", ${TELL});`;
    for (const text of [thread, cluster]) {
      const program = Program.start("app.mjs", text);
      expect(await statuses((await program.ports())[0] as number)).toEqual([200, 500, 200]);
    }
  });

  it("answers what waits when it is ended, where bare it would not", async () => {
    const text = `import { createServer } from "node:http";
    createServer((_request, response) => void setTimeout(() => response.end("late"), 300)).listen(0, "127.0.0.1", ${TELL});`;
    const program = Program.start("app.mjs", text);
    const [port] = await program.ports();
    const waiting = exchange({ port: port as number }, { path: "/" });
    await expect
      .poll(async () => (await exchange({ port: port as number }, { path: "/health" })).responses[0]?.status)
      .toBe(200);
    program.signal("SIGTERM");
    expect((await waiting).responses[0]?.text()).toBe("late");
    expect(await program.end()).toBe(143);
  });

  it.each([
    ["SIGTERM", "a signal", "process.pid, signal", 143],
    ["SIGINT", "its number", "process.pid, require('node:os').constants.signals[signal]", 130],
    ["SIGTERM", "the default one", "String(process.pid)", 143],
  ] as const)("ends of %s that it sends itself, by %s, once it has tidied up", async (signal, _, target, code) => {
    const text = `const server = require("node:http").createServer(${HANDLER}).listen(0, "127.0.0.1", ${TELL});
    const signal = "${signal}";
    process.once(signal, () => server.close(() => process.kill(${target})));`;
    for (const flags of [[], WITH_GUARD]) {
      const program = Program.start("app.cjs", text, { flags });
      const [port] = (await program.ports()) as [number];
      expect((await statuses(port))[0]).toBe(200);
      program.signal(signal);
      expect(await program.end()).toBe(flags.length === 0 ? signal : code);
    }
  });

  it("may have several servers, some of which are left alone", async () => {
    const text = `import { createServer } from "node:http";
    for (const name of ["app", "metrics"]) {
      const server = createServer(${HANDLER});
      server.metrics = name === "metrics";
      server.listen(0, "127.0.0.1", ${TELL});
      await new Promise((resolve) => server.once("listening", resolve));
    }`;
    const files = { "rayguard.config.mjs": "export default { servers: (server) => !server.metrics };" };
    const program = Program.start("app.mjs", text, { files });
    const [app, metrics] = (await program.ports(2)) as [number, number];
    expect(await statuses(app)).toEqual([200, 500, 200]);
    expect(await statuses(metrics)).toEqual([200, "problem", 200]);
  });

  it("starts without a server as ever, and says nothing", async () => {
    const program = Program.start("app.mjs", "process.stdout.write('done');");
    expect(await program.end()).toBe(0);
    expect([program.stdout, program.stderr]).toEqual(["done", ""]);
  });
});

describe("a guard of the app's own", { timeout: 60_000 }, () => {
  const OWN = '{ health: { path: "/own" }, logger: false }';
  const ATTACHED = `import { createServer } from "node:http";
  import { createGuard } from "rayguard";
  const server = createServer(${HANDLER});`;
  const LISTENS = `server.listen(0, "127.0.0.1", ${TELL});`;
  it.each([
    ["attached before", `${ATTACHED} createGuard(${OWN}).attach(server); ${LISTENS}`],
    ["attached behind listen()", `${ATTACHED} ${LISTENS} createGuard(${OWN}).attach(server);`],
    ["attached later", `${ATTACHED} server.once("listening", () => createGuard(${OWN}).attach(server)); ${LISTENS}`],
    [
      "of Express",
      `import express from "express";
      import { rayguard } from "rayguard/express";
      ${EXPRESS.replace("express();", `express(); app.use(rayguard(${OWN}));`)}`,
    ],
    [
      "of Fastify",
      `import fastify from "fastify";
      import { rayguard } from "rayguard/fastify";
      ${FASTIFY.replace("fastify();", `fastify(); await app.register(rayguard, ${OWN});`)}`,
    ],
  ])("wins: %s", async (_, text) => {
    const program = Program.start("app.mjs", text);
    const [port] = (await program.ports()) as [number];
    await statuses(port);
    const own = await exchange({ port }, { path: "/own" });
    expect(own.responses[0]?.field("content-type")).toMatch(/json/);
    const drop = await exchange({ port }, { path: "/drop" });
    expect(drop.responses[0]?.status).toBe(500);
    // It logs nothing, and nobody else has the request.
    expect(program.lines("request")).toEqual([]);
    program.signal("SIGTERM");
    expect(await program.end()).toBe(143);
  });

  it("wins from its first request on where it is for a part of the app", async () => {
    const text = `import express from "express";
    import { rayguard } from "rayguard/express";
    ${EXPRESS.replace("express();", `express(); app.use("/part", rayguard(${OWN}));`)}`;
    const program = Program.start("app.mjs", text);
    const [port] = (await program.ports()) as [number];
    for (const path of ["/", "/part/x", "/", "/part/x", "/drop"]) await exchange({ port }, { path });
    program.signal("SIGTERM");
    expect(await program.end()).toBe(143);
    expect(program.lines("request").map(({ url }) => url)).toEqual(["/", "/part/x"]);
  });
});

describe.skipIf(process.platform === "win32")(
  "a program in a folder that somebody has removed",
  { timeout: 60_000 },
  () => {
    it.each([
      ["guarded", ["--import", join(ROOT, "dist/src/register.js")]],
      ["kept", [join(ROOT, "dist/src/cli/main.js"), "run"]],
    ])("starts as ever: %s", async (_, before) => {
      const folder = mkdtempSync(join(tmpdir(), "rayguard-gone-"));
      const file = join(folder, "app.mjs");
      const text = `import http from "node:http";
      const server = http.createServer((request, response) => response.end("fine"));
      server.listen(0, "127.0.0.1", () => console.error("port", server.address().port));`;
      writeFileSync(file, text);
      const line = 'mkdir "$0/gone" && cd "$0/gone" && rmdir "$0/gone" && exec "$@"';
      const child = spawn("sh", ["-c", line, folder, process.execPath, ...before, file], {
        stdio: ["ignore", "ignore", "pipe"],
      });
      let told = "";
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        told += text;
      });
      await expect.poll(() => told, { timeout: 20_000 }).toMatch(/port \d+|Error/);
      const port = Number(/port (\d+)/.exec(told)?.[1]);
      expect((await exchange({ port }, { path: "/" })).responses[0]?.text()).toBe("fine");
      child.kill("SIGTERM");
      await once(child, "exit");
      rmSync(folder, { recursive: true });
    });
  },
);

describe("configuration", { timeout: 60_000 }, () => {
  const text = `import { createServer } from "node:http";\n${NODE}`;
  const options = 'health: { path: "/up" }';

  it.each([
    ["rayguard.config.js", `module.exports = { ${options} };`],
    ["rayguard.config.cjs", `module.exports = { ${options} };`],
    ["rayguard.config.mjs", `export default { ${options} };`],
    ["rayguard.config.json", '{ "health": { "path": "/up" } }'],
  ])("is read from %s beside the program", async (name, content) => {
    const files = { [name]: content, ...(name.endsWith(".js") ? { "package.json": "{}" } : {}) };
    const program = Program.start("app.mjs", text, { files });
    const [port] = (await program.ports()) as [number];
    expect((await exchange({ port }, { path: "/up" })).responses[0]?.text()).toContain("healthy");
  });

  it("is taken from RAYGUARD_OPTIONS, in front of the file", async () => {
    const files = { "rayguard.config.json": '{ "health": { "path": "/up" }, "firstByteDeadlineMs": 60000 }' };
    const program = Program.start("app.mjs", text, { files, env: { RAYGUARD_OPTIONS: '{"health":{"path":"/here"}}' } });
    const [port] = (await program.ports()) as [number];
    expect((await exchange({ port }, { path: "/here" })).responses[0]?.text()).toContain("healthy");
    expect((await exchange({ port }, { path: "/up" })).responses[0]?.text()).toBe("fine");
  });

  it.each<[string, string, Record<string, string>, string, NodeJS.ProcessEnv]>([
    ["an option that is not known", "UNKNOWN_OPTION", { "rayguard.config.json": '{ "loger": false }' }, '"loger"', {}],
    [
      "a value it cannot have",
      "INVALID_OPTION",
      { "rayguard.config.mjs": "export default { holdBackMs: -1 };" },
      "-1",
      {},
    ],
    [
      "an option of the health check",
      "UNKNOWN_OPTION",
      {},
      "health.pathh",
      { RAYGUARD_OPTIONS: '{"health":{"pathh":"/up"}}' },
    ],
    [
      "a health check that is no function",
      "INVALID_ARGUMENT",
      { "rayguard.config.mjs": "export default { health: { checks: { database: 1 } } };" },
      "got database, number",
      {},
    ],
    ["servers that is no function", "INVALID_OPTION", { "rayguard.config.json": '{ "servers": true }' }, "boolean", {}],
    ["no JSON", "CONFIGURATION", { "rayguard.config.json": "{" }, "rayguard.config.json cannot be read", {}],
    ["a file of TypeScript", "CONFIGURATION", { "rayguard.config.ts": "export default {};" }, "Known names: ", {}],
    ["no object", "CONFIGURATION", { "rayguard.config.json": "[]" }, "got an array", {}],
    ["a file that throws", "CONFIGURATION", { "rayguard.config.mjs": "throw new Error('mine');" }, "mine", {}],
    ["a file that waits", "CONFIGURATION", { "rayguard.config.mjs": "await 1; export default {};" }, "await", {}],
    ["no JSON in the variable", "CONFIGURATION", {}, "RAYGUARD_OPTIONS cannot be read", { RAYGUARD_OPTIONS: "{" }],
    ["null in the variable", "CONFIGURATION", {}, "got null", { RAYGUARD_OPTIONS: "null" }],
  ])("ends the start with an error: %s", async (_, code, files, told, env) => {
    for (const flags of [WITH_GUARD, ["--require", "rayguard/register"]]) {
      const program = Program.start("app.mjs", text, { files, env, flags });
      expect(await program.end()).toBe(2);
      expect(program.stderr).toMatch(new RegExp(`^rayguard: ERR_RAYGUARD_${code}: `));
      expect(program.stderr).toContain(told);
      expect(program.stdout).toBe("");
    }
  });
});
