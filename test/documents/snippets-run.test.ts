import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { week } from "../cloudflare/analytics-rows.js";
import { AnalyticsServer, FREE, TOKEN, ZONE } from "../cloudflare/analytics-server.js";
import { snippetsIn } from "./documents.js";

const MAKE_GUARD = `
import { createGuard } from "rayguard";
const guard = createGuard({ logger: false, shutdown: false });`;

/** Serves with what is called \`guard\`, and asks it. */
const SERVE = `
const { createServer } = await import("node:http");
const { exchange } = await import("rayguard/testing");
const server = createServer((request, response) => {
  guard(request, response, () => (request.url === "/drop" ? request.socket.destroy() : response.end("fine")));
});
guard.attach(server);
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const ask = async (path, headers = {}) => (await exchange(server, { path, headers })).responses[0];`;

const MIDDLEWARE = `
import { rayguard as make } from "rayguard/express";
const rayguard = (options) => make({ logger: false, shutdown: false, ...options });
const pool = { query: async () => {} };
const queue = { isConnected: () => globalThis.isConnected ?? true };`;

/** What a snippet stands among, and what is then asked of it; a snippet that is an object is called \`shown\`. */
interface Surroundings {
  readonly before?: string;
  readonly after: string;
  /** What is put in place of what, to run it here. */
  readonly instead?: readonly (readonly [string, string])[];
}

const HEALTH = `${SERVE}
assert.equal((await ask("/health")).status, 200);
globalThis.isConnected = false;
await new Promise((resolve) => setTimeout(resolve, 1_100));
assert.equal((await ask("/health")).status, 503);`;

/** By document and the beginning of the snippet. */
const SNIPPETS: Readonly<Record<string, Surroundings>> = {
  "README.md const guard = rayguard({ health": { before: MIDDLEWARE, after: HEALTH },
  "docs/guides/health.md const guard": {
    before: `process.env.MONITOR_KEY = "key";${MIDDLEWARE}`,
    after: `${HEALTH}
assert.equal((await ask("/live")).status, 200);
assert.equal((await ask("/ready")).status, 503);
assert.ok(!(await ask("/health")).text().includes("queue"));
assert.ok((await ask("/health", { "X-Monitor": "key" })).text().includes("queue"));`,
  },
  "docs/guides/observability.md {": {
    before: MAKE_GUARD,
    after: `
const stats = guard.stats();
assert.deepEqual(Object.keys(shown), Object.keys(stats));
for (const name of ["outcomes", "prevented"]) assert.deepEqual(Object.keys(shown[name]), Object.keys(stats[name]), name);`,
  },
  "docs/guides/observability.md import { subscribe }": {
    before: `${MIDDLEWARE}
const guard = rayguard();
const alerts = [];
const alert = (text) => alerts.push(text);`,
    after: `${SERVE}
await ask("/drop", { "CF-RAY": "230b030023ae2822-SJC" });
assert.match(alerts.join(), /^MC-2 230b030023ae2822: \\S/);`,
  },
  "docs/guides/observability.md import { register }": {
    before: `import http from "node:http";${MAKE_GUARD}`,
    instead: [
      ["http.createServer", "const listening = http.createServer"],
      ["9464", "0"],
    ],
    after: `
if (!listening.listening) await new Promise((resolve) => listening.once("listening", resolve));
const metrics = await fetch("http://127.0.0.1:" + listening.address().port + "/metrics");
assert.match(await metrics.text(), /rayguard_requests_total\\{[^}]*guard="shop"/);
undo();
assert.equal(await register.metrics(), "\\n");`,
  },
  "docs/guides/observability.md import { instrument }": { before: MAKE_GUARD, after: "undo();" },
  "docs/guides/shutdown-and-crashes.md const guard": {
    before: MIDDLEWARE,
    instead: [["/var/lib/shop/flight", "./flight"]],
    after: `assert.ok((await import("node:fs")).existsSync("./flight." + process.pid)); guard.close();`,
  },
  "docs/guides/testing.md import": {
    before: `${MIDDLEWARE}
import { createServer } from "node:http";
const guard = rayguard();
const server = createServer((request, response) => guard(request, response, () => response.end("fine")));
await new Promise((resolve) => guard.attach(server).listen(0, "127.0.0.1", resolve));`,
    after: `assert.deepEqual([responses.length, valid, problems], [2, true, []]); assert.equal(typeof end, "string");`,
  },
  "docs/guides/trust.md import { refreshRanges }": {
    before: `
import { currentRanges } from "rayguard";
const { ipv4: v4, ipv6: v6 } = currentRanges();
const result = { ipv4_cidrs: v4, ipv6_cidrs: v6, etag: "new" };
globalThis.fetch = async () => Response.json({ success: true, errors: [], messages: [], result });`,
    after: `assert.deepEqual([changed, etag, ipv4, ipv6], [false, "new", v4, v6]); assert.ok(date);`,
  },
  "docs/guides/zero-code.md // rayguard.config.mjs": {
    after: `
const { writeFileSync } = await import("node:fs");
writeFileSync("rayguard.config.mjs", text);
writeFileSync("program.mjs", \`
  import http from "node:http";
  const ask = async (server, path) => (await fetch("http://127.0.0.1:" + server.address().port + path)).text();
  const make = () => http.createServer((request, response) => response.end("the app"));
  globalThis.metricsServer = make();
  for (const server of [make(), globalThis.metricsServer]) {
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    console.error(await ask(server, "/up"));
  }
  process.exit();\`);
const { spawnSync } = await import("node:child_process");
const { stderr } = spawnSync(process.execPath, ["--import", "rayguard/register", "program.mjs"], { encoding: "utf8" });
assert.match(stderr, /^\\{"status":"healthy".*\\}\\n+the app\\n$/);`,
  },
  "docs/reference/errors.md import { countErrors }": {
    before: `
const real = fetch;
globalThis.fetch = (_url, request) => real(process.env.API, request);`,
    after:
      "assert.ok(total > 0); assert.ok(byStatus.length > 0 && byPath.length > 0 && rows.length > 0); assert.ok(warnings);",
  },
};

