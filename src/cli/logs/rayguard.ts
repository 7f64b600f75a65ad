import type { Action } from "../../report/incidents.js";
import type { RequestRecord } from "../../report/log.js";
import type { IncidentEntry, RequestEntry } from "./entry.js";
import { isObject, type LogObject } from "./json-object.js";
import { errorOf, text, toldBy } from "./members.js";

/** Reads rayguard's own lines by their members: loggers name the message, and nest, as they like. */
export function parseRayguard(line: LogObject): RequestEntry | IncidentEntry | null {
  const own = find(line);
  if (own === null) return null;
  const ray = text(own.ray).toLowerCase() || null;
  const told = { ...toldBy(line), ray, colo: text(own.colo) || null };
  const who = {
    ...(typeof own.claimedIp === "string" ? { claimedIp: own.claimedIp } : {}),
    ...(own.direct === true ? { direct: true as const } : {}),
  };
  const what = { method: text(own.method), url: text(own.url) };
  if (isRequest(own)) {
    return {
      ...told,
      ...who,
      ...what,
      kind: "request",
      clientIp: text(own.clientIp) || null,
      verified: own.verified === true,
      status: own.status as number,
      octets: typeof own.octets === "number" ? own.octets : 0,
      ms: own.ms as number,
      outcome: own.outcome as RequestRecord["outcome"],
      ...(typeof own.incident === "string" ? { incident: own.incident } : {}),
    };
  }
  return {
    ...told,
    ...who,
    ...what,
    kind: "incident",
    code: own.code as string,
    action: own.action as Action,
    prevented: typeof own.prevented === "number" ? own.prevented : null,
    reason: text(own.reason),
    status: typeof own.status === "number" ? own.status : null,
    err: errorOf(own.err ?? line.err),
    ...(typeof own.blockedMs === "number" ? { blockedMs: own.blockedMs } : {}),
    ...(typeof own.clientIp === "string" ? { clientIp: own.clientIp } : {}),
  };
}

/** How deep a record is nested at most: `nestedKey` of pino, `meta` of others, and what ships logs around that. */
const MOST_DEPTH = 3;

/** The record itself, or the member it was nested in. */
function find(line: LogObject, depth = 0): LogObject | null {
  if (isRequest(line) || isIncident(line)) return line;
  if (depth === MOST_DEPTH) return null;
  for (const member of Object.values(line)) {
    const own = isObject(member) ? find(member, depth + 1) : null;
    if (own !== null) return own;
  }
  return null;
}

function isRequest(object: LogObject): boolean {
  const { outcome, ms, status } = object;
  return typeof outcome === "string" && typeof ms === "number" && typeof status === "number" && "ray" in object;
}

function isIncident(object: LogObject): boolean {
  return typeof object.code === "string" && typeof object.action === "string" && "prevented" in object;
}
