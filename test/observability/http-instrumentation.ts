import { type IncomingMessage, Server, type ServerResponse } from "node:http";
import { context, ROOT_CONTEXT, type Span, SpanKind, type Tracer, trace } from "@opentelemetry/api";
import { RPCType, setRPCMetadata } from "@opentelemetry/core";

/**
 * Starts a span for each request of every server, in the way of `@opentelemetry/instrumentation-http`: in `emit` of the
 * prototype, active for the listeners, ended when the response is closed.
 * @returns what takes it away again
 */
export function instrumentHttp(tracer: Tracer): () => void {
  const original = Server.prototype.emit;
  Server.prototype.emit = function emit(this: Server, event: string | symbol, ...args: unknown[]): boolean {
    const below = () => Reflect.apply(original, this, [event, ...args]) as boolean;
    if (event !== "request") return below();
    const [request, response] = args as [IncomingMessage, ServerResponse];
    const span: Span = tracer.startSpan(
      `${request.method} ${request.url}`,
      { kind: SpanKind.SERVER, attributes: { "client.address": "set by the instrumentation" } },
      ROOT_CONTEXT,
    );
    response.once("close", () => span.end());
    const active = setRPCMetadata(trace.setSpan(ROOT_CONTEXT, span), { type: RPCType.HTTP, span });
    return context.with(active, below);
  };
  return () => {
    Server.prototype.emit = original;
  };
}
