import type { AccessEntry, AppEntry } from "./entry.js";
import { isObject, type LogObject } from "./json-object.js";
import { errorOf, first, NAMES, number, text, toldBy } from "./members.js";

const LEVELS: Readonly<Record<number, string>> = {
  10: "trace",
  20: "debug",
  30: "info",
  40: "warn",
  50: "error",
  60: "fatal",
};

/**
 * Reads a line with named members: an access log where it has a status and a request, and either no message or
 * the members of pino-http's last line; else the app's.
 */
export function parseStructured(object: LogObject, format: "JSON" | "key=value"): AccessEntry | AppEntry {
  const isAccess =
    first(object, NAMES.message) === undefined || (isObject(object.req) && object.responseTime !== undefined);
  return (isAccess ? access(object, format) : null) ?? app(object);
}

function access(object: LogObject, format: "JSON" | "key=value"): AccessEntry | null {
  // Caddy, pino-http and others keep what belongs to the request, and the response, in members of their own.
  const { request, req, res } = object;
  const nested = [request, req, res].filter(isObject);
  const all =
    nested.length === 0
      ? object
      : Object.assign({}, ...nested, object, isObject(request) ? { request: undefined } : {});
  const status = number(first(all, NAMES.status));
  const line = text(first(all, NAMES.request));
  const target = text(first(all, NAMES.url));
  if (status === null || (line === "" && target === "")) return null;
  const seconds = number(first(all, NAMES.seconds));
  return {
    ...toldBy(object),
    kind: "access",
    format,
    client: text(first(all, NAMES.client)),
    request: line || `${text(first(all, NAMES.method))} ${target}`.trim(),
    status,
    octets: number(first(all, NAMES.octets)),
    ms: number(first(all, NAMES.milliseconds)) ?? (seconds === null ? null : Math.round(seconds * 1_000)),
    upstreamStatus: number(first(all, NAMES.upstreamStatus)),
  };
}

function app(object: LogObject): AppEntry {
  const { level } = object;
  return {
    ...toldBy(object),
    kind: "app",
    level: typeof level === "number" ? (LEVELS[level] ?? String(level)) : text(level),
    message: `${text(first(object, NAMES.message))}${isObject(object.res) ? answerOf(object, object.res) : ""}`,
    err: errorOf(object.err ?? object.error),
  };
}

/** What Fastify adds to its line for the end of a request. */
function answerOf(object: LogObject, response: LogObject): string {
  const status = number(response.statusCode);
  const ms = number(object.responseTime);
  return status === null ? "" : ` (status ${status}${ms === null ? "" : `, ${Math.round(ms * 10) / 10} ms`})`;
}
