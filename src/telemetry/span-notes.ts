import {
  type Attributes,
  context,
  createContextKey,
  ROOT_CONTEXT,
  type Span,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import type { Exchange } from "../exchange/exchange.js";
import type { Incident } from "../report/incidents.js";
import type { Observer } from "../report/observation.js";

/** Where the HTTP instrumentation leaves the span of the request; that of a middleware may be active in front of it. */
const RPC_METADATA = createContextKey("OpenTelemetry SDK Context Key RPC_METADATA");

/**
 * Notes on the span of each request, which somebody else has started: where it came from, its incidents as they happen,
 * and its outcome, if the span is still open then.
 * @param tracer - makes a span of an incident that no open span can take; where undefined, such incidents are left out
 */
export function noteOnSpans(tracer: Tracer | undefined): Observer {
  const spans = new WeakMap<Exchange, Span>();

  function found(exchange: Exchange): void {
    if (spans.has(exchange)) return;
    const span = activeSpan();
    if (span === undefined) return;
    spans.set(exchange, span);
    const { ray, clientIp } = exchange.context;
    if (ray !== null) span.setAttribute("cloudflare.ray_id", ray.id);
    if (ray?.colo) span.setAttribute("cloudflare.colo", ray.colo);
    if (clientIp !== null) span.setAttribute("client.address", clientIp);
  }

  return {
    onCurrent: found,
    onIncident(incident, exchange) {
      const span = exchange === undefined ? undefined : spans.get(exchange);
      const attributes = incidentAttributes(incident);
      if (span?.isRecording()) {
        span.addEvent("rayguard.incident", attributes);
        // The response is closed in the app's view, which ends the span, before what takes its place is out.
        if (exchange !== undefined && isLast(incident)) noteOutcome(span, exchange);
      } else if (tracer !== undefined) {
        const parent = span === undefined ? ROOT_CONTEXT : trace.setSpan(ROOT_CONTEXT, span);
        tracer.startSpan("rayguard.incident", { attributes }, parent).end();
      }
    },
    onSettled(exchange) {
      const span = spans.get(exchange);
      if (!span?.isRecording()) return;
      noteOutcome(span, exchange);
    },
  };
}

/** Whether nothing else can become of a response after this incident. */
function isLast({ action }: Incident): boolean {
  return action === "replaced" || action === "torn down";
}

function noteOutcome(span: Span, { outcome, incident }: Exchange): void {
  span.setAttribute("rayguard.outcome", outcome);
  if (incident !== undefined) span.setAttribute("rayguard.incident", incident);
}

function activeSpan(): Span | undefined {
  const current = context.active();
  const ofRequest = (current.getValue(RPC_METADATA) as { readonly span?: Span } | undefined)?.span;
  const span = ofRequest ?? trace.getSpan(current);
  return span?.isRecording() ? span : undefined;
}

/** No error and no URL: a message of an app may hold anything. */
function incidentAttributes({ code, action, prevented, message }: Incident): Attributes {
  return {
    "rayguard.incident.code": code,
    "rayguard.incident.action": action,
    "rayguard.incident.message": message,
    ...(prevented === null ? {} : { "rayguard.prevented.status_code": prevented }),
  };
}
