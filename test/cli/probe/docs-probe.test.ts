import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { CATALOGUE, type Entry, GROUPS } from "../../../src/cli/probe/catalogue.js";
import { RULES } from "../../../src/validity/catalogue.js";
import { isHarmless } from "../../../src/validity/edge-effects.js";
import { BROKEN } from "./broken/index.js";

const text = readFileSync(new URL("../../../docs/reference/probe.md", import.meta.url), "utf8");
const entries = Object.entries(CATALOGUE) as [string, Entry][];

describe("docs/reference/probe.md", () => {
  it("has every finding of the catalogue, by group and in its order, with the same words", () => {
    const expected = Object.keys(GROUPS).flatMap((group) =>
      entries
        .filter(([, entry]) => entry.group === group)
        .map(([id, { severity, title, cloudflare, advice, source, rule }]) =>
          [`\`${id}\``, severity, title, cloudflare ?? "–", advice, source, rule ?? "–"].join(" | "),
        ),
    );
    const rows = text.split("\n").filter((line) => /^\| `[a-z0-9.-]+` \| (?:error|warning|info) /.test(line));
    expect(rows.map((row) => row.slice(2, -2))).toEqual(expected);
  });

  it.each(entries)("%s names a rule that exists, where it names one", (_, { rule }) => {
    if (rule !== undefined) expect(Object.keys(RULES)).toContain(rule);
  });

  it.each(entries)("%s claims no error of the edge that the rule does not lead to", (_, { rule, cloudflare }) => {
    if (rule !== undefined && isHarmless(rule)) expect(cloudflare ?? "none").not.toMatch(/^5\d\d/);
  });

  it("has an origin server for nearly every error in the tests", () => {
    const found = new Set<string>(BROKEN.flatMap(({ finds }) => finds));
    const untested = entries.filter(([id, { severity }]) => severity === "error" && !found.has(id)).map(([id]) => id);
    expect(untested.sort()).toEqual(UNTESTED);
  });
});

/** Without an origin server of their own: command.test.ts has the refused one, and loopback cannot show the others. */
const UNTESTED = ["certificate-not-yet-valid", "connect-timeout", "connection-refused", "name-not-found", "no-route"];
