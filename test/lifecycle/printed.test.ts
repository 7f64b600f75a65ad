import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { endPrograms, Program, WITH_GUARD } from "../zero-code/program.js";

// What a process says as it ends is what people read first, and what tools look for.

afterEach(endPrograms);

const ENDS: [string, string, string][] = [
  ["an ES module", "app.mjs", 'setTimeout(() => { throw new TypeError("thrown"); }, 1);'],
  ["a CommonJS module", "app.cjs", 'setTimeout(() => { throw new TypeError("thrown"); }, 1);'],
  ["an ES module whose name has a space", "an app.mjs", 'setTimeout(() => { throw new TypeError("thrown"); }, 1);'],
  ["a cause", "app.mjs", 'setTimeout(() => { throw new Error("thrown", { cause: new Error("why") }); }, 1);'],
  [
    "an error with members",
    "app.mjs",
    'setTimeout(() => { throw Object.assign(new Error("thrown"), { code: "E" }); }, 1);',
  ],
];

/** The program says what a process prints on its way out, bare and guarded. */
async function printed(name: string, text: string, isGuarded: boolean): Promise<string> {
  const http = name.endsWith(".cjs") ? 'require("node:http")' : '(await import("node:http"))';
  const serve = `${http}.createServer().listen(0, "127.0.0.1", () => { process.send(1); process.disconnect(); ${text} });`;
  const env = { RAYGUARD_OPTIONS: '{"logger":false}' };
  const program = Program.start(name, serve, { ...(isGuarded ? {} : { flags: [] }), env });
  await program.ports();
  await expect.poll(() => program.stderr, { timeout: 10_000 }).toMatch(/^Node\.js v/m);
  // Each program is in a folder of its own. Only Node knows in which column a statement is that throws.
  return program.stderr.replace(/\.program-\w+/g, ".program").replace(/^ +\^$/m, "^");
}

it.each(ENDS)("an uncaught exception of %s is printed as by Node", async (_what, name, text) => {
  expect(await printed(name, text, true)).toBe(await printed(name, text, false));
});

it.each(['"thrown"', "{ a: 1 }", "null", 'Symbol("thrown")', "() => {}", "[1, 2]"])(
  "%s is printed as by Node, without its place",
  async (thrown) => {
    const text = `setTimeout(() => { throw ${thrown}; }, 1);`;
    const [bare, guarded] = await Promise.all([false, true].map((isGuarded) => printed("app.mjs", text, isGuarded)));
    expect(guarded).toBe(bare?.replace(/^\n.*\n.*\n\^\n/, ""));
  },
);

it("an error event that nobody listens for says what it was emitted on", async () => {
  const text = '(await import("node:http")).createServer().listen(1, "203.0.113.1");';
  const [bare, guarded] = await Promise.all([
    printed("app.mjs", `(async () => { ${text} })();`, false),
    printed("app.mjs", `(async () => { ${text} })();`, true),
  ]);
  const told = /^Error: listen [\s\S]*^Emitted 'error' event on Server instance at:$/m;
  expect(bare).toMatch(told);
  expect(guarded).toMatch(told);
});

it.each(["thrown", "emitted"])(
  "an exception that is %s leaves a diagnostic report where one is asked for",
  async (how) => {
    const text =
      how === "thrown"
        ? 'setTimeout(() => { throw new Error("why"); }, 1);'
        : "new (require('node:events'))().emit('error', new Error('why'));";
    const reports = await Promise.all(
      [["--report-uncaught-exception"], ["--report-uncaught-exception", ...WITH_GUARD]].map(async (flags) => {
        const folder = mkdtempSync(join(tmpdir(), "rayguard-report-"));
        const serve = `setTimeout(() => { ${text} }, 1); require("node:http").createServer().listen(0, () => process.send(1));`;
        const program = Program.start("app.cjs", serve, { flags: [...flags, `--report-directory=${folder}`] });
        await expect.poll(() => program.stderr, { timeout: 10_000 }).toMatch(/^Node\.js v/m);
        const contents = readdirSync(folder).map((name) => JSON.parse(readFileSync(join(folder, name), "utf8")));
        rmSync(folder, { recursive: true });
        return contents.map(({ javascriptStack }) => javascriptStack.message);
      }),
    );
    expect(reports).toEqual([["Error: why"], ["Error: why"]]);
  },
);
