import type { Settings } from "../options.js";

interface TimedServer {
  keepAliveTimeout: number;
  headersTimeout: number;
  requestTimeout: number;
}

/**
 * Makes idle connections outlive the edge's pool, so that it never reuses one that is being closed (CX-10).
 * Raises only: what the user has set higher, or turned off, stays.
 * @see https://developers.cloudflare.com/fundamentals/reference/connection-limits/
 */
export function keepAlive(server: TimedServer, settings: Settings): () => void {
  const { keepAliveTimeout } = server;
  // 0 means for ever, which is longer still.
  if (keepAliveTimeout !== 0 && keepAliveTimeout < settings.keepAliveTimeoutMs)
    server.keepAliveTimeout = settings.keepAliveTimeoutMs;
  return () => {
    if (server.keepAliveTimeout === settings.keepAliveTimeoutMs) server.keepAliveTimeout = keepAliveTimeout;
  };
}
