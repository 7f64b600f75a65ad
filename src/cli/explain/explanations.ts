import { EVENTS } from "../../report/events.js";
import { RULES, type Rule } from "../../validity/catalogue.js";
import { EDGE_EFFECTS, edgeEffectOf } from "../../validity/edge-effects.js";
import { nextStepOf } from "./next-steps.js";

/** What a code stands for. */
export interface Explanation {
  readonly code: string;
  readonly cause: string;
  /** Where the rule comes from; null for an event. */
  readonly source: string | null;
  /** What the edge would show without the guard. */
  readonly edge: string;
  /** What to do next, most useful first. */
  readonly next: readonly string[];
}

/** Every code a line of the log can have: the rules, and the events in the life of the app. */
export const CODES: readonly string[] = [...Object.keys(RULES), ...Object.keys(EVENTS)];

/** Explains a code; null for one that this version does not know. */
export function explanationOf(code: string): Explanation | null {
  if (Object.hasOwn(RULES, code)) return ofRule(code, RULES[code as keyof typeof RULES]);
  if (Object.hasOwn(EVENTS, code)) return ofEvent(code, EVENTS[code as keyof typeof EVENTS]);
  return null;
}

function ofRule(code: string, { statement, source }: Rule): Explanation {
  const step = nextStepOf(code);
  return {
    code,
    cause: `This rule was broken: ${statement}`,
    source,
    edge: EDGE_EFFECTS[edgeEffectOf(code)].text,
    next: step === undefined ? [] : [step],
  };
}

/** The first sentence of an event says what happened, and the others what to do. */
function ofEvent(code: string, text: string): Explanation {
  const [cause, ...advice] = text.split(/(?<=\.) (?=[A-Z])/);
  const step = nextStepOf(code);
  return {
    code,
    cause: cause as string,
    source: null,
    edge: EDGE_EFFECTS[edgeEffectOf(code)].text,
    next: [...advice, ...(step === undefined ? [] : [step])],
  };
}
