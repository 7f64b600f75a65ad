import type { Attributes } from "@opentelemetry/api";
import type { Exchange } from "../exchange/exchange.js";

const METHODS = "CONNECT,DELETE,GET,HEAD,OPTIONS,PATCH,POST,PUT,QUERY,TRACE";

/**
 * Methods that stand for themselves, since a client can send any number of others. The variable of the environment is
 * the one of the convention, a full list with commas.
 * @see https://opentelemetry.io/docs/specs/semconv/registry/attributes/http/
 */
export function knownMethods({
  OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS: own = METHODS,
}: NodeJS.ProcessEnv): Set<string> {
  return new Set(own.split(",").map((method) => method.trim()));
}

/**
 * What is counted of a request: nothing that a client can choose freely, neither path nor address.
 * @see https://opentelemetry.io/docs/specs/semconv/http/http-metrics/
 */
export function requestAttributes(exchange: Exchange, known: ReadonlySet<string>): Attributes {
  const { status, outcome, incident } = exchange;
  const method = exchange.request?.method ?? "";
  const attributes: Attributes = {
    "http.request.method": known.has(method) ? method : "_OTHER",
    "rayguard.outcome": outcome,
  };
  if (status > 0) attributes["http.response.status_code"] = status;
  if (incident !== undefined && (outcome === "replaced" || outcome === "torn down"))
    attributes["error.type"] = incident;
  else if (status >= 500) attributes["error.type"] = String(status);
  return attributes;
}
