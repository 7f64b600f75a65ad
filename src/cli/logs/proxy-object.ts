import type { AccessEntry, ProxyErrorEntry } from "./entry.js";
import { isObject, type LogObject } from "./json-object.js";
import { number, text, toldBy } from "./members.js";
import { parseTime } from "./times.js";

/**
 * Reads the logs of cloudflared, Caddy, Traefik and Envoy by the members that only they write.
 * @param line - the line itself, where it is text with pairs in it: its time may stand alone in front
 */
export function parseProxyObject(object: LogObject, line = ""): AccessEntry | ProxyErrorEntry | null {
  return parseCloudflared(object, line) ?? parseCaddy(object) ?? parseTraefik(object) ?? parseEnvoy(object);
}

/** Whether cloudflared or Caddy has written it: it says nothing of the app, unless it can be read as above. */
export function isOfProxy({ cfRay, originService, logger, request }: LogObject): boolean {
  return cfRay !== undefined || originService !== undefined || isOfCaddy(logger, request);
}

function isOfCaddy(logger: unknown, request: unknown): logger is string {
  return typeof logger === "string" && logger.startsWith("http.") && isObject(request);
}

/** A failed round trip of cloudflared: it reached the Tunnel, and perhaps not the app. */
function parseCloudflared(object: LogObject, line: string): ProxyErrorEntry | null {
  const { error, cfRay, originService, level } = object;
  if (typeof error !== "string" || (cfRay === undefined && originService === undefined)) return null;
  const time = parseTime(line.slice(0, line.indexOf(" ")));
  const told = toldBy(object);
  return { ...told, at: told.at ?? time?.at ?? null, ...error_(error, text(level) || "error") };
}

/** Caddy's access log, and its log of requests that it could not pass on. */
function parseCaddy(object: LogObject): AccessEntry | ProxyErrorEntry | null {
  const { logger, request, status, msg, duration, size } = object;
  if (!isOfCaddy(logger, request) || !isObject(request)) return null;
  const line = `${text(request.method)} ${text(request.uri)} ${text(request.proto)}`.trim();
  const client = text(request.client_ip ?? request.remote_ip);
  if (!logger.startsWith("http.log.access")) {
    const error = text(object.error);
    const message = `${text(msg)}${error === "" ? "" : `: ${error}`}`;
    const level = text(object.level);
    const isError = logger.startsWith("http.log.error") || level === "error" || level === "warn";
    return isError ? { ...toldBy(object), ...error_(message, level), client, request: line } : null;
  }
  const seconds = number(duration);
  return {
    ...toldBy(object),
    kind: "access",
    format: "JSON",
    client,
    request: line,
    status: number(status) ?? 0,
    octets: number(size),
    ms: seconds === null ? null : Math.round(seconds * 1_000),
    upstreamStatus: null,
  };
}

/** Traefik's access log in JSON; `Duration` counts nanoseconds. */
function parseTraefik(object: LogObject): AccessEntry | null {
  const { DownstreamStatus, RequestMethod, RequestPath, RequestProtocol, Duration, OriginStatus, ClientHost } = object;
  const status = number(DownstreamStatus);
  if (status === null || typeof RequestPath !== "string") return null;
  const duration = number(Duration);
  const upstream = number(OriginStatus);
  const told = toldBy(object);
  return {
    ...told,
    at: told.at ?? parseTime(object.StartUTC)?.at ?? null,
    kind: "access",
    format: "JSON",
    client: text(ClientHost),
    request: `${text(RequestMethod)} ${RequestPath} ${text(RequestProtocol)}`.trim(),
    status,
    octets: number(object.DownstreamContentSize),
    ms: duration === null ? null : Math.round(duration / 1e6),
    upstreamStatus: upstream === 0 ? null : upstream,
  };
}

/** Envoy's access log in JSON, with the names of its documentation; `duration` counts milliseconds. */
function parseEnvoy(object: LogObject): AccessEntry | null {
  const status = number(object.response_code ?? object.responseCode);
  if (status === null || (object.response_flags ?? object.responseFlags) === undefined) return null;
  const told = toldBy(object);
  const method = text(object.method ?? object[":method"]);
  const path = text(object.path ?? object[":path"]);
  return {
    ...told,
    at: told.at ?? parseTime(object.start_time)?.at ?? null,
    kind: "access",
    format: "JSON",
    client: text(object.downstream_remote_address),
    request: `${method} ${path} ${text(object.protocol)}`.trim(),
    status,
    octets: number(object.bytes_sent),
    ms: number(object.duration),
    upstreamStatus: null,
  };
}

function error_(message: string, level: string) {
  return { kind: "proxy error", level, message, client: "", request: "" } as const;
}
