import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import plugin from "../adapters/fastify.js";
import { lastingPort } from "../playground/process/lasting-port.js";
import { exchange } from "../src/testing/index.js";

const run = promisify(execFile);
const root = join(import.meta.dirname, "..");

const UPGRADING = readFileSync(join(root, "docs/upgrading.md"), "utf8");

/** Another Node than the one that runs this, where `.ci/run` has put it. */
const NEWER_NODE = join(root, ".ci/nodes/24/node_modules/node/bin/node");

/** The versions the project itself is tested with: the packed package must work beside the same ones. */
const versionOf = (name: string) => {
  const manifest = readFileSync(join(root, "node_modules", name, "package.json"), "utf8");
  return (JSON.parse(manifest) as { version: string }).version;
};
const beside = ["express", "fastify", "typescript", "@types/express", "prom-client", "@opentelemetry/api"].map(
  (n) => `${n}@${versionOf(n)}`,
);

/** One exchange through each entry; `load` is how that kind of project imports. */
const program = (load: string) => `${load}
const guard = createGuard({ logger: false });
const server = http.createServer(guard.listener(() => { throw new Error("no"); }));
guard.attach(server);
const app = express();
app.use(rayguard({ logger: false }));
app.get("/", (_request, response) => { response.destroy(); });
const origin = Fastify();
const main = async () => {
  await origin.register(plugin, { logger: false });
  origin.get("/", (_request, reply) => { reply.raw.destroy(); });
  await origin.listen({ port: 0 });
  const servers = [server.listen(0), app.listen(0), origin.server];
  const statuses = [];
  for (const each of servers) {
    const { responses, valid } = await exchange(each, { path: "/" });
    statuses.push(valid ? responses[0].status : "invalid");
  }
  const registry = new Registry();
  const undo = [collectInto(registry, guard), instrument(guard)];
  await exchange(server, { path: "/" });
  const text = await registry.metrics();
  for (const step of undo) step();
  console.log(statuses.join(" "), named === plugin, /^rayguard_prevented_total.*$/m.exec(text)[0]);
  process.exit(0);
};
main();
`;

const ESM = `import http from "node:http";
import express from "express";
import Fastify from "fastify";
import { createGuard } from "rayguard";
import { rayguard } from "rayguard/express";
import plugin, { rayguard as named } from "rayguard/fastify";
import { collectInto } from "rayguard/prometheus";
import { instrument } from "rayguard/opentelemetry";
import { Registry } from "prom-client";
import { exchange } from "rayguard/testing";`;

const CJS = `const http = require("node:http");
const express = require("express");
const Fastify = require("fastify");
const { createGuard } = require("rayguard");
const { rayguard } = require("rayguard/express");
const { default: plugin, rayguard: named } = require("rayguard/fastify");
const { collectInto } = require("rayguard/prometheus");
const { instrument } = require("rayguard/opentelemetry");
const { Registry } = require("prom-client");
const { exchange } = require("rayguard/testing");`;

const PRINTED = 'rayguard_prevented_total{code="HANDLER_ERROR",status="520"} 2';

const TYPED = `${ESM}
import type { Guard, GuardOptions, Incident } from "rayguard";
const options: GuardOptions = { logger: false, firstByteDeadlineMs: 1_000 };
const guard: Guard = createGuard(options);
const server: http.Server = guard.attach(http.createServer(guard.listener(async (request, response) => {
  const ray: string | undefined = request.rayguard.ray?.id;
  response.end(ray);
})));
const undo: (() => void)[] = [
  collectInto(new Registry(), guard, { prefix: "shop_", labels: { guard: "api" } }),
  instrument(guard, { attributes: { "rayguard.guard": "api" } }),
];
const counted: number | undefined = guard.stats().preventedByCode["MC-2"]?.["520"];
const app = express();
const middleware = rayguard({ errorContent: (incident: Incident) => ({ contentType: "text/plain", body: incident.code }) });
app.use(middleware);
app.get("/", (request, response) => { request.rayguard?.deadline(false); response.send(request.rayguard?.clientIp); });
app.use(middleware.errorHandler);
// @ts-expect-error an unknown option
export const wrong = () => createGuard({ nonsense: true });
const origin = Fastify();
origin.register(plugin, options);
origin.get("/", { config: { rayguard: { firstByteDeadlineMs: 5_000 } } }, async (request) => request.rayguard.ray);
exchange(server.listen(0), { path: "/" }).then(({ responses }) => console.log("typed", responses[0]?.status, named === plugin, undo.length, counted)).finally(() => process.exit(0));
`;

