import type { IncomingMessage } from "node:http";
import { performance } from "../clock.js";
import { parseRay } from "../cloudflare/ray.js";
import type { Exchange } from "../exchange/exchange.js";
import type { Remains } from "../recorder/recorder-search.js";
import type { Recorded } from "../recorder/slots.js";
import { callerOf, claimedIpOf, clientAddress, NO_HEADERS } from "../trust/caller.js";
import { EVENTS } from "./events.js";
import type { Action, Failure, Incident } from "./incidents.js";
import { loggableUrl, type RequestRecord } from "./log.js";
import { loggableText } from "./loggable.js";

/** What the log and the channel say of an incident. */
export function describeIncident(exchange: Exchange, failure: Failure, action: Action): Incident {
  const { request, context } = exchange;
  return {
    code: failure.code,
    action,
    prevented: exchange.isBegun() ? null : failure.prevented,
    message: failure.message,
    ray: context.ray?.id ?? null,
    colo: context.ray?.colo ?? null,
    clientIp: context.clientIp,
    verified: context.verified,
    method: loggableMethod(request),
    url: loggableUrl(urlOf(request)),
    status: action === "replaced" ? failure.status : null,
    err: failure.err,
  };
}

/** What the log and the channel say of a request whose process is gone. */
export function describeKilled({ pid, seenAt }: Remains, request: Recorded | "torn"): Incident {
  const seen = `Process ${pid} was last seen at ${timeOf(seenAt)}`;
  const told = { code: "KILLED", action: "reported", prevented: null, clientIp: null, verified: false } as const;
  if (request === "torn") {
    const message = `${EVENTS.KILLED} ${seen}. What it had written about this request is damaged.`;
    return { ...told, message, ray: null, colo: null, method: "", url: "", status: 520, err: undefined };
  }
  const { ray, colo, method, url, startedAt } = request;
  const came = `the request arrived at ${timeOf(startedAt)}`;
  const cut = request.status === 0 ? "" : " Its response was under way, so the client saw it cut off.";
  const message = `${EVENTS.KILLED} ${seen}; ${came}.${cut}`;
  return { ...told, message, ray, colo, method, url, status: request.status || 520, err: undefined };
}

function timeOf(ms: number): string {
  // What a file says may be no time at all.
  return Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : "an unknown time";
}

/** What the log and the channel say of a request whose fate is known. */
export function recordOf(exchange: Exchange): RequestRecord {
  const { request } = exchange;
  const headers = request?.headers;
  const ray = parseRay(headers?.["cf-ray"]);
  const { peer } = exchange;
  const caller = peer.varies ? callerOf(exchange, peer) : peer.caller;
  const { verified } = caller;
  const url = request === null ? "" : ((request as Routed).originalUrl ?? request.url ?? "");
  const record: RequestRecord = {
    ray: ray === null ? null : ray.id,
    colo: ray === null ? null : ray.colo,
    clientIp: clientAddress(peer, caller, headers ?? NO_HEADERS),
    verified,
    method: request !== null && USUAL.has(request.method) ? (request.method as string) : loggableMethod(request),
    url: loggableUrl(url),
    status: exchange.status,
    octets: exchange.octets,
    ms: Math.round((performance.now() - exchange.startedAt) * 10) / 10,
    outcome: exchange.outcome,
  };
  if (exchange.incident !== undefined) record.incident = exchange.incident;
  if (!verified) describeDirect(exchange, record);
  return record;
}

/** What is worth knowing of a request that nobody vouches for. */
function describeDirect(exchange: Exchange, record: RequestRecord): void {
  const claimedIp = claimedIpOf(exchange);
  if (claimedIp !== null) record.claimedIp = claimedIp;
  if (exchange.terms.direct !== "allow") record.direct = true;
}

/** A request as a router leaves it, which cuts off what it has matched. */
type Routed = IncomingMessage & { originalUrl?: string };

export function urlOf(request: IncomingMessage | null): string {
  return request === null ? "" : ((request as Routed).originalUrl ?? request.url ?? "");
}

/** Methods that need no second look. */
const USUAL: ReadonlySet<string | undefined> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]);

/** Over HTTP/2 any token is a method, of any length. */
function loggableMethod(request: IncomingMessage | null): string {
  const method = request?.method ?? "";
  return /^[!-~]{0,32}$/.test(method) ? method : loggableText(method, 32);
}
