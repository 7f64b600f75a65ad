import type { Draft } from "../draft.js";

/** What a rule has to say of a draft that breaks it. */
export interface Violation {
  /** One sentence, without values a client could have chosen. */
  readonly found: string;
  /** The smallest change after which the rule holds; without one the response has to be replaced. */
  readonly repair?: (draft: Draft) => void;
}

/** Guarded rules, each a pure function of what is about to be sent; by id in docs/reference/rules.md, or event of `EVENTS`. */
export type GuardedRules = Readonly<Record<string, (draft: Draft) => Violation | null>>;
