import { afterEach, describe, expect, it } from "vitest";
import { exchange } from "../../src/testing/index.js";
import { endPrograms, Program } from "../zero-code/program.js";

afterEach(endPrograms);

const TEXT = `import { createServer } from "node:http";
function turnsForEver() { for (;;); }
function takesAWhile() { for (const until = Date.now() + 300; Date.now() < until; ); }
const server = createServer((request, response) => {
  if (request.url === "/loop") setImmediate(turnsForEver);
  if (request.url === "/while") takesAWhile();
  response.end(String(process.pid));
}).listen(0, "127.0.0.1", () => process.send(server.address().port));`;

const ask = async (port: number, path: string) => (await exchange({ port }, { path })).responses[0]?.text();

const told = ({ stderr }: Program): Record<string, unknown>[] =>
  stderr
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line));

describe("a kept process whose event loop stands still", { timeout: 60_000 }, () => {
  it.each<[string, object]>([
    ["one that logs nothing", { logger: false }],
    ["one with a watchdog of its own", { logger: false, watchdog: { port: 0 } }],
  ])("says where, in front of its end: %s", async (_, options) => {
    const env = { RAYGUARD_OPTIONS: JSON.stringify(options) };
    const program = Program.start("app.mjs", TEXT, { keeper: ["--blocked-ms", "4000"], env });
    const [port = 0] = await program.ports();
    const pid = await ask(port, "/while");
    // The keeper has asked by then whether its loop turns.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(await ask(port, "/loop")).toBe(pid);
    await expect.poll(() => ask(port, "/"), { timeout: 20_000 }).not.toBe(pid);
    expect(told(program)).toEqual([
      expect.objectContaining({ code: "BLOCKED", pid: Number(pid), stack: expect.stringContaining("turnsForEver (") }),
    ]);
    const [line] = program.lines("a process of the app has ended");
    expect(line).toMatchObject({ pid: Number(pid), how: "its event loop was blocked for 4000 ms" });
  });

  it("has no thread for that where it may", async () => {
    const text = `${TEXT}\nprocess.on("worker", () => process.send(-1));`;
    const program = Program.start("app.mjs", text, { keeper: ["--blocked-ms", "0"] });
    const [port = 0] = await program.ports();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await ask(port, "/");
    expect(await program.ports()).toEqual([port]);
  });
});
