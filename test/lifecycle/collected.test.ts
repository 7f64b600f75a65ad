import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { program } from "../helpers/program.js";

const run = promisify(execFile);

/** What is left of servers that were opened and closed again, in a process of its own. */
async function left(...args: string[]): Promise<{ servers: number; guards: number; listeners: number }> {
  const script = await program(new URL("collected.ts", import.meta.url));
  const { stdout } = await run(process.execPath, ["--expose-gc", script, ...args], { timeout: 60_000 });
  return JSON.parse(stdout.trim().split("\n").at(-1) as string);
}

describe("servers that are opened and closed again", { timeout: 60_000 }, () => {
  it.each([["http"], ["http2"], ["secure"]])("are not kept by their guard: %s", async (kind) => {
    const { servers } = await left(kind, "one", "60");
    // The one that was used last may still be on the stack, or in a handle that is being closed.
    expect(servers).toBeLessThan(3);
  });

  it.each([
    ["nothing more", "each", {}],
    ["limits", "each", { overload: true }],
    ["the lint", "each", { lint: "report" }],
    ["nobody to attach it", "unattached", {}],
  ])("are kept by no guard of their own, nor is that, with %s", async (_what, which, options) => {
    const { servers, guards, listeners } = await left("http", which, "40", JSON.stringify(options));
    expect(servers).toBeLessThan(3);
    expect(guards).toBeLessThan(3);
    expect(guards === 0 ? listeners : 0).toBe(0);
  });
});
