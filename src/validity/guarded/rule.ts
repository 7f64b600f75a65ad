import type { Draft } from "../draft.js";

/** What a rule has to say of a draft that breaks it. */
export interface Violation {
  /** One sentence, without values a client could have chosen. */
  readonly found: string;
  /** The smallest change after which the rule holds; without one the response has to be replaced. */
  readonly repair?: (draft: Draft) => void;
}

/** A guarded rule: a pure function of what is about to be sent. */
export interface GuardedRule {
  /** Id in docs/reference/rules.md, or an event of `EVENTS`. */
  readonly id: string;
  readonly check: (draft: Draft) => Violation | null;
}
