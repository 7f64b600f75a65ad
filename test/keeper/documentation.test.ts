import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { runCommand } from "../../src/cli/commands/run.js";
import type { Terminal } from "../../src/cli/terminal.js";

const text = readFileSync(new URL("../../docs/guides/keeper.md", import.meta.url), "utf8");

it("docs/guides/keeper.md has the options of rayguard run, with their defaults", () => {
  const described = [...text.matchAll(/^\| `(--[a-z-]+) <[a-z]+>` \| ([^|]+) \|/gm)].map(([, name, value]) => [
    name,
    value,
  ]);
  const { options } = runCommand({} as Terminal, () => undefined);
  const words: Record<string, string> = {
    "--max-memory": "never",
    "--ledger": "`/dev/shm`, or the directory for temporary files",
  };
  expect(described).toEqual(
    options.map(({ long, defaultValue }) => [long, words[long as string] ?? String(defaultValue)]),
  );
});
