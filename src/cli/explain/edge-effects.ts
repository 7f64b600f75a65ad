/** What a fault of the origin server makes of a response at the edge, unless something keeps it from going out. */
export const EDGE_EFFECTS = {
  empty: "520; behind a Tunnel 502: no complete, valid header section arrives",
  waits: "524 once its read timeout is over: it goes on waiting for a final response",
  refused: "522 or 524 while the process takes no connection or no request",
  cut: "a truncated response with the status that is already out; 520, behind a Tunnel 502, while nothing is out",
  spills: "a complete response, but 520 for the next one on the connection, or a connection dropped in between",
  page: "its own 502 or 504 page in place of the app's content",
  passes: "nothing of its own: it passes the response on",
  rarely: "usually nothing of its own; a stricter recipient in between may refuse the response (502 or 520)",
} as const;

export type EdgeEffect = keyof typeof EDGE_EFFECTS;

/** Codes whose effect is not that of their group. */
const EFFECT_OF: Readonly<Record<string, EdgeEffect>> = {
  "MC-1": "waits",
  "MC-3": "waits",
  "MC-5": "cut",
  "MC-6": "cut",
  "MC-7": "spills",
  "MC-9": "cut",
  "MC-10": "waits",
  "SL-3": "waits",
  "SL-7": "rarely",
  "SL-10": "rarely",
  "IR-6": "rarely",
  "IR-7": "rarely",
  "HF-17": "rarely",
  "HF-19": "rarely",
  "FR-1": "rarely",
  "FR-5": "rarely",
  "FR-6": "rarely",
  "FR-8": "rarely",
  "FR-13": "rarely",
  "FR-16": "cut",
  "FR-18": "cut",
  "CX-10": "empty",
  HANDLER_ERROR: "empty",
  LATE_ERROR: "passes",
  LATE_WRITE: "passes",
  GATEWAY_STATUS: "page",
  CLIENT_ERROR: "empty",
  UNCAUGHT: "cut",
  CRASHING: "empty",
  SHUTDOWN: "empty",
  EXIT: "empty",
  RAW_WRITE: "empty",
  KILLED: "cut",
  BLOCKED: "refused",
  DIRECT: "passes",
  OVERLOAD: "refused",
};

const EFFECT_OF_GROUP: Readonly<Record<string, EdgeEffect>> = { TR: "rarely", CX: "rarely", MD: "passes" };

/** @param isLinted - whether it is a rule the edge does not insist on */
export function edgeEffectOf(code: string, isLinted: boolean): EdgeEffect {
  if (isLinted) return "passes";
  return EFFECT_OF[code] ?? EFFECT_OF_GROUP[code.split("-")[0] as string] ?? "empty";
}
