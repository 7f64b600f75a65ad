import { afterEach, expect, it } from "vitest";
import { exchange } from "../../src/testing/index.js";
import { endPrograms, Program } from "../zero-code/program.js";

afterEach(endPrograms);

/** Each response takes so long on the processor that a turn of the loop with one of them is not late, in milliseconds. */
const MS = 8;
const CLIENTS = 400;

const TEXT = `import { createServer } from "node:http";
function compute() {
  const before = process.cpuUsage();
  for (let spent = 0; spent < ${MS} * 1_000; ) {
    const { user, system } = process.cpuUsage(before);
    spent = user + system;
  }
}
const server = createServer((request, response) => {
  compute();
  response.end(String(process.pid));
}).listen({ port: 0, host: "127.0.0.1", backlog: 4_096 }, () => process.send(server.address().port));`;

it("many clients that connect at the same time do not have a process taken for one that stands still", async () => {
  const env = { RAYGUARD_OPTIONS: '{"logger":false}' };
  const program = Program.start("app.mjs", TEXT, { keeper: ["--blocked-ms", "1500"], env });
  const [port = 0] = await program.ports();
  const pid = await program.worker();
  const one = () => exchange({ port }, { headers: { Connection: "close" } }, { timeoutMs: 60_000 });
  const answers = await Promise.all(Array.from({ length: CLIENTS }, one));
  expect(new Set(answers.map(({ responses }) => responses[0]?.text()))).toEqual(new Set([String(pid)]));
  expect(program.workers()).toEqual([pid]);
}, 90_000);
