import type { RULES, RuleId } from "./catalogue.js";
import type { LintSubject } from "./head.js";
import { authenticationChecks } from "./lint/authentication.js";
import { cachingChecks } from "./lint/caching.js";
import { contentChecks } from "./lint/content.js";
import { cookieChecks } from "./lint/cookies.js";
import { dateChecks } from "./lint/dates.js";
import { fieldChecks } from "./lint/fields.js";
import { rangeChecks } from "./lint/ranges.js";
import { requiredChecks } from "./lint/required.js";
import { type Check, Section } from "./lint/section.js";
import { statusChecks } from "./lint/status.js";
import { syntaxChecks } from "./lint/syntax.js";
import { trailerChecks } from "./lint/trailers.js";
import { transportSecurityChecks } from "./lint/transport-security.js";
import { uriChecks } from "./lint/uris.js";
import { validatorChecks } from "./lint/validators.js";

/** A rule that a header section breaks. The texts are safe to log: escaped, shortened, without cookie values. */
export interface Finding {
  readonly rule: LintRuleId;
  /** What is there. */
  readonly found: string;
  /** What to write instead. */
  readonly advice: string;
}

/** Rules that can be decided from a header section; HF-10 and MD-9 for what the guard leaves alone. */
export type LintRuleId =
  | "HF-10"
  | "MD-9"
  | { [Id in RuleId]: (typeof RULES)[Id] extends { tier: "linted"; action: "report" } ? Id : never }[RuleId];

/** The type holds the checks and the catalogue together: no rule without a check, no check without a rule. */
const CHECKS: Readonly<Record<LintRuleId, Check>> = {
  ...statusChecks,
  ...fieldChecks,
  ...trailerChecks,
  ...requiredChecks,
  ...authenticationChecks,
  ...rangeChecks,
  ...dateChecks,
  ...validatorChecks,
  ...contentChecks,
  ...uriChecks,
  ...syntaxChecks,
  ...cachingChecks,
  ...cookieChecks,
  ...transportSecurityChecks,
};

/** Ids of the rules that `lint` looks at. */
export const LINT_RULES = Object.freeze(Object.keys(CHECKS) as LintRuleId[]);

/**
 * Looks at a finished header section and tells which linted rules it breaks, each at most once. Pure, and never throws.
 * A response whose validity cannot be told gets no finding: a false alarm costs more trust than a miss.
 */
export function lint(subject: LintSubject): Finding[] {
  const section = new Section(subject);
  const findings: Finding[] = [];
  for (const rule of LINT_RULES) {
    const observation = CHECKS[rule](section);
    if (observation !== undefined) findings.push({ rule, found: observation.found, advice: observation.advice });
  }
  return findings;
}
