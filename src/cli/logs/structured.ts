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

/** Reads a line with named members: an access log where it has a status, a request and no message; else the app's. */
export function parseStructured(object: LogObject, format: "JSON" | "key=value"): AccessEntry | AppEntry {
  return (first(object, NAMES.message) === undefined ? access(object, format) : null) ?? app(object);
}

function access(object: LogObject, format: "JSON" | "key=value"): AccessEntry | null {
  // Caddy, and others, keep what belongs to the request in a member of its own.
  const nested = isObject(object.request) ? object.request : undefined;
  const all = nested === undefined ? object : { ...nested, ...object, request: undefined };
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
    message: text(first(object, NAMES.message)),
    err: errorOf(object.err ?? object.error),
  };
}
