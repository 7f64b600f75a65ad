import { describe, expect, it } from "vitest";
import { GROUPS } from "../../playground/causes/groups.js";
import { ALL_CAUSES } from "../../playground/causes/index.js";
import { DEATHS } from "../../playground/deaths/deaths.js";
import { causeList, deathList } from "../../playground/page/server/cause-list.js";
import { DEATH_EXPLANATIONS } from "../../playground/page/server/death-explanations.js";
import { EXPLANATIONS } from "../../playground/page/server/explanations.js";

const NAMES = ALL_CAUSES.map(({ name }) => name).sort();

describe("the list of causes on the page", () => {
  it("has each cause once, in a group", () => {
    expect(GROUPS.flatMap(({ names }) => names).sort()).toEqual(NAMES);
  });

  it("explains each cause, and no other", () => {
    expect(Object.keys(EXPLANATIONS).sort()).toEqual(NAMES);
    for (const { what, guard, steps } of [...causeList(), ...deathList()]) {
      expect(what.length * guard.length).toBeGreaterThan(0);
      expect(steps.length).toBeGreaterThan(0);
    }
  });

  it("has each death, and a name for each that no cause has", () => {
    const names = DEATHS.map(({ name }) => name);
    expect(deathList().map(({ name }) => name)).toEqual(names);
    expect(Object.keys(DEATH_EXPLANATIONS).sort()).toEqual([...names].sort());
    expect(names.filter((name) => NAMES.includes(name))).toEqual([]);
  });
});
