import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { EVENTS, PHASES, type PhaseName, TABLE } from "../../src/exchange/state.js";
import { expectMarked } from "../helpers/marked.js";

const root = path.join(import.meta.dirname, "../..");
const PAGE = "docs/architecture.md";
const NAMES = Object.keys(TABLE) as PhaseName[];

/** The table as a drawing: events that lead to the same phase share an arrow, and where all settle alike, that is left out. */
function drawing(): string {
  const arrows = NAMES.flatMap((name) => {
    const ways = new Map<PhaseName, string[]>();
    for (const event of EVENTS) {
      const next = TABLE[name][event];
      if (next !== undefined) ways.set(next, [...(ways.get(next) ?? []), event]);
    }
    return [...ways].map(([next, events]) => `  ${name} --> ${next}: ${events.join(", ")}`);
  });
  const ends = NAMES.filter((name) => PHASES[name].isSettled).map((name) => `  ${name} --> [*]`);
  return ["```mermaid", "stateDiagram-v2", "  [*] --> open", ...arrows, ...ends, "```"].join("\n");
}

describe("the page on the architecture", () => {
  it("draws the phases of a response as the table has them", () => {
    expectMarked(PAGE, "phases", drawing());
  });

  it.each(["res.json()", "socket.destroy()"])("tells in eight files at most what happens at %s", (call) => {
    const page = readFileSync(path.join(root, PAGE), "utf8");
    const story = page.split(/^## /m).find((part) => part.startsWith(`What happens at \`${call}\``)) ?? "";
    const files = story
      .split("\n")
      .flatMap((line) => /\| `((?:src|adapters)\/[^`]+\.ts)`[^|]*\|$/.exec(line)?.[1] ?? []);
    expect(files.length).toBeGreaterThan(4);
    expect(new Set(files).size).toBeLessThanOrEqual(8);
    for (const file of files) expect(existsSync(path.join(root, file)), file).toBe(true);
  });

  it("names every phase and every event in it", () => {
    const drawn = drawing();
    for (const word of [...NAMES, ...EVENTS]) expect(drawn).toMatch(new RegExp(`\\b${word}\\b`));
  });
});