/** What other tests run. */
const ELSEWHERE = /^docs\/guides\/recipes\.md /;
const QUICK_START = /^README\.md import /;

const snippets = snippetsIn("js").map((snippet) => ({ ...snippet, key: `${snippet.document} ${snippet.text}` }));
const surroundingsOf = (key: string) => Object.entries(SNIPPETS).find(([beginning]) => key.startsWith(beginning))?.[1];

const api = new AnalyticsServer();
let folder: string;

beforeAll(async () => {
  // Within the repository, so that the package finds itself by its name.
  folder = mkdtempSync(join(import.meta.dirname, ".program-"));
  await api.start();
  api.reset(FREE, week([5]));
});

afterAll(async () => {
  await api.stop();
  rmSync(folder, { recursive: true });
});

describe("JavaScript of the documents", () => {
  it("is run, all of it", () => {
    const keys = snippets.map(({ key }) => key).filter((key) => !ELSEWHERE.test(key) && !QUICK_START.test(key));
    expect(keys.filter((key) => surroundingsOf(key) === undefined)).toEqual([]);
    expect(Object.keys(SNIPPETS).filter((beginning) => !keys.some((key) => key.startsWith(beginning)))).toEqual([]);
  });

  it.each(snippets.filter(({ key }) => surroundingsOf(key) !== undefined))(
    "$name does what it says",
    async ({ key, text }) => {
      const { before = "", after, instead = [] } = surroundingsOf(key) as Surroundings;
      const isObject = text.startsWith("{");
      const isConfiguration = text.includes("export default");
      let code = isObject ? `const shown = (${text.trim()});` : text;
      for (const [old, replaced] of instead) {
        expect(code).toContain(old);
        code = code.replace(old, replaced);
      }
      if (isConfiguration) code = `const text = ${JSON.stringify(text)};`;
      const file = join(folder, "snippet.mjs");
      writeFileSync(file, `import assert from "node:assert/strict";\n${before}\n${code}\n${after}\nprocess.exit();\n`);
      const env = { ...process.env, API: api.url, CLOUDFLARE_ZONE_ID: ZONE, CLOUDFLARE_API_TOKEN: TOKEN };
      await promisify(execFile)(process.execPath, [file], { cwd: folder, env });
    },
  );
});
