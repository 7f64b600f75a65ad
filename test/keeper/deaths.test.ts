import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { endPrograms, Program } from "../zero-code/program.js";
import { Load } from "./load.js";
import { PROGRAMS } from "./programs.js";
import { CLIENTS, ENV, kept, under } from "./under-load.js";

afterEach(endPrograms);

/** Deaths under load, of each kind. */
const TIMES = 3;

/** Sends a request that ends the process, and does not wait for an answer. */
function die(port: number, how: string): void {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  socket.write(`GET /die?${how} HTTP/1.1\r\nHost: a\r\n\r\n`);
  setTimeout(() => socket.destroy(), 20_000).unref();
}

describe("under load, a process that", { timeout: 120_000 }, () => {
  it.each(["segv", "abort", "exit", "throw"])("ends by %s costs nobody a complete answer", async (how) => {
    const program = Program.start(...PROGRAMS.node, { keeper: [], env: ENV });
    const [port = 0] = await program.ports();
    const seen = await under(new Load(port, CLIENTS), TIMES, () => die(port, how));
    // The guard answers before these two; nobody is told of the others.
    kept(seen, how === "exit" || how === "throw" ? 0 : TIMES);
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
