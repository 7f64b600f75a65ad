import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readFlags } from "../../bench/flags.js";
import { readArgs } from "../../playground/args.js";
import { DOCUMENTS, ROOT, snippetsIn, textOf } from "./documents.js";

/** Command lines of npm in blocks and in sentences; a comment behind one, and the next of a line, are none of it. */
const lines = [
  ...snippetsIn("sh").flatMap(({ name, text }) => text.split("\n").map((line) => ({ name, line }))),
  ...DOCUMENTS.flatMap((name) =>
    [
      ...textOf(name)
        .replaceAll(/^```[\s\S]*?^```$/gm, "")
        .matchAll(/`([^`\n]+)`/g),
    ].map(([, line = ""]) => ({
      name,
      line,
    })),
  ),
].flatMap(({ name, line }) =>
  line
    .replace(/\s+#\s.*$/, "")
    .split(" && ")
    .flatMap((each) => {
      const [all, variables = "", command = "", rest = ""] = /^((?:[A-Z_]+=\S+ )*)npm ([\w-]+)(.*)$/.exec(each) ?? [];
      return all === undefined ? [] : [{ name, line: all, variables, command, words: rest.trim().split(/\s+/) }];
    }),
);

const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { scripts: Record<string, string> };

/** Files under a folder; but for folders with a dot, in which other tests make programs, and take them away again. */
const filesIn = (folder: string): string[] =>
  readdirSync(join(ROOT, folder), { withFileTypes: true })
    .filter(({ name }) => !name.startsWith("."))
    .flatMap((entry) => (entry.isDirectory() ? filesIn(`${folder}/${entry.name}`) : [`${folder}/${entry.name}`]));
const tests = filesIn("test");

/** Words behind `--`, which a script gets. */
const flagsOf = (words: readonly string[]) => (words.includes("--") ? words.slice(words.indexOf("--") + 1) : []);

/** What a script makes of its flags; what it cannot take is an error. */
const READERS: Readonly<Record<string, (flags: string[]) => unknown>> = {
  bench: readFlags,
  start: readArgs,
  // vitest runs the files whose path has this in it.
  test: (paths) => {
    for (const path of paths)
      expect(
        tests.filter((test) => test.includes(path) && test.endsWith(".test.ts")),
        path,
      ).not.toEqual([]);
  },
};

describe("lines with npm in the documents", () => {
  const [, list = ""] = /All commands:([\s\S]*?)\n\n\S/.exec(help()) ?? [];
  const known = list.match(/[\w-]+/g) ?? [];

  it("are found", () => expect(lines.length).toBeGreaterThan(25));

  it.each(lines)("$name: $line", ({ variables, command, words }) => {
    expect(known).toContain(command);
    const script = { run: words[0] ?? "", test: "test", start: "start" }[command];
    if (script === undefined) return;
    expect(scripts).toHaveProperty(script);
    READERS[script]?.(flagsOf(words));
    for (const [, variable = ""] of variables.matchAll(/([A-Z_]+)=/g)) {
      const readers = tests.filter((test) => test.endsWith(".ts") && isRead(test, variable));
      expect(readers, variable).not.toEqual([]);
    }
  });

  it("name scripts whose programs are there", () => {
    for (const [name, script] of Object.entries(scripts)) {
      const files = script.match(/[\w./-]+\.(?:[jt]s|json)\b/g) ?? [];
      expect(
        files.filter((file) => !existsSync(join(ROOT, file))),
        name,
      ).toEqual([]);
    }
  });
});

describe.skipIf(process.platform === "win32")("other commands for maintainers", () => {
  const commands = [...textOf("CONTRIBUTING.md").matchAll(/`((?:grep|node) [^`]+)`/g)].map(
    ([, command = ""]) => command,
  );

  it.each(commands)("%s", (command) => {
    expect(execFileSync("sh", ["-c", command], { cwd: ROOT, encoding: "utf8" })).toMatch(/(?:FR-6|MC-5)\b/);
  });

  it("are found", () => expect(commands.length).toBeGreaterThan(2));
});

/** npm prints its commands and ends with 1. */
function help(): string {
  try {
    return execFileSync("npm", ["help"], { encoding: "utf8", shell: process.platform === "win32" });
  } catch (error) {
    return `${(error as { stdout?: string }).stdout}`;
  }
}

function isRead(test: string, variable: string): boolean {
  return readFileSync(join(ROOT, test), "utf8").includes(`process.env.${variable}`);
}