describe("the packed package", () => {
  let folder: string;
  let tarball: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "rayguard-package-"));
    const { stdout } = await run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", folder], {
      cwd: root,
    });
    const [packed] = Object.values(JSON.parse(stdout)) as { filename: string }[];
    tarball = join(folder, packed?.filename as string);
  }, 60_000);

  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  /** An empty project of its own, with nothing of this one in reach. */
  async function project(
    name: string,
    manifest: object,
    files: Record<string, string>,
    types = versionOf("@types/node"),
    peers: readonly string[] = beside,
  ): Promise<string> {
    const at = join(folder, name);
    await rm(at, { recursive: true, force: true });
    await mkdir(at);
    await writeFile(join(at, "package.json"), JSON.stringify({ name, private: true, ...manifest }));
    for (const [file, text] of Object.entries(files)) await writeFile(join(at, file), text);
    const flags = ["--no-audit", "--no-fund", "--prefer-offline", "--ignore-scripts"];
    const { stderr } = await run("npm", ["install", ...flags, tarball, `@types/node@${types}`, ...peers], { cwd: at });
    expect(stderr.split("\n").filter((line) => line.includes("rayguard"))).toEqual([]);
    return at;
  }

  const node = async (cwd: string, ...args: string[]) => (await run(process.execPath, args, { cwd })).stdout.trim();

  it("runs in an ESM project", async () => {
    const at = await project("esm", { type: "module" }, { "main.js": program(ESM) });
    expect(await node(at, "main.js")).toBe(`500 500 500 true ${PRINTED}`);
  }, 120_000);

  it("runs in a CommonJS project through require()", async () => {
    const at = await project("cjs", {}, { "main.js": program(CJS) });
    expect(await node(at, "main.js")).toBe(`500 500 500 true ${PRINTED}`);
  }, 120_000);

  it.each([
    ["oldest", ["express@4.18.0", "fastify@5.0.0", "prom-client@15.0.0", "@opentelemetry/api@1.9.0"]],
    ["newest", ["express@5", "fastify@5", "prom-client@15", "@opentelemetry/api@1"]],
  ])(
    "runs beside the %s versions that its peers may have",
    async (name, peers) => {
      const at = await project(`${name}-peers`, { type: "module" }, { "main.js": program(ESM) }, undefined, peers);
      expect(await node(at, "main.js")).toBe(`500 500 500 true ${PRINTED}`);
    },
    120_000,
  );

  // Fastify 6 needs Node 22.
  it.skipIf(!existsSync(NEWER_NODE))(
    "runs beside a pre-release of the next Fastify",
    async () => {
      const peers = ["express@5", "fastify@6.0.0-alpha.4", "prom-client@15", "@opentelemetry/api@1"];
      const at = await project("next-peers", { type: "module" }, { "main.js": program(ESM) }, undefined, peers);
      const { stdout } = await run(NEWER_NODE, ["main.js"], { cwd: at });
      expect(stdout.trim()).toBe(`500 500 500 true ${PRINTED}`);
    },
    120_000,
  );

  it("names for Fastify the versions that npm admits", async () => {
    const { peerDependencies } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
    const meta = Object.getOwnPropertySymbols(plugin).find((symbol) => symbol.description === "plugin-meta");
    expect((plugin as never as Record<symbol, { fastify: string }>)[meta as symbol]?.fastify).toBe(
      peerDependencies.fastify,
    );
  });

  // There may be no Docker: each instruction is carried out as Docker would, but for the image.
  it.skipIf(process.platform === "win32")(
    "runs as the Dockerfile of the recipes builds and starts it",
    async () => {
      const recipes = await readFile(join(root, "docs/guides/recipes.md"), "utf8");
      const text = /^```dockerfile\n([\s\S]*?)^```$/m.exec(recipes)?.[1] ?? "";
      const instructions = [...text.matchAll(/^([A-Z]+) (.*)$/gm)].map(([, name = "", value = ""]) => ({
        name,
        value,
      }));
      expect(instructions.map(({ name }) => name).join(" ")).toBe("FROM WORKDIR COPY RUN COPY STOPSIGNAL CMD");
      const program = `import { createServer } from "node:http";
createServer((request, response) => {
  if (request.url === "/kill") process.kill(process.pid, "SIGKILL");
  else response.end("hello");
}).listen(process.env.PORT, "127.0.0.1");`;
      const from = await project("context", { type: "module" }, { "server.mjs": program }, undefined, []);
      // .dockerignore has it, as everywhere.
      await rm(join(from, "node_modules"), { recursive: true });
      const image = join(folder, "image");
      await mkdir(image);
      const port = await lastingPort();
      const env = { ...process.env, PORT: String(port), npm_config_prefer_offline: "true" };
      let started: ChildProcess | undefined;
      let signal: NodeJS.Signals | undefined;
      for (const { name, value } of instructions) {
        const [what = "", to = ""] = value.split(" ");
        if (name === "FROM") expect(UPGRADING).toContain(`| Node ${/^node:(\d+)-slim$/.exec(value)?.[1]} |`);
        if (name === "COPY")
          await run("sh", ["-c", `cp -r ${what === "." ? "./." : what} ${join(image, to)}`], { cwd: from });
        if (name === "RUN") await run("sh", ["-c", value], { cwd: image, env });
        if (name === "STOPSIGNAL") signal = value as NodeJS.Signals;
        if (name !== "CMD") continue;
        const [command = "", ...args] = JSON.parse(value) as string[];
        started = spawn(command, args, { cwd: image, env, stdio: "ignore" });
      }
      const ended = once(started as ChildProcess, "exit");
      const status = async (path: string) => {
        const { responses, valid } = await exchange({ port }, { path });
        return valid ? responses[0]?.status : undefined;
      };
      await expect.poll(() => status("/"), { timeout: 20_000 }).toBe(200);
      expect(await status("/kill")).toBe(503);
      await expect.poll(() => status("/"), { timeout: 20_000 }).toBe(200);
      started?.kill(signal);
      expect(await ended).toEqual([143, null]);
    },
    120_000,
  );

  it("asks for no install script", async () => {
    const { scripts } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
    for (const name of ["preinstall", "install", "postinstall", "prepare"]) expect(scripts).not.toHaveProperty(name);
  });

  // The oldest types a user may have, and the newest: they declare `node:http` in different ways.
  for (const [name, module, moduleResolution, types] of [
    ["nodenext", "nodenext", "nodenext", undefined],
    ["bundler", "esnext", "bundler", "latest"],
  ] as const) {
    it(`type-checks and runs under moduleResolution ${name}`, async () => {
      const compilerOptions = {
        strict: true,
        module,
        moduleResolution,
        target: "es2022",
        types: ["node"],
        skipLibCheck: false,
      };
      const at = await project(
        name,
        { type: "module" },
        { "main.ts": TYPED, "tsconfig.json": JSON.stringify({ compilerOptions, files: ["main.ts"] }) },
        types,
      );
      const tsc = join(at, "node_modules", "typescript");
      const { bin } = JSON.parse(await readFile(join(tsc, "package.json"), "utf8")) as { bin: { tsc: string } };
      await node(at, join(tsc, bin.tsc)).catch((error: { stdout: string }) => expect.fail(error.stdout));
      expect(await node(at, "main.js")).toBe("typed 200 true 2 undefined");
    }, 120_000);
  }

  it("holds the compiled files of its entries and nothing of the project's own", async () => {
    const { stdout } = await run("tar", ["-tzf", tarball]);
    const files = stdout.trim().split("\n");
    for (const entry of [
      "src/index",
      "adapters/express",
      "adapters/fastify",
      "src/testing/index",
      "src/cloudflare/analytics/index",
      "src/telemetry/prometheus",
      "src/telemetry/opentelemetry",
    ]) {
      expect(files).toContain(`package/dist/${entry}.js`);
      expect(files).toContain(`package/dist/${entry}.d.ts`);
    }
    expect(files.filter((file) => /^package\/(?:playground|bench|test)\//.test(file))).toEqual([]);
    for (const file of ["README.md", "LICENSE", "CHANGELOG.md", "SECURITY.md", "docs/reference/rules.md"]) {
      expect(files).toContain(`package/${file}`);
    }
  });

  it("has no dead link between its documents", async () => {
    const { stdout } = await run("tar", ["-tzf", tarball]);
    const files = stdout.split("\n").map((file) => file.replace("package/", ""));
    const at = join(folder, "documents");
    await mkdir(at, { recursive: true });
    await run("tar", ["-xzf", tarball, "-C", at]);
    for (const document of files.filter((file) => file.endsWith(".md"))) {
      const text = await readFile(join(at, "package", document), "utf8");
      const links = [...text.matchAll(/\[[^\]]*\]\(([^)\s#]+)/g)].map(([, to = ""]) => to);
      const near = links.filter((to) => !/^[a-z]+:/.test(to)).map((to) => join("/", document, "..", to).slice(1));
      expect(
        near.filter((file) => !files.includes(file)),
        document,
      ).toEqual([]);
    }
  });

  it("holds every document that its own text names", async () => {
    const { stdout } = await run("tar", ["-xzOf", tarball, "--wildcards", "package/dist/*.js"], { maxBuffer: 2 ** 26 });
    const named = new Set(stdout.match(/\bdocs\/[\w/-]+\.md\b/g));
    const { stdout: listed } = await run("tar", ["-tzf", tarball]);
    const files = listed.split("\n").map((file) => file.replace("package/", ""));
    expect(named.size).toBeGreaterThan(0);
    expect([...named].filter((file) => !files.includes(file))).toEqual([]);
  });

  it("names prom-client and @opentelemetry/api in the entries for them and nowhere else", async () => {
    const peers =
      /from "(prom-client|@opentelemetry\/[^"]+)"|(?:require|import)\("(prom-client|@opentelemetry\/[^"]+)"\)/g;
    /** What a file imports, and what that imports. */
    const reach = async (file: string, seen: Map<string, string> = new Map()): Promise<string[]> => {
      if (seen.has(file)) return [];
      const text = await readFile(file, "utf8");
      seen.set(file, text);
      const own = [...text.matchAll(peers)].map(([, from, called]) => from ?? called ?? "");
      for (const [, path = ""] of text.matchAll(/(?:from |import\(?)"(\.{1,2}\/[^"]+)"/g)) {
        own.push(...(await reach(join(file, "..", path), seen)));
      }
      return [...new Set(own)];
    };
    const manifest = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as {
      bin: Record<string, string>;
      exports: Record<string, string | { default: string }>;
    };
    const entries = Object.entries({ ...manifest.exports, ...manifest.bin }).map(
      ([name, entry]) => [name, typeof entry === "string" ? entry : entry.default] as const,
    );
    const found: Record<string, string[]> = {};
    for (const [name, file] of entries) {
      const peersOf = file.endsWith(".js") ? await reach(join(root, file)) : [];
      if (peersOf.length > 0) found[name] = peersOf;
    }
    expect(found).toEqual({ "./prometheus": ["prom-client"], "./opentelemetry": ["@opentelemetry/api"] });
  });

  it("does not load a framework, a logger or the lint rules until they are needed", async () => {
    const script = `import("rayguard").then(() => import("rayguard/express")).then(() => {
      const loaded = Object.keys(process.moduleLoadList ?? []).length;
      const { createRequire } = process.getBuiltinModule("node:module");
      const cache = Object.keys(createRequire(process.cwd() + "/x.js").cache);
      console.log(cache.filter((file) => /node_modules.(?:pino|express|fastify).index|node_modules.pino.pino/.test(file)).length);
    });`;
    expect(await node(root, "--input-type=module", "-e", script)).toBe("0");
  });
});
