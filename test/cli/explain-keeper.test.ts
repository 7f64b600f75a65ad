import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, expect, it } from "vitest";
import { endPrograms, Program } from "../zero-code/program.js";
import { rayguard } from "./command.js";

const directory = mkdtempSync(join(tmpdir(), "rayguard-explain-"));
afterAll(() => rmSync(directory, { recursive: true }));
afterEach(endPrograms);

const RAY = (n: number) => `230b030023ae282${n}`;
const TEXT = `import http from "node:http";
import { existsSync, writeFileSync } from "node:fs";
const mark = new URL("mark", import.meta.url);
if (existsSync(mark)) process.exit(1);
writeFileSync(mark, "");
const server = http.createServer((request, response) => {
  if (request.url === "/half") {
    response.writeHead(200, { "content-length": 200_000 });
    response.write("x".repeat(100_000));
  }
  if (request.url === "/kill") process.kill(process.pid, "SIGKILL");
}).listen(0, "127.0.0.1", () => process.send(server.address().port));`;

it("explain tells what the keeper has done for a request", { timeout: 30_000 }, async () => {
  const program = Program.start("app.mjs", TEXT, { keeper: ["--wait-ms", "300"] });
  const [port = 0] = await program.ports();
  const ask = (path: string, n: number) =>
    fetch(`http://127.0.0.1:${port}${path}`, { headers: { "cf-ray": `${RAY(n)}-SJC` } });
  const half = await ask("/half", 1);
  const waits = ask("/wait", 2);
  await new Promise((resolve) => setTimeout(resolve, 200));
  const statuses = [(await ask("/kill", 3)).status, (await waits).status, (await ask("/later", 4)).status];
  expect(statuses).toEqual([503, 503, 503]);
  await expect(half.text()).rejects.toThrow();
  await expect.poll(() => program.lines("incident").length).toBe(4);
  const log = join(directory, "app.log");
  writeFileSync(log, program.stdout);
  const told = async (n: number) => JSON.parse((await rayguard(["explain", RAY(n), log, "--json"])).out).verdict;
  expect(await told(1)).toMatchObject({ shown: "truncated" });
  expect(await told(2)).toMatchObject({
    shown: "none",
    failed: true,
    why: expect.stringContaining("complete response with status 503"),
  });
  expect(await told(4)).toMatchObject({ shown: "none", failed: true });
  expect((await rayguard(["explain", RAY(2), log])).out).toContain("the complete 503 of the keeper");
});
