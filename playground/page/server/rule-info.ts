import { RULES } from "../../../src/validity/catalogue.js";
import type { RuleInfo } from "../shared/model.js";

/** What the catalogue of rules says of an id; `null` where it is none. */
export function ruleInfo(id: string): RuleInfo | null {
  if (!Object.hasOwn(RULES, id)) return null;
  const { statement, source } = RULES[id as keyof typeof RULES];
  return { id, statement, source };
}
