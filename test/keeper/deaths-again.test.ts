import { afterEach, describe, expect, it } from "vitest";
import { endPrograms, Program } from "../zero-code/program.js";
import { Load } from "./load.js";
import { PROGRAMS } from "./programs.js";
import { CLIENTS, ENV, kept, under } from "./under-load.js";

afterEach(endPrograms);

const TIMES = 6;

describe("under load, a process that", { timeout: 120_000 }, () => {
  it.each([
    ["node", TIMES],
    ["express4", 3],
    ["express5", 3],
    ["fastify", 3],
  ] as const)("is killed again and again: %s", async (name, times) => {
    const [file, text] = PROGRAMS[name];
    const program = Program.start(file, text, { keeper: [], env: ENV });
    const [port = 0] = await program.ports();
    const seen = await under(new Load(port, CLIENTS), times, async () => {
      const pid = await program.worker();
      process.kill(pid, "SIGKILL");
    });
    kept(seen, times);
    expect(seen.processes.size).toBeGreaterThanOrEqual(times);
  });

  it("is replaced by SIGHUP again and again loses nothing", async () => {
    const program = Program.start(...PROGRAMS.node, { keeper: [], env: ENV });
    const [port = 0] = await program.ports();
    const seen = await under(new Load(port, CLIENTS), TIMES, () => program.signal("SIGHUP"), 1);
    kept(seen);
    expect(seen.unavailable).toBe(0);
  });

  it("is killed beside others: --workers 2", async () => {
    const program = Program.start(...PROGRAMS.node, { keeper: ["--workers", "2"], env: ENV });
    const [port = 0] = await program.ports();
    const seen = await under(new Load(port, CLIENTS), 6, async () => {
      const pid = await program.worker();
      process.kill(pid, "SIGKILL");
    });
    kept(seen, 6);
  });
});
