import { describe, expect, it } from "vitest";
import { RIGHT_BARE } from "./right-bare.js";
import { GROUPS } from "./scenarios/index.js";

const scenarios = GROUPS.flatMap((group) => group.scenarios);
const range = (prefix: string, ...numbers: number[]) => numbers.map((number) => `${prefix}-${number}`);

/** Rules the guard enforces on HTTP/1.1 while a process lives: design section 4, guarded tier. */
const ENFORCED = [
  ...range("MC", 1, 2, 3, 4, 5, 6, 7, 9, 10),
  ...range("IR", 1, 2, 3, 4, 6, 7),
  ...range("FR", 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18),
  ...range("TR", 2, 4),
  ...range("CX", 1, 2, 3, 4, 5, 6, 8, 9, 10),
  ...range("SL", 1, 2, 3, 4, 5, 7, 8, 9, 10),
  ...range("HF", 1, 2, 3, 4, 5, 6, 7, 10, 17, 18, 19, 20),
  "MD-1",
];

describe("the collection of misbehaving origin servers", () => {
  const exercised = new Set(scenarios.flatMap(({ rules = [] }) => rules));

  it.each(ENFORCED)("exercises rule %s", (rule) => {
    expect(exercised).toContain(rule);
  });

  it("marks as right without the guard only what it holds", () => {
    const names = new Set(scenarios.map(({ name }) => name));
    expect([...RIGHT_BARE].filter((name) => !names.has(name))).toEqual([]);
  });

  it("consists for the most part of scenarios that fail without the guard", () => {
    const failing = scenarios.filter(({ name, control }) => !control && !RIGHT_BARE.has(name));
    expect(failing.length).toBeGreaterThan(scenarios.length / 2);
  });
});
