import { fork } from "node:child_process";
import { describe, expect, it, vi } from "vitest";
import { program } from "./helpers/program.js";

vi.setConfig({ testTimeout: 30_000, maxConcurrency: 2 });

/** Longest life of a process that makes empty frames without end, and takes more memory for each of them. */
const PATIENCE_MS = 4000;

const ORIGIN = new URL("./helpers/closing-origin.ts", import.meta.url);

/** Runs a server in a process of its own. @returns how its streams have ended, or how it has */
async function endsOf(way: string): Promise<readonly string[] | string> {
  const child = fork(await program(ORIGIN), [way]);
  return new Promise((resolve) => {
    child.on("message", ({ listening, ends }: { listening?: true; ends?: string[] }) => {
      if (listening) setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS).unref();
      else resolve(ends ?? []);
    });
    child.on("exit", (code, signal) => resolve(`the process ended: ${signal ?? code}`));
  });
}

describe("a stream that is destroyed while Node is closing it", () => {
  it.concurrent.each([
    ["end(), close() and destroy()", /^200, whole$/],
    ["end(), close() and end()", /^200, whole$/],
    ["destroy() of an event stream, by an AbortSignal", /^broken off with 8$/],
    ["close() of a pipeline()", /^(?:500, whole|broken off with 2)$/],
    ["close() of a pipeline() before it has begun", /^500, whole$/],
  ])("ends for its client, and nothing else does: %s", async (way, right) => {
    const ends = await endsOf(way);
    expect(ends).toBeInstanceOf(Array);
    expect([...ends].filter((end) => !right.test(end))).toEqual([]);
  });
});
