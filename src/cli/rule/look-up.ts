import { ERROR_CODES } from "../../errors.js";
import { EVENTS } from "../../report/events.js";
import { RULES, type RuleAction, type RuleId, type RuleTier } from "../../validity/catalogue.js";
import { askedOf } from "../../validity/edge-effects.js";
import { explanationOf } from "../explain/explanations.js";
import { CATALOGUE, type Entry } from "../probe/catalogue.js";
import { ERRORS, EVENT_TESTS } from "./code-tests.js";
import { IN_DETAIL } from "./in-detail.js";

/** Everything that is known of a code. */
export interface CodePage {
  readonly code: string;
  readonly kind: "rule" | "event" | "error" | "finding of the probe";
  /** What it is, in one sentence or two. */
  readonly what: string;
  /** Where it comes from, such as a section of an RFC; null for what is rayguard's own. */
  readonly source: string | null;
  /** What the guard does about it; null where there is nothing to do. */
  readonly guard: string | null;
  /** What the edge makes of it; null for what never leaves the process. */
  readonly edge: string | null;
  /** What to change, most useful first. */
  readonly next: readonly string[];
  /** Tests in the repository of rayguard that provoke it. */
  readonly tests: readonly string[];
}

/** Names of all codes: rules, events, errors and findings of the probe. */
export const ALL_CODES: readonly string[] = [RULES, EVENTS, ERROR_CODES, CATALOGUE].flatMap(Object.keys);

// Two are spelled alike: the log has more of the event than of the finding.
const BY_SPELLING = new Map(ALL_CODES.toReversed().map((code) => [spelling(code), code]));

/** `mc5` and `err-rayguard-deadline` are what somebody types. */
function spelling(code: string): string {
  return code.toLowerCase().replaceAll(/[^a-z0-9]/g, "");
}

/** Looks a code up, however it is spelled; null where there is none of the name. */
export function lookUp(name: string): CodePage | null {
  const code = ALL_CODES.includes(name) ? name : BY_SPELLING.get(spelling(name));
  if (code === undefined) return null;
  if (Object.hasOwn(RULES, code)) return ofRule(code as RuleId);
  if (Object.hasOwn(EVENTS, code)) return ofEvent(code as keyof typeof EVENTS);
  if (Object.hasOwn(ERROR_CODES, code)) return ofError(code as keyof typeof ERROR_CODES);
  return ofFinding(code, CATALOGUE[code as keyof typeof CATALOGUE]);
}

const ACTIONS: Readonly<Record<RuleAction, string>> = {
  repair: "the smallest change that makes the response follow the rule",
  replace: "a complete response in its place, or a broken connection if a part of it was sent",
  "tear down": "the connection breaks, so that nobody takes the response for complete",
  report: "a line in the log, once for each route, and no change",
  none: "",
};

const TIERS: Readonly<Record<RuleTier, string>> = {
  guarded: "always on",
  linted: 'where the option lint is "report"',
  node: "by Node",
};

const NOTHING: Readonly<Record<RuleTier, string>> = {
  guarded: "",
  linted: "since no header section shows whether it is broken",
  node: "since Node never breaks it",
};

function ofRule(code: RuleId): CodePage {
  const { level, tier, action, source, statement } = RULES[code];
  const { detail, tests } = IN_DETAIL[code];
  const asked = askedOf(code);
  const edge = explanationOf(code)?.edge ?? "";
  const proxies = [
    ["Pingora", asked?.pingora],
    ["workerd", asked?.workerd],
  ].flatMap(([proxy, did]) => (did ? [`${proxy} ${did}`] : []));
  return {
    code,
    kind: "rule",
    what: statement,
    source: `${level}: ${source}`,
    guard:
      action === "none"
        ? `nothing, ${NOTHING[tier]}. ${detail}`
        : sentence(`${action} (${TIERS[tier]}): ${ACTIONS[action]}`, detail),
    edge: sentence(
      `${tier === "guarded" ? "without the guard, " : ""}${edge}`,
      proxies.length === 0 ? "" : `Tried: ${proxies.join(", ")}.`,
    ),
    next: explanationOf(code)?.next ?? [],
    tests,
  };
}

function sentence(first: string, rest: string): string {
  return `${first}.${rest === "" ? "" : ` ${rest}`}`;
}

function ofEvent(code: keyof typeof EVENTS): CodePage {
  const { cause = "", edge = "", next = [] } = explanationOf(code) ?? {};
  return {
    code,
    kind: "event",
    what: cause,
    source: null,
    guard: null,
    edge: `without the guard, ${edge}.`,
    next,
    tests: EVENT_TESTS[code],
  };
}

function ofError(code: keyof typeof ERROR_CODES): CodePage {
  const { next, tests } = ERRORS[code];
  const text = ERROR_CODES[code];
  const what = `${text[0]?.toUpperCase()}${text.slice(1)}.`;
  return { code, kind: "error", what, source: null, guard: null, edge: null, next: [next], tests };
}

function ofFinding(code: string, { severity, title, cloudflare, advice, source, rule }: Entry): CodePage {
  return {
    code,
    kind: "finding of the probe",
    what: `${title} (${severity}).`,
    source,
    guard: null,
    edge: cloudflare === null ? null : `visitors see: ${cloudflare}.`,
    next: [advice, ...(rule === undefined ? [] : [`Look up its rule: npx rayguard rule ${rule}`])],
    tests: ["test/cli/probe/"],
  };
}
