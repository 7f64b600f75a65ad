import type { EVENTS } from "../report/events.js";
import type { RULES, RuleId } from "./catalogue.js";

/** Status the edge shows, where it shows one of its own. */
export type EdgeStatus = 502 | 504 | 520 | 522 | 524;

/**
 * What a fault of the origin server makes of a response at the edge, unless something keeps it from going out. `shows`
 * is the status of its own page, which it shows only while it has begun to pass nothing on; null where there is none, or
 * where that is not known.
 */
export const EDGE_EFFECTS = {
  empty: { shows: 520, text: "520; behind a Tunnel 502: no complete, valid header section arrives" },
  waits: { shows: 524, text: "524 once its read timeout is over: it goes on waiting for a final response" },
  refused: { shows: null, text: "522 or 524 while the process takes no connection or no request" },
  cut: {
    shows: 520,
    text: "a truncated response with the status that is already out; 520, behind a Tunnel 502, while nothing is out",
  },
  spills: {
    shows: null,
    text: "a complete response, but 520 for the next one on the connection, or a connection dropped in between",
  },
  page: { shows: 502, text: "its own 502 or 504 page in place of the app's content" },
  passes: { shows: null, text: "nothing of its own: it passes the response on" },
  rarely: {
    shows: null,
    text: "usually nothing of its own; a stricter recipient in between may refuse the response (502 or 520)",
  },
} as const satisfies Record<string, { shows: EdgeStatus | null; text: string }>;

export type EdgeEffect = keyof typeof EDGE_EFFECTS;

/** What a proxy did when it was handed a response that breaks the rule; null where none could be handed to it. */
export type Asked = "refuses" | "waits" | "cuts" | "passes" | null;

type GuardedRuleId = { [K in RuleId]: (typeof RULES)[K]["tier"] extends "guarded" ? K : never }[RuleId];

interface AtTheEdge {
  readonly effect: EdgeEffect;
  /** Cloudflare's own proxy library: Pingora 0.8.1, as a plain reverse proxy. */
  readonly pingora: Asked;
  /** Cloudflare's runtime of Workers: `fetch()` in workerd. */
  readonly workerd: Asked;
}

function at(effect: EdgeEffect, pingora: Asked = null, workerd: Asked = null): AtTheEdge {
  return { effect, pingora, workerd };
}

/**
 * What the edge makes of a response that breaks a guarded rule: each was handed to Pingora and to workerd, where a
 * response over HTTP/1.1 can break it. Where the two disagree Pingora counts, which stands at the edge.
 */
// biome-ignore format: a table reads best with several cells for each row.
const OF_RULE: Readonly<Record<GuardedRuleId, AtTheEdge>> = {
  "MC-1": at("waits", "waits", "waits"), "MC-2": at("empty", "refuses", "refuses"), "MC-3": at("waits", "waits", "waits"),
  "MC-4": at("empty", "refuses", "refuses"), "MC-5": at("cut", "cuts", "cuts"), "MC-6": at("cut", "cuts", "cuts"),
  "MC-7": at("spills", "passes", "passes"), "MC-9": at("cut", "cuts", "cuts"), "MC-10": at("waits", "waits", "waits"),
  "MC-11": at("empty"),
  "SL-1": at("rarely", "passes", "passes"), "SL-2": at("empty", "refuses", "refuses"), "SL-3": at("waits", "waits", "refuses"),
  "SL-4": at("empty", "refuses", "refuses"), "SL-7": at("rarely", "passes", "passes"), "SL-8": at("rarely", "passes", "passes"),
  "SL-9": at("rarely", "passes", "passes"), "SL-10": at("rarely"), "SL-16": at("rarely"),
  "IR-1": at("rarely", "passes", "passes"), "IR-3": at("cut", "cuts", "cuts"), "IR-4": at("empty", "refuses", "refuses"),
  "IR-6": at("rarely", "passes", "passes"), "IR-7": at("rarely", "passes", "passes"),
  "HF-1": at("empty", "refuses", "refuses"), "HF-2": at("rarely", "passes", "refuses"), "HF-3": at("empty", "refuses", "refuses"),
  "HF-4": at("empty", "refuses", "passes"), "HF-5": at("rarely", "passes", "refuses"), "HF-6": at("empty", "refuses", "refuses"),
  "HF-7": at("empty", "refuses", "refuses"), "HF-10": at("rarely", "passes", "passes"), "HF-17": at("rarely", "passes", "passes"),
  "HF-18": at("empty", "passes", "passes"), "HF-19": at("rarely", "passes", "passes"), "HF-20": at("empty", "refuses", "passes"),
  "FR-1": at("rarely", "passes", "passes"), "FR-2": at("empty", "refuses", "refuses"), "FR-3": at("empty", "refuses", "refuses"),
  "FR-4": at("empty", "refuses", "refuses"), "FR-5": at("passes", "passes", "passes"), "FR-6": at("passes", "passes", "passes"),
  "FR-8": at("rarely", "passes", "passes"), "FR-9": at("rarely", "passes", "passes"), "FR-10": at("rarely", "passes", "passes"),
  "FR-13": at("rarely", "passes", "passes"), "FR-16": at("rarely", "passes", "passes"), "FR-18": at("cut", "cuts", "cuts"),
  "FR-19": at("cut"),
  "TR-1": at("rarely", "passes", "passes"), "TR-2": at("rarely", "passes", "passes"), "TR-4": at("rarely", "passes", "passes"),
  "CX-1": at("rarely", "passes", "passes"), "CX-2": at("rarely"), "CX-3": at("rarely", "passes", "passes"),
  "CX-4": at("rarely", "passes", "passes"), "CX-5": at("rarely", "passes", "passes"), "CX-6": at("rarely", "passes", "passes"),
  "CX-8": at("rarely"), "CX-9": at("rarely"), "CX-10": at("empty"),
  "MD-1": at("passes", "passes", "passes"), "MD-9": at("rarely"),
};

/** The same of events, which are no octets that could be handed to anybody. */
const OF_EVENT: Readonly<Record<keyof typeof EVENTS, EdgeEffect>> = {
  HANDLER_ERROR: "empty",
  LATE_ERROR: "passes",
  LATE_WRITE: "passes",
  GATEWAY_STATUS: "page",
  CLIENT_ERROR: "passes",
  UNCAUGHT: "empty",
  CRASHING: "empty",
  SHUTDOWN: "empty",
  EXIT: "empty",
  RAW_WRITE: "empty",
  RECIPIENT_DEADLINE: "passes",
  KILLED: "cut",
  NO_WORKER: "refused",
  BLOCKED: "refused",
  DIRECT: "passes",
  GUARD_FAULT: "passes",
  OVERLOAD: "refused",
};

/** What the edge makes of a code, where nothing keeps it from going out. What only the lint looks at, it passes on. */
export function edgeEffectOf(code: string): EdgeEffect {
  if (Object.hasOwn(OF_RULE, code)) return OF_RULE[code as GuardedRuleId].effect;
  return Object.hasOwn(OF_EVENT, code) ? OF_EVENT[code as keyof typeof OF_EVENT] : "passes";
}

/** What the two proxies did; null for a rule that is not guarded. */
export function askedOf(rule: string): AtTheEdge | null {
  return Object.hasOwn(OF_RULE, rule) ? OF_RULE[rule as GuardedRuleId] : null;
}

/** Whether no recipient of an edge minds: the repair is right, and nothing to be called about. */
export function isHarmless(code: string): boolean {
  const effect = edgeEffectOf(code);
  return Object.hasOwn(OF_RULE, code) && (effect === "passes" || effect === "rarely");
}
