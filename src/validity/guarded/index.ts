import type { Draft } from "../draft.js";
import { connectionRules } from "./connection.js";
import { fieldRules } from "./fields.js";
import { framingRules } from "./framing.js";
import { statusRules } from "./status.js";

/** Every guarded rule that a header section can break, in the order in which repairs build on each other. */
export const GUARDED_RULES = Object.entries({
  ...statusRules,
  ...fieldRules,
  ...framingRules,
  ...connectionRules,
}).map(([id, check]) => ({ id, check }));

export interface Judgement {
  readonly repairs: readonly { readonly rule: string; readonly found: string }[];
  /** Set where no repair is possible. */
  readonly replace: { readonly rule: string; readonly found: string } | null;
}

/** Runs every rule over the draft and applies the repairs to it. */
export function judge(draft: Draft): Judgement {
  const repairs: { rule: string; found: string }[] = [];
  for (const rule of GUARDED_RULES) {
    const violation = rule.check(draft);
    if (violation === null) continue;
    if (violation.repair === undefined) return { repairs, replace: { rule: rule.id, found: violation.found } };
    violation.repair(draft);
    repairs.push({ rule: rule.id, found: violation.found });
  }
  return { repairs, replace: null };
}
