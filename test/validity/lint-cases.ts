import { describe, expect, it } from "vitest";
import type { LintSubject } from "../../src/validity/head.js";
import type { Check } from "../../src/validity/lint/section.js";
import { type LintRuleId, lint } from "../../src/validity/lint.js";

/** Time at which every header section of the tables is finished, and its Date. */
export const NOW = Date.parse("Sun, 22 Nov 2026 12:00:00 GMT");
const DATE = "Sun, 22 Nov 2026 12:00:00 GMT";

/** A response to lint, in short. */
export interface LintCase {
  readonly status?: number;
  readonly method?: string;
  readonly version?: "1.0" | "1.1" | "2.0";
  readonly encrypted?: boolean;
  /** Request fields besides Host; `undefined` removes one. */
  readonly request?: Record<string, string | undefined>;
  /** Field lines besides Date, as `Name: value`. */
  readonly fields?: readonly string[];
  readonly octets?: number;
  /** Other rules that the case breaks as well. */
  readonly also?: readonly LintRuleId[];
}

/** Header sections that break a rule, and near ones that do not. */
export interface RuleCases {
  readonly breaks: readonly LintCase[];
  readonly keeps: readonly LintCase[];
}

/**
 * Tests one group of checks with a table that has every rule of the group. A case that breaks a rule breaks no other one
 * unless it says so, and one that keeps it breaks none at all: the neighbours of a rule stay silent.
 */
export function defineLintCases<Id extends LintRuleId>(
  checks: Readonly<Record<Id, Check>>,
  table: Record<Id, RuleCases>,
): void {
  it("covers every rule of the group", () => {
    expect(Object.keys(table).sort()).toEqual(Object.keys(checks).sort());
  });

  for (const [rule, { breaks, keeps }] of Object.entries<RuleCases>(table)) {
    describe(rule, () => {
      it.each(breaks.map((entry) => [nameOf(entry), entry] as const))("reports %s", (_name, entry) => {
        const findings = lint(subjectOf(entry));
        expect(findings.map((finding) => finding.rule).sort()).toEqual([rule, ...(entry.also ?? [])].sort());
        for (const { found, advice } of findings) {
          expect(found).toMatch(/^[\x20-\x7e]+$/);
          expect(advice).toMatch(/^[A-Z][\x20-\x7e]+\.$/);
        }
      });

      it.each(keeps.map((entry) => [nameOf(entry), entry] as const))("lets pass %s", (_name, entry) => {
        expect(lint(subjectOf(entry))).toEqual([]);
      });
    });
  }
}

/** Spells a case out. */
export function subjectOf({
  status = 200,
  method = "GET",
  version = "1.1",
  encrypted = false,
  request,
  fields = [],
  octets,
}: LintCase): LintSubject {
  const own = fields.some((line) => /^date:/i.test(line)) ? [] : [`Date: ${DATE}`];
  return {
    request: { method, version, headers: { host: "example.com", ...request }, encrypted },
    head: {
      status,
      fields: [...own, ...fields].map((line) => {
        const colon = line.indexOf(":");
        // One space after the colon belongs to the notation; whatever follows is the value.
        return [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, "")] as const;
      }),
    },
    contentOctets: octets,
    now: NOW,
  };
}

function nameOf({
  also: _also,
  fields = [],
  request = {},
  method = "GET",
  status = 200,
  version,
  octets,
}: LintCase): string {
  const asked = Object.entries(request).map(([name, value]) => `${name}: ${value}`);
  const size = octets === undefined ? [] : [`${octets} octets`];
  const text = [
    [method, ...(version ? [version] : []), ...asked].join(" | "),
    [status, ...fields, ...size].join(" | "),
  ].join(" -> ");
  return JSON.stringify(text.length > 160 ? `${text.slice(0, 160)}...` : text);
}
