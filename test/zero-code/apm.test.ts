import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { exchange } from "../../src/testing/index.js";
import { endPrograms, Program } from "./program.js";

// An agent of an APM stands in front of the same methods, before the guard or behind it.

afterEach(endPrograms);

const AGENT = ["--require", join(import.meta.dirname, "opentelemetry.cjs")];
const TEXT = `const http = require("node:http");
const server = http.createServer((request, response) => {
  if (request.url === "/drop") return void response.destroy();
  if (request.url === "/throw") throw new Error("thrown");
  if (request.url === "/late") return void setTimeout(() => response.end("late"), 50);
  if (request.url !== "/inner") return void response.end("fine");
  http.get({ port: server.address().port, path: "/" }, (inner) => inner.pipe(response));
});
`;
const LISTENS = `server.listen(0, "127.0.0.1", function () { process.send(this.address().port); });`;
const GIVEN = `require("node:net").createServer((socket) => server.emit("connection", socket))
.listen(0, "127.0.0.1", function () {
  server.address = () => this.address();
  process.send(this.address().port);
});`;
const PATHS = ["/", "/late", "/inner", "/drop"];

async function run(flags: readonly string[], text: string, paths = PATHS) {
  const program = Program.start("app.cjs", text, { flags });
  const [port] = (await program.ports()) as [number];
  const answers = [];
  for (const path of paths) {
    const { responses } = await exchange({ port }, { path });
    answers.push(responses[0]?.status);
  }
  // The inner request is one more on either side.
  await expect
    .poll(() => program.lines("span"))
    .toHaveLength(flags.includes(AGENT[1] as string) ? paths.length + 2 : 0);
  const spans = program
    .lines("span")
    .map(({ kind, target, status, isInner }) => JSON.stringify([kind, target, status, isInner]))
    .sort();
  return { program, port, answers, spans };
}

describe.each([
  ["before", (guard: string[]) => [...AGENT, ...guard]],
  ["after", (guard: string[]) => [...guard, ...AGENT]],
] as const)("an agent that is loaded %s the guard", { timeout: 60_000 }, (_, order) => {
  it.each([
    ["--import, a server that listens", "--import", LISTENS],
    ["--require, a server that listens", "--require", LISTENS],
    ["--require, a server that is given its connections", "--require", GIVEN],
  ])("makes the same spans, and everything is guarded once: %s", async (_how, flag, listens) => {
    const alone = await run(AGENT, TEXT + listens);
    expect(alone.answers).toEqual([200, 200, 200, undefined]);
    const both = await run(order([flag, "rayguard/register"]), TEXT + listens);
    expect(both.answers).toEqual([200, 200, 200, 500]);
    expect(both.spans).toEqual(alone.spans);
    const lines = () => both.program.lines("request").map(({ url }) => url);
    await expect.poll(lines).toEqual(["/", "/late", "/", "/inner", "/drop"]);
    expect(both.program.lines("incident")).toHaveLength(1);
    const { responses } = await exchange({ port: both.port }, { path: "/throw" });
    expect(responses[0]?.status).toBe(500);
    both.program.signal("SIGTERM");
    expect(await both.program.end()).toBe(143);
    expect(both.program.stderr).toBe("");
  });
});
