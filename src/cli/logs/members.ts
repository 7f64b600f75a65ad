import { parseRay, type Ray } from "../../cloudflare/ray.js";
import type { LoggedError, Told } from "./entry.js";
import { isObject, type LogObject } from "./json-object.js";
import { parseTime } from "./times.js";

/** Names the same thing goes by, in the logs of apps and reverse proxies. */
export const NAMES = {
  time: [
    "time",
    "@timestamp",
    "timestamp",
    "ts",
    "time_iso8601",
    "time_local",
    "msec",
    "datetime",
    "date",
    "__REALTIME_TIMESTAMP",
  ],
  pid: ["pid", "process_id", "_PID"],
  host: ["hostname", "_HOSTNAME"],
  requestId: ["reqId", "requestId", "request_id", "req_id"],
  message: ["msg", "message"],
  method: ["method", "request_method"],
  url: ["url", "uri", "request_uri", "path"],
  request: ["request", "request_line"],
  status: ["status", "statusCode", "status_code"],
  octets: ["octets", "body_bytes_sent", "bytes_sent", "bytes", "size"],
  seconds: ["request_time", "rt", "duration"],
  milliseconds: ["ms", "responseTime", "response_time_ms", "duration_ms"],
  upstreamStatus: ["upstream_status", "us", "ustatus"],
  client: ["remote_addr", "client", "client_ip", "clientIp", "remote_ip", "ip"],
} as const;

export function first(object: LogObject, names: readonly string[]): unknown {
  for (const name of names) if (object[name] !== undefined) return object[name];
  return undefined;
}

export function text(value: unknown): string {
  return typeof value === "string" ? value : typeof value === "number" ? String(value) : "";
}

/** A number, also where a log writes it as text; nginx lists one for each server it asked, and the last one counts. */
export function number(value: unknown): number | null {
  if (typeof value === "number") return Number.isFinite(value) ? value : null;
  if (typeof value !== "string") return null;
  const last = value.split(/[,:]/).at(-1)?.trim() ?? "";
  return /^-?\d+(?:\.\d+)?$/.test(last) ? Number(last) : null;
}

/** Where and when a line was written. */
export interface Place {
  readonly at?: number;
  readonly pid?: number;
  readonly host?: string;
}

/** What a wrapper tells of that. */
export function placeOf(object: LogObject): Place {
  const at = parseTime(first(object, NAMES.time))?.at;
  const pid = number(first(object, NAMES.pid));
  const host = text(first(object, NAMES.host));
  return {
    ...(at === undefined ? {} : { at }),
    ...(pid === null ? {} : { pid }),
    ...(host === "" ? {} : { host }),
  };
}

/** What every kind of line may tell. */
export function toldBy(object: LogObject): Told {
  const time = parseTime(first(object, NAMES.time));
  const ray = rayIn(object, 0);
  const req = isObject(object.req) ? object.req : undefined;
  const requestId = text(first(object, NAMES.requestId) ?? req?.id);
  return {
    at: time?.at ?? null,
    ...(time?.wall === undefined ? {} : { wall: time.wall }),
    pid: number(first(object, NAMES.pid)),
    host: text(first(object, NAMES.host)) || null,
    requestId: requestId || null,
    ray: ray?.id ?? null,
    colo: ray?.colo ?? null,
  };
}

/** The first value that is a Ray ID by itself, wherever it stands: as `ray`, or among the fields of a request. */
function rayIn(value: unknown, depth: number): Ray | null {
  if (typeof value === "string") return parseRay(value);
  if (value === null || typeof value !== "object" || depth > 4) return null;
  for (const [name, member] of Object.entries(value)) {
    // Tracing writes ids of the same form.
    if (typeof member === "string" && /trace|span/i.test(name)) continue;
    const ray = rayIn(member, depth + 1);
    if (ray !== null) return ray;
  }
  return null;
}

export function errorOf(value: unknown): LoggedError | null {
  if (typeof value === "string") return { type: "", message: value, stack: "" };
  if (!isObject(value)) return null;
  return { type: text(value.type ?? value.name), message: text(value.message), stack: text(value.stack) };
}
