import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { exchange } from "../../src/testing/index.js";
import { endPrograms, Program } from "../zero-code/program.js";

const folder = mkdtempSync(join(tmpdir(), "rayguard-options-"));
afterEach(endPrograms);
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const TEXT = `import { createServer } from "node:http";
const server = createServer((request, response) => {
  if (request.url === "/wait") return;
  if (request.url === "/throw") setImmediate(() => { throw new Error("mine"); });
  else response.end(String(process.pid));
}).listen(0, "127.0.0.1", () => process.send(server.address().port));`;

const RAY = "230b030023ae2822";
const HEADERS: [string, string][] = [["CF-Ray", `${RAY}-SJC`]];

const first = async (port: number, path: string) =>
  (await exchange({ port }, { path, headers: HEADERS }).catch(() => undefined))?.responses[0];

async function start(options: object): Promise<{ program: Program; port: number }> {
  const program = Program.start("app.mjs", TEXT, { keeper: [], env: { RAYGUARD_OPTIONS: JSON.stringify(options) } });
  const [port = 0] = await program.ports();
  return { program, port };
}

describe("a process is answered for, whatever its guard does:", { timeout: 60_000 }, () => {
  it.each<[string, object, number | "SIGTERM"]>([
    ["it does all it does by itself", {}, 143],
    ["it only reports", { mode: "report" }, "SIGTERM"],
    ["it logs nothing", { logger: false }, 143],
    ["it leaves exceptions to Node", { crash: false }, 143],
    ["it leaves signals to Node", { shutdown: false }, "SIGTERM"],
    ["it has no health check", { health: false }, 143],
    ["it has a flight recorder", { recorder: { path: join(folder, "recorder") } }, 143],
    ["it has a watchdog", { watchdog: { port: 0 } }, 143],
    ["it refuses overload", { overload: true }, 143],
    ["it flags whoever does not come through the edge", { direct: "flag", trust: "loopback" }, 143],
    ["it holds nothing back", { holdBackOctets: 0 }, 143],
  ])("%s", async (_, options, code) => {
    const { program, port } = await start(options);
    const pid = Number((await first(port, "/"))?.text());
    const waiting = first(port, "/wait");
    await new Promise((resolve) => setTimeout(resolve, 300));
    process.kill(pid, "SIGKILL");
    const answer = await waiting;
    expect(answer?.status).toBe(503);
    expect(answer?.text()).toContain(RAY);
    const next = await first(port, "/");
    expect(next?.status).toBe(200);
    expect(Number(next?.text())).not.toBe(pid);
    await expect.poll(() => program.lines("incident").map(({ ray, code }) => [ray, code])).toEqual([[RAY, "KILLED"]]);
    program.signal("SIGTERM");
    expect(await program.end()).toBe(code);
  });

  it("it rejects whoever does not come through the edge", async () => {
    const { program, port } = await start({ direct: "reject" });
    const pid = await program.worker();
    expect((await first(port, "/"))?.status).toBe(403);
    process.kill(pid, "SIGKILL");
    expect((await first(port, "/"))?.status).toBe(403);
  });
});

describe("a process that ends of an exception", { timeout: 60_000 }, () => {
  it.each<[string, object, number]>([
    ["is answered for by its guard", {}, 500],
    ["is answered for by the keeper where its guard leaves that to Node", { crash: false }, 503],
    ["is answered for by the keeper where its guard only reports", { mode: "report" }, 503],
  ])("%s, and goes on", async (_, options, status) => {
    const { program, port } = await start(options);
    const pid = await program.worker();
    expect((await first(port, "/throw"))?.status).toBe(status);
    const next = await first(port, "/");
    expect(Number(next?.text())).not.toBe(pid);
    expect(program.stderr).toContain("Error: mine");
  });
});

it("a server that its predicate declines is served as without a keeper, and started again", {
  timeout: 60_000,
}, async () => {
  const program = Program.start("app.mjs", TEXT, {
    keeper: [],
    files: { "rayguard.config.js": "export default { servers: () => false };" },
  });
  const [port = 0] = await program.ports();
  const pid = Number((await first(port, "/"))?.text());
  process.kill(pid, "SIGKILL");
  const [, again = 0] = await program.ports(2);
  expect(Number((await first(again, "/"))?.text())).not.toBe(pid);
  program.signal("SIGTERM");
  expect(await program.end()).toBe("SIGTERM");
});
