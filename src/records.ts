import type { IncomingMessage } from "node:http";
import { clientAddress } from "./cloudflare/client-address.js";
import { parseRay } from "./cloudflare/ray.js";
import type { Exchange } from "./exchange.js";
import type { Action, Failure, Incident } from "./incidents.js";
import { loggableUrl, type RequestRecord } from "./log.js";

/** What the log and the channel say of an incident. */
export function describeIncident(exchange: Exchange, failure: Failure, action: Action): Incident {
  const { request, context } = exchange;
  return {
    code: failure.code,
    action,
    prevented: failure.prevented,
    message: failure.message,
    ray: context.ray?.id ?? null,
    colo: context.ray?.colo ?? null,
    clientIp: context.clientIp,
    verified: context.verified,
    method: request?.method ?? "",
    url: loggableUrl(urlOf(request)),
    status: action === "replaced" ? failure.status : null,
    err: failure.err,
  };
}

/** What the log and the channel say of a request whose fate is known. */
export function recordOf(exchange: Exchange): RequestRecord {
  const { request } = exchange;
  const headers = request?.headers;
  const ray = parseRay(headers?.["cf-ray"]);
  const record: RequestRecord = {
    ray: ray === null ? null : ray.id,
    colo: ray === null ? null : ray.colo,
    clientIp: clientAddress(request, exchange.peerAddress),
    verified: false,
    method: request?.method ?? "",
    url: loggableUrl(urlOf(request)),
    status: exchange.status,
    octets: exchange.octets,
    ms: Math.round((performance.now() - exchange.startedAt) * 10) / 10,
    outcome: exchange.outcome,
  };
  if (exchange.incident !== undefined) record.incident = exchange.incident;
  return record;
}

function urlOf(request: IncomingMessage | null): string {
  if (request === null) return "";
  return (request as IncomingMessage & { originalUrl?: string }).originalUrl ?? request.url ?? "";
}
