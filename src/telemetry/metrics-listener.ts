import type { IncomingMessage, ServerResponse } from "node:http";

/** What the listener needs of a registry of prom-client. */
export interface Scraped {
  readonly contentType: string;
  metrics(): Promise<string>;
}

export interface MetricsListenerOptions {
  /** The path it answers at. @default "/metrics" */
  path?: string;
}

/**
 * A request listener that answers scrapes: `GET` and `HEAD` with the text of the registry, another method with 405,
 * another path with 404, and 500 where the registry fails. As a route of Express it leaves the path to the router.
 */
export function metricsListener(
  registry: Scraped,
  { path = "/metrics" }: MetricsListenerOptions = {},
): (request: IncomingMessage, response: ServerResponse) => void {
  return function rayguardMetrics(request, response): void {
    const isRouted = "originalUrl" in request;
    if (!isRouted && request.url?.split("?", 1)[0] !== path) send(request, response, 404, `metrics are at ${path}\n`);
    else if (request.method !== "GET" && request.method !== "HEAD") {
      response.setHeader("Allow", "GET, HEAD");
      send(request, response, 405, "metrics are read with GET\n");
    } else {
      // Not `async`: what the registry throws at once, or later, ends in the same answer.
      new Promise<string>((resolve) => resolve(registry.metrics())).then(
        (text) => send(request, response, 200, text, registry.contentType),
        () => send(request, response, 500, "a metric could not be collected\n"),
      );
    }
  };
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  text: string,
  contentType = "text/plain; charset=utf-8",
): void {
  // The client may have gone meanwhile, or the guard have answered.
  if (response.headersSent || response.writableEnded || response.destroyed) return;
  response.writeHead(status, {
    "Content-Type": contentType,
    "Content-Length": Buffer.byteLength(text),
    "Cache-Control": "no-store",
  });
  response.end(request.method === "HEAD" ? undefined : text);
}
