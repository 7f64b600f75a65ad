import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createGuard } from "../../src/index.js";
import { STARTS } from "../cli/provoke.js";
import { row } from "../cloudflare/analytics-rows.js";
import { AnalyticsServer, FREE, TOKEN, ZONE } from "../cloudflare/analytics-server.js";
import { expectMarked } from "../helpers/marked.js";
import { listen } from "../testing/servers.js";
import { endPrograms, Program } from "../zero-code/program.js";
import { ROOT, snippetsIn } from "./documents.js";

const PAGE = "docs/guides/520-now.md";

/** The Rays of the page. */
const RAYS = { reported: "230b030023ae2801", cut: "230b030023ae2802", killed: "230b030023ae2803" };
const ABSENT = "230b030023ae2804";

const api = new AnalyticsServer();
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "rayguard-runbook-"));
  await api.start();
});

afterAll(async () => {
  await api.stop();
  await endPrograms();
  await rm(folder, { recursive: true });
});

/** Runs a command of the page, where the files that it names are. */
async function run(line: string, env: NodeJS.ProcessEnv = {}): Promise<{ code: number | null; out: string }> {
  const [, ...args] = line.split(" ");
  const { NO_COLOR: _, FORCE_COLOR: __, ...inherited } = process.env;
  const main = join(ROOT, "dist/src/cli/main.js");
  const child = spawn(process.execPath, [main, ...args], { cwd: folder, env: { ...inherited, ...env } });
  child.stdin.end();
  const code = new Promise<number | null>((resolve) => child.once("close", resolve));
  const [out] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: await code, out: out.trimEnd() };
}

/** What differs from one run to the next. */
function stable(out: string): string {
  return (
    out
      .replace(
        /\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?/g,
        (at) => `2026-11-29${at[10]}02:14:07${at[19] === "." ? ".000" : ""}`,
      )
      .replace(/after [\d.]+ ms/g, "after 4.2 ms")
      .replace(/\(\d+(?:\.\d)? ms\)/g, "(4 ms)")
      .replace(/process \d+ on host \S+?([).,])/g, "process 4711 on host web-1$1")
      .replace(/(process) \d+/gi, "$1 4711")
      .replace(/ in [\d.]+ ms/g, " in 4.2 ms")
      .replace(/at .*\/test\/[\w/.-]+:\d+:\d+\)?/g, "at readPage (/app/export.js:36:37)")
      // What a keeper tells of its processes comes when it comes.
      .replace(/(kept\.log:)(?:\d+| \d+ lines)/g, (_, file) => `${file}4`)
      .replace(/localhost:\d+|127\.0\.0\.1:\d+/g, "127.0.0.1:3000")
      .replace(/\d+ requests in \d+\.\d s/g, "35 requests in 1.4 s")
  );
}

const shown = (command: string, out: string) => `\`\`\`\n$ ${command}\n${stable(out)}\n\`\`\``;

describe("the runbook", () => {
  it("counts what visitors saw", async () => {
    const hour = 3_600_000;
    const paths = ["/drop", "/pay", "/drop"];
    const rays = [RAYS.reported, RAYS.killed, ABSENT];
    api.reset(
      FREE,
      rays.map((rayName, i) => row(hour / 2 + i * 60_000, 520, { rayName, clientRequestPath: paths[i] as string })),
    );
    const command = "rayguard errors --since 1h --status 520,524";
    const env = { CLOUDFLARE_API_TOKEN: TOKEN, CLOUDFLARE_ZONE_ID: ZONE, RAYGUARD_ANALYTICS_ENDPOINT: api.url };
    const { code, out } = await run(command, env);
    expect(code).toBe(0);
    expectMarked(PAGE, "errors", shown(command, out));
  });

  it("explains a request that was only reported, one that was cut, and one that never came", async () => {
    const log = join(folder, "app.log");
    const start = STARTS.node as (typeof STARTS)[string];
    const reporting = await start(log, { mode: "report" });
    await reporting.ask("/drop", RAYS.reported);
    await reporting.close();
    const guarded = await start(log);
    await guarded.ask("/cut", RAYS.cut);
    await guarded.close();
    for (const [name, ray] of Object.entries({ reported: RAYS.reported, cut: RAYS.cut, absent: ABSENT })) {
      const command = `rayguard explain ${ray}-SJC app.log`;
      const { code, out } = await run(command);
      expect(code, name).toBe(1);
      expectMarked(PAGE, name, shown(command, out));
      if (name === "cut") expectMarked("docs/reference/explain.md", "example", shown(command, out));
    }
  });

  it("explains a request whose process was killed", { timeout: 60_000 }, async () => {
    const program = Program.start("pay.mjs", KILLED, { keeper: [] });
    const [port = 0] = await program.ports();
    const headers = { "cf-ray": `${RAYS.killed}-SJC` };
    expect((await fetch(`http://127.0.0.1:${port}/pay`, { headers })).status).toBe(503);
    await expect.poll(() => program.lines("incident").length).toBe(1);
    await writeFile(join(folder, "kept.log"), program.stdout);
    const command = `rayguard explain ${RAYS.killed} kept.log`;
    const { code, out } = await run(command);
    expect(code).toBe(1);
    expect(out).toContain("KILLED");
    expectMarked(PAGE, "killed", shown(command, out));
  });

  it("looks up a code", async () => {
    const command = "rayguard rule MC-9";
    const { code, out } = await run(command);
    expect(code).toBe(0);
    expectMarked(PAGE, "rule", shown(command, out));
  });

  it("asks an origin server from outside: one that drops, one that is guarded, one that is not there", async () => {
    const drops = createServer((_request, response) => response.destroy());
    const bare = await probe(await listen(drops));
    expect(bare.code).toBe(1);
    expect(bare.out).toMatch(/\[empty-reply\]/);
    const guard = createGuard({ logger: false, shutdown: false });
    const guarded = await probe(
      await listen(guard.attach(createServer(guard.listener((_, response) => response.end("fine"))))),
    );
    expect(guarded.out).toMatch(/^ok /m);
    expect(guarded.code).toBe(0);
    const gone = await listen(createServer());
    const { port } = gone.address() as AddressInfo;
    await new Promise((resolve) => gone.close(resolve));
    const refused = await run(`rayguard probe http://127.0.0.1:${port}/`);
    expect(refused.code).toBe(1);
    expectMarked(PAGE, "refused", shown("rayguard probe http://127.0.0.1:3000/", refused.out));
  });

  it("writes the rules of a firewall", async () => {
    const { code, out } = await run("rayguard ranges --format nftables --port 443");
    expect(code).toBe(0);
    expect(out).toContain("173.245.48.0/20");
  });

  it("takes six commands at most", () => {
    const commands = snippetsIn("", "sh")
      .filter(({ document }) => document === PAGE)
      .flatMap(({ text: block }) => [...block.matchAll(/^(?:\$|npx) rayguard (\w+)/gm)].map(([, name]) => name));
    expect(new Set(commands).size).toBeLessThanOrEqual(6);
    expect(new Set(commands)).toEqual(new Set(["errors", "explain", "rule", "probe", "ranges", "run"]));
  });
});

async function probe(server: Parameters<typeof listen>[0]) {
  const { port } = server.address() as AddressInfo;
  return run(`rayguard probe http://127.0.0.1:${port}/ --idle 0 --repeat 1`);
}

const KILLED = `import http from "node:http";
const server = http.createServer(() => process.kill(process.pid, "SIGKILL"));
server.listen(0, "127.0.0.1", () => process.send(server.address().port));`;
