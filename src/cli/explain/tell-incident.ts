import type { Found, IncidentEntry, LoggedError } from "../logs/entry.js";
import { clock, line, type ProseLine } from "../prose.js";
import { explanationOf } from "./explanations.js";

const ACTIONS: Readonly<Record<IncidentEntry["action"], string>> = {
  repaired: "repaired",
  replaced: "replaced by a complete response",
  "torn down": "torn down",
  ignored: "ignored, without harm",
  reported: "reported only, nothing was changed",
};

/** Tells what an incident was, what it would have led to, and what to do. */
export function tellIncident(incident: Found<IncidentEntry>): ProseLine[] {
  const { code, action, at, reason, err } = incident;
  const isAfterwards = action === "reported" && (code === "KILLED" || code === "BLOCKED");
  const how = isAfterwards ? "found afterwards" : (ACTIONS[action] ?? action);
  const lines = [line(`Incident ${code}, ${how}, at ${clock(at)}`, "title")];
  if (reason !== "") lines.push(line(`  Seen:   ${reason}`));
  if (err !== null) lines.push(...tellError(err));
  const edge = code === "KILLED" ? edgeOfKilled(incident) : undefined;
  return [...lines, ...tellExplanation(code, reason, edge, action === "reported")];
}

/** What the edge showed of a request whose process died: the keeper may have answered it. */
function edgeOfKilled({ action, status }: IncidentEntry): string {
  if (action === "replaced") return `the complete ${status} of the keeper; without it 520, behind a Tunnel 502`;
  return status === 520 ? "520; behind a Tunnel 502" : `status ${status}, cut off`;
}

/** Tells an incident of which only the request line has the code: refusals by the hundred get no line each. */
export function tellCode(code: string): ProseLine[] {
  return [
    line(`Incident ${code}, told by the line of the request`, "title"),
    ...tellExplanation(code, "", undefined, false),
  ];
}

/** @param reason - what has been told of it already */
function tellExplanation(code: string, reason: string, shown: string | undefined, wentOut: boolean): ProseLine[] {
  const explanation = explanationOf(code);
  if (explanation === null) return [line("  This version of rayguard does not know the code.", "warning")];
  const { cause, source, edge, next } = explanation;
  const lines: ProseLine[] = [];
  // The reason often is the text of the event itself.
  if (!reason.startsWith(cause)) lines.push(line(`  Cause:  ${cause}${source === null ? "" : ` (${source})`}`));
  lines.push(line(`  Edge:   ${shown ?? `${wentOut ? "" : "without the guard, "}${edge}`}.`));
  const steps = next.filter((step) => !reason.includes(step));
  lines.push(...steps.map((step, i) => line(`  ${i === 0 ? "Next:  " : "       "} ${step}`)));
  return [...lines, line(`  More:   npx rayguard rule ${code}`)];
}

export function tellError({ type, message, stack }: LoggedError): ProseLine[] {
  const frames = stack.split("\n").filter((frame) => /^\s+at /.test(frame));
  const own = frames.find((frame) => !/node_modules|\(?node:/.test(frame)) ?? frames[0];
  const lines = [line(`  Error:  ${type === "" ? "" : `${type}: `}${message}`)];
  return own === undefined ? lines : [...lines, line(`          ${own.trim()}`)];
}
