import { describe, expect, it } from "vitest";
import { ERRORS, EVENT_TESTS } from "../../src/cli/rule/code-tests.js";
import { ALL_CODES, lookUp } from "../../src/cli/rule/look-up.js";
import { nearest } from "../../src/cli/rule/nearest.js";
import { ERROR_CODES } from "../../src/errors.js";
import { EVENTS } from "../../src/report/events.js";
import { RULES } from "../../src/validity/catalogue.js";
import { expectMentioned } from "../helpers/mentioned.js";
import { rayguard } from "./command.js";

describe("rayguard rule", () => {
  it("prints a page about a rule", async () => {
    const { code, out, err } = await rayguard(["rule", "MC-5"]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toMatch(/^MC-5 {2}Exactly as many octets/);
    for (const part of [
      "Source:  MUST: RFC 9110",
      "Guard:   replace",
      "Edge:    without the guard, a truncated response",
    ]) {
      expect(out).toContain(`\n  ${part}`);
    }
    expect(out).toContain("Change:  Compute Content-Length");
    expect(out).toContain("Tested:  test/validity/guarded.test.ts");
  });

  it("prints several as one JSON value, in the order asked for", async () => {
    const { code, out } = await rayguard(["rule", "--json", "KILLED", "ERR_RAYGUARD_LEDGER", "connection-refused"]);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual([lookUp("KILLED"), lookUp("ERR_RAYGUARD_LEDGER"), lookUp("connection-refused")]);
  });

  it("lists all codes when asked for none", async () => {
    const { code, out } = await rayguard(["rule"]);
    expect(code).toBe(0);
    expect(
      out
        .trimEnd()
        .split("\n")
        .map((line) => line.split(" ", 1)[0]),
    ).toEqual(ALL_CODES);
  });

  it.each([
    ["DEADLINE", "Near it: RECIPIENT_DEADLINE, ERR_RAYGUARD_DEADLINE."],
    ["KILED", "Near it: KILLED."],
    ["MC-77", "Near it: MC-7,"],
    ["quite\u001b[31msomething", 'There is no code "quite\\x1b[31msomething". See "rayguard rule" for all of them.'],
    [
      "520",
      'There is no code "520". It is a status that Cloudflare shows: node_modules/rayguard/docs/guides/520-now.md leads to its cause.',
    ],
  ])("names what is near %j, and fails", async (name, told) => {
    const { code, out, err } = await rayguard(["rule", name]);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toContain(told);
  });
});

describe("a code", () => {
  it("is found however it is spelled", () => {
    expect(lookUp("mc5")?.code).toBe("MC-5");
    expect(lookUp("recipient deadline")?.code).toBe("RECIPIENT_DEADLINE");
    expect(lookUp("Gateway Status")?.code).toBe("GATEWAY_STATUS");
    expect(lookUp("gateway-status")?.kind).toBe("finding of the probe");
    expect(lookUp("constructor")).toBeNull();
    expect(lookUp("")).toBeNull();
  });

  it("is one of the rules, the events, the errors or the findings, and each of these is one", () => {
    expect(ALL_CODES).toEqual(expect.arrayContaining(Object.keys({ ...RULES, ...EVENTS, ...ERROR_CODES })));
    expect(new Set(ALL_CODES).size).toBe(ALL_CODES.length);
  });

  it.each(ALL_CODES)("%s says what it is and what to change", (code) => {
    const page = lookUp(code);
    expect(page?.code).toBe(code);
    expect(page?.what).toMatch(/^\S.{10,}\.$/);
    expect(page?.next).not.toEqual([]);
  });

  it.each(Object.entries(EVENT_TESTS))("%s names tests that mention it", expectMentioned);

  it.each(Object.entries(ERRORS))("%s names tests that mention it", (code, { tests }) => {
    expect(tests).not.toEqual([]);
    expectMentioned(code, tests);
  });
});

describe("names near another", () => {
  it("are few, best first", () => {
    expect(nearest("mc-1", ["MC-10", "MC-1", "XS-3"])[0]).toBe("MC-1");
    expect(nearest("zzzzzzzz", ALL_CODES)).toEqual([]);
    expect(nearest("M", ALL_CODES).length).toBeLessThanOrEqual(4);
  });
});
