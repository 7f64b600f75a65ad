import { describe, expect, it } from "vitest";
import { GROUPS } from "../../playground/causes/groups.js";
import { ALL_CAUSES } from "../../playground/causes/index.js";
import { causeList } from "../../playground/page/server/cause-list.js";
import { EXPLANATIONS } from "../../playground/page/server/explanations.js";

const NAMES = ALL_CAUSES.map(({ name }) => name).sort();

describe("the list of causes on the page", () => {
  it("has each cause once, in a group", () => {
    expect(GROUPS.flatMap(({ names }) => names).sort()).toEqual(NAMES);
  });

  it("explains each cause, and no other", () => {
    expect(Object.keys(EXPLANATIONS).sort()).toEqual(NAMES);
    for (const { what, guard, steps } of causeList()) {
      expect(what.length * guard.length).toBeGreaterThan(0);
      expect(steps.length).toBeGreaterThan(0);
    }
  });
});
