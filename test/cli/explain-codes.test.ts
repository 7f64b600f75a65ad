import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { CODES, explanationOf } from "../../src/cli/explain/explanations.js";
import { EVENTS } from "../../src/report/events.js";
import { RULES } from "../../src/validity/catalogue.js";

const rules = readFileSync(join(import.meta.dirname, "../../docs/reference/rules.md"), "utf8");
const documented = [...rules.matchAll(/^### ([A-Z]{2}-\d+)$/gm)].map((match) => match[1] as string);

describe("explanations", () => {
  it("exist for every rule of docs/reference/rules.md and every event, and for nothing else", () => {
    expect(documented.length).toBeGreaterThan(100);
    expect([...CODES].sort()).toEqual([...documented, ...Object.keys(EVENTS)].sort());
    expect(explanationOf("XX-1")).toBeNull();
    expect(explanationOf("constructor")).toBeNull();
  });

  it.each(CODES)("of %s name the cause, what the edge would show and what to do", (code) => {
    const explanation = explanationOf(code);
    expect(explanation?.cause).toMatch(/^[A-Z].{20,}\.$/);
    expect(explanation?.edge).toMatch(/.{20,}[^.]$/);
    expect(explanation?.next.length).toBeGreaterThan(0);
    for (const step of explanation?.next ?? []) expect(step).toMatch(/^[A-Z].*[.)]$|^[A-Z].*alone\.$/);
  });

  it("take their words from the catalogue and the events, in full", () => {
    for (const [code, { statement }] of Object.entries(RULES)) {
      expect(explanationOf(code)?.cause).toBe(`This rule was broken: ${statement}`);
    }
    for (const [code, text] of Object.entries(EVENTS)) {
      const { cause = "", next = [] } = explanationOf(code) ?? {};
      expect([cause, ...next].join(" ")).toContain(text);
    }
  });

  it("say that the edge passes on what only the lint looks at, and gives up on what it waits for", () => {
    expect(explanationOf("CC-1")?.edge).toContain("passes the response on");
    expect(explanationOf("MC-10")?.edge).toMatch(/^524/);
    expect(explanationOf("MC-2")?.edge).toMatch(/^520; behind a Tunnel 502/);
  });
});
