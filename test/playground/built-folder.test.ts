import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const MODULE = new URL("../../playground/page/built-folder.ts", import.meta.url).href;
const SCRIPT = `console.log((await import(${JSON.stringify(MODULE)})).makeBuiltFolder())`;

/** Makes a folder in a process of its own, and returns it. */
function make(then = ""): string {
  const args = ["--import", "tsx", "--input-type=module", "--eval", SCRIPT + then];
  return execFileSync(process.execPath, args, { encoding: "utf8" }).trim();
}

describe("the folder of the built page", () => {
  it("goes with the process", () => {
    expect(existsSync(make())).toBe(false);
  });

  it("is removed by the next one where its process was killed", () => {
    const { pid } = spawnSync(process.execPath, ["--version"]);
    const left = join(tmpdir(), `rayguard-page-${pid}`);
    mkdirSync(left, { recursive: true });
    make();
    expect(existsSync(left)).toBe(false);
  });

  it("stays as long as its process runs", () => {
    const own = join(tmpdir(), `rayguard-page-${process.pid}`);
    mkdirSync(own, { recursive: true });
    make();
    expect(statSync(own).isDirectory()).toBe(true);
    rmSync(own, { recursive: true });
  });
});
