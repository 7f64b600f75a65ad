import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { program } from "./helpers/program.js";

// What an app has written is with its connection, and gets there, whatever else keeps the process alive.
describe.each(["1.1", "2.0"])("content held for a connection of HTTP/%s that keeps no process alive", (protocol) => {
  it.each([false, true])("leaves before the process ends (guarded: %s)", async (isGuarded) => {
    const script = await program(new URL("last-words.ts", import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [script, protocol, String(isGuarded)]);
    expect(stdout).toMatch(/^started .*held/s);
  });
});
