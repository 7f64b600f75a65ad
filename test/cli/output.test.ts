import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, it } from "vitest";

const MAIN = join(import.meta.dirname, "../../dist/src/cli/main.js");

/** A device on which nothing fits. */
const FULL = "/dev/full";

/** Runs the command with a redirection. */
async function run(args: string, to: string): Promise<{ code: number | null; err: string }> {
  const child = spawn("sh", ["-c", `exec "${process.execPath}" "${MAIN}" ${args} >${to}`], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const code = new Promise<number | null>((resolve) => child.once("close", resolve));
  return { err: await text(child.stderr), code: await code };
}

describe.skipIf(!existsSync(FULL))("a command whose output has no room", () => {
  it.each(["ranges --format nginx", "rule MC-5", "--help"])("says so, and fails: %s", async (args) => {
    const { code, err } = await run(args, FULL);
    expect(code).toBe(2);
    expect(err).toMatch(/^rayguard: Nothing can be written to stdout: ENOSPC: .*\n$/);
  });

  it("ends as the program does, where that is what it runs", async () => {
    const folder = mkdtempSync(join(tmpdir(), "rayguard-full-"));
    const file = join(folder, "app.mjs");
    writeFileSync(file, "process.exit(7);");
    expect(await run(`run "${file}"`, FULL)).toEqual({ code: 7, err: "" });
    rmSync(folder, { recursive: true });
  });

  it("is no error where a reader has seen enough", async () => {
    expect(await run("rule | head -n 1", "&2")).toMatchObject({
      code: 0,
      err: expect.stringMatching(/^MC-1 .*\n$/),
    });
  });
});
