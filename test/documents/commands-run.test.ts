import { execFile } from "node:child_process";
import { once } from "node:events";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createGuard } from "../../src/index.js";
import { row } from "../cloudflare/analytics-rows.js";
import { AnalyticsServer, FREE, TOKEN, ZONE } from "../cloudflare/analytics-server.js";
import { ROOT, snippetsIn } from "./documents.js";

/** Lines of the documents with the command in them, but for those that run a program: other tests do that. */
const lines = snippetsIn("sh", "")
  .filter(({ document }) => document !== "docs/guides/520-now.md")
  .flatMap(({ name, text }) => text.split("\n").map((line) => ({ name, line: line.replace(/\s+#\s.*$/, "") })))
  .filter(({ line }) => /^(?:[^#]*\| )?(?:npx )?rayguard (?!run )[a-z]+/.test(line));

const RAY = "230b030023ae2822";
const LOG = `${snippetsIn("json").find(({ document, text }) => document === "README.md" && text.includes(RAY))?.text}`;
const ACCESS = `203.0.113.7 - - [29/Nov/2026:02:14:07 +0000] "GET /orders HTTP/1.1" 500 211 "-" "-" ${RAY}-SJC rt=0.003 us=500\n`;

const api = new AnalyticsServer();
const guard = createGuard({ logger: false, shutdown: false });
const server = createServer(guard.listener((_request, response) => response.end("fine")));
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "rayguard-commands-"));
  for (const each of [
    "bin",
    "var/log/nginx",
    "var/lib/shop",
    "etc/nginx/rayguard",
    "etc/apache2/rayguard",
    "etc/haproxy/rayguard",
  ])
    mkdirSync(join(folder, each), { recursive: true });
  program("rayguard", `exec "${process.execPath}" "${join(ROOT, "dist/src/cli/main.js")}" "$@"`);
  program("npx", 'exec "$@"');
  program("kubectl", "cat app.log");
  program("nft", "cat >rules");
  writeFileSync(join(folder, "app.log"), LOG);
  writeFileSync(join(folder, "app.log.1.gz"), gzipSync(LOG));
  writeFileSync(join(folder, "var/log/nginx/access.log"), ACCESS);
  writeFileSync(join(folder, "var/log/nginx/error.log"), "");
  const recorder = join(folder, "flight");
  const recording = createGuard({ logger: false, shutdown: false, recorder: { path: recorder } });
  copyFileSync(`${recorder}.${process.pid}`, join(folder, "var/lib/shop/flight.4711"));
  recording.close();
  await once(guard.attach(server).listen(0, "127.0.0.1"), "listening");
  await api.start();
});

afterAll(async () => {
  await api.stop();
  guard.close();
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true });
});

/** A program in the `PATH` of the lines. */
function program(name: string, text: string): void {
  const file = join(folder, "bin", name);
  writeFileSync(file, `#!/bin/sh\n${text}\n`);
  chmodSync(file, 0o755);
}

/** The line as it stands, with files of this test and servers of this machine. */
function here(line: string): string {
  const { port } = server.address() as AddressInfo;
  return line
    .replaceAll(/(?<=\s)\/(?=(?:etc|var)\/)/g, `${folder}/`)
    .replace(/https:\/\/([\w.]+)\/?/, `http://$1:${port}/`)
    .replace(/(?<=--resolve [\w.]+:)[\d.]+/, "127.0.0.1")
    .replace("127.0.0.1:3000", `127.0.0.1:${port}`)
    .replace(/rayguard probe/, "$& --idle 0 --repeat 1");
}

function run(line: string): Promise<{ code: number; out: string; err: string }> {
  const { NO_COLOR: _, FORCE_COLOR: __, ...inherited } = process.env;
  const env = {
    ...inherited,
    PATH: `${join(folder, "bin")}:${inherited.PATH}`,
    ZONE,
    CLOUDFLARE_API_TOKEN: TOKEN,
    RAYGUARD_ANALYTICS_ENDPOINT: api.url,
  };
  return new Promise((resolve) => {
    execFile("bash", ["-o", "pipefail", "-c", line], { cwd: folder, env }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, err });
    });
  });
}

describe.skipIf(process.platform === "win32")("a line of the documents is run as it stands", () => {
  it("there are such lines", () => expect(lines.length).toBeGreaterThan(15));

  it.each(lines)("$name: $line", async ({ line }) => {
    api.reset(FREE, [row(1_800_000, 520, { rayName: RAY })]);
    const { code, out, err } = await run(here(line));
    // 1 says that something is wrong with the origin server; 2 that the command could not do its work.
    expect(code, err).toBeLessThanOrEqual(/ (?:explain|errors) /.test(line) ? 1 : 0);
    if (!/--output|\| nft/.test(line)) expect(out).not.toBe("");
    if (/ explain /.test(line)) expect(out).toContain(RAY);
    if (/ errors /.test(line)) expect(out).toContain("520");
  });
});
