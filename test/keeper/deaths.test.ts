import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { endPrograms, Program } from "../zero-code/program.js";
import { Load, type Seen } from "./load.js";
import { PROGRAMS } from "./programs.js";

afterEach(endPrograms);

const CLIENTS = 50;
const TIMES = 6;
const ENV = { RAYGUARD_OPTIONS: '{"logger":false}' };

/** Sends a request that ends the process, and does not wait for an answer. */
function die(port: number, how: string): void {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  socket.write(`GET /die?${how} HTTP/1.1\r\nHost: a\r\n\r\n`);
  setTimeout(() => socket.destroy(), 20_000).unref();
}

/**
 * Fails so many times under load, each time when everyone has been served again.
 * @param by - number of further processes that must have answered by then
 */
async function under(load: Load, times: number, fail: () => unknown, by = 0): Promise<Seen> {
  await load.everyone(3);
  for (let n = 0; n < times; n++) {
    const { size } = load.seen.processes;
    await fail();
    await expect.poll(() => load.seen.processes.size, { timeout: 20_000 }).toBeGreaterThanOrEqual(size + by);
    await load.everyone(2);
  }
  return load.stop();
}

/**
 * What a death may cost: the one request that is being read in that very moment, or whose client cannot have known that
 * its connection would end behind the last octet of the answer before.
 */
const kept = (seen: Seen, kills = 0) => {
  expect(seen).toMatchObject({ refused: 0, wrong: [] });
  expect(seen.empty + seen.cut + seen.silent, JSON.stringify(seen)).toBeLessThanOrEqual(kills);
};

describe("under load, a process that", { timeout: 120_000 }, () => {
  it.each([
    ["node", TIMES],
    ["express4", 5],
    ["express5", 5],
    ["fastify", 5],
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

  it.each(["segv", "abort", "exit", "throw"])("ends by %s costs nobody a complete answer", async (how) => {
    const program = Program.start(...PROGRAMS.node, { keeper: [], env: ENV });
    const [port = 0] = await program.ports();
    const seen = await under(new Load(port, CLIENTS), 5, () => die(port, how));
    // The guard answers before these two; nobody is told of the others.
    kept(seen, how === "exit" || how === "throw" ? 0 : 5);
  });

  it("stands still is replaced", async () => {
    const program = Program.start(...PROGRAMS.node, { keeper: ["--blocked-ms", "3000"], env: ENV });
    const [port = 0] = await program.ports();
    const seen = await under(new Load(port, CLIENTS), 3, () => die(port, "loop"));
    kept(seen);
  });

  it("is stopped is replaced", async () => {
    const program = Program.start(...PROGRAMS.node, { keeper: ["--blocked-ms", "3000"], env: ENV });
    const [port = 0] = await program.ports();
    const seen = await under(new Load(port, CLIENTS), 2, async () => {
      const pid = await program.worker();
      process.kill(pid, "SIGSTOP");
    });
    kept(seen, 2);
  });

  it("runs out of memory costs nobody a complete answer", async () => {
    const env = { ...ENV, NODE_OPTIONS: "--max-old-space-size=60" };
    const program = Program.start(...PROGRAMS.node, { keeper: [], env });
    const [port = 0] = await program.ports();
    const seen = await under(new Load(port, CLIENTS), 2, () => die(port, "memory"));
    kept(seen);
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

  it("is killed without a keeper costs answers, and there is nobody to connect to", async () => {
    const program = Program.start(...PROGRAMS.node);
    const [port = 0] = await program.ports();
    const load = new Load(port, CLIENTS);
    await load.everyone(2);
    process.kill(program.pid, "SIGKILL");
    await expect.poll(() => load.seen.refused).toBeGreaterThan(0);
    expect(load.seen.empty + load.seen.cut).toBeGreaterThan(0);
    void load.stop();
  });
});
