import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { RULES, type Rule, type RuleId } from "../src/validity/catalogue.js";

const ROOT = new URL("../", import.meta.url);
const COLUMNS = ["id", "level", "rule", "source", "tier", "action", "in detail", "tested in"];
const NOTHING = "–";

interface Row {
  readonly id: RuleId;
  readonly rule: Rule;
  readonly detail: string;
  readonly tests: readonly string[];
}

const lines = readFileSync(new URL("docs/rules.md", ROOT), "utf8").split("\n");
const rows: Row[] = lines
  .filter((line) => /^\| [A-Z]{2}-\d+ \|/.test(line))
  .map(cellsOf)
  .map(([id = "", level = "", statement = "", source = "", tier = "", action = "", detail = "", tests = ""]) => ({
    id: id as RuleId,
    rule: { level, tier, action, source, statement } as Rule,
    detail,
    tests: [...tests.matchAll(/`([^`]+)`/g)].map(([, file]) => file as string),
  }));

describe("docs/rules.md", () => {
  it("has each rule of the catalogue once and in its order, 142 in all", () => {
    expect(rows.map(({ id }) => id)).toEqual(Object.keys(RULES));
    expect(rows).toHaveLength(142);
  });

  it("has the same columns in every table", () => {
    const headings = lines.filter((line) => line.startsWith("| id |"));
    expect(headings.map(cellsOf)).toEqual(headings.map(() => COLUMNS));
    expect(headings).toHaveLength(11);
  });

  it.each(rows.map((row) => [row.id, row] as const))("says of %s what the catalogue says", (id, { rule }) => {
    expect(rule).toEqual(RULES[id]);
  });

  it.each(rows.map((row) => [row.id, row] as const))("names a test of %s, which mentions it", (id, { rule, tests }) => {
    // What no header section can decide has no test; that is said in words instead.
    if (rule.tier === "linted" && rule.action === "none") expect(tests).toEqual([]);
    else expect(tests).not.toEqual([]);
    for (const file of tests) {
      const url = new URL(file, ROOT);
      expect(existsSync(url), `${file} exists`).toBe(true);
      expect(readFileSync(fileURLToPath(url), "utf8"), `${file} mentions ${id}`).toMatch(new RegExp(`\\b${id}\\b`));
    }
  });

  it.each(rows.filter(({ rule }) => rule.action !== "report").map((row) => [row.id, row.detail] as const))(
    "says of %s what happens, or why nothing does",
    (_id, detail) => {
      expect(detail).not.toBe(NOTHING);
      expect(detail).toMatch(/^[A-Z0-9`].*\.$/);
    },
  );
});

function cellsOf(line: string): string[] {
  return line
    .slice(1, line.lastIndexOf("|"))
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim().replaceAll("\\|", "|"));
}
