import { POOL_MARGIN_MS } from "../cloudflare/edge.js";
import { maxHeaderSize } from "../node-http.js";
import type { Settings } from "../options/options.js";
import { MESSAGES } from "../report/log.js";

/** The settings of a `node:http` server that decide how long a connection lives. */
export interface TimedServer {
  keepAliveTimeout: number;
  /** Not before Node 22.19 and 24.6; until then it is 1 s. */
  keepAliveTimeoutBuffer?: number;
  headersTimeout: number;
  requestTimeout: number;
}

type Timeout = "keepAliveTimeout" | "keepAliveTimeoutBuffer" | "headersTimeout" | "requestTimeout";

/** Longest time Node lets a request take when nobody has said otherwise, in milliseconds. */
const NODE_DEFAULTS = { headersTimeout: 60_000, requestTimeout: 300_000 } as const;

/** What is left to a recipient that closes at the very moment `Keep-Alive: timeout` has named, in milliseconds. */
const LEAST_BUFFER_MS = 1_000;

/**
 * Makes idle connections outlive the edge's pool, so that it never reuses one that is being closed (CX-10).
 * Raises only: what the user has set higher, or turned off (0), stays.
 *
 * A connection that has answered is idle for `keepAliveTimeout`, and `headersTimeout` and `requestTimeout` hold from the
 * first octet of the next request on: they stay, since slow header sections are an attack and no edge sends any. Only a
 * connection that was opened and not used yet is idle for the lesser of those two, and then gets a 408 nobody has asked
 * for: Node's defaults of both are raised where the edge has such connections. `maxRequestsPerSocket` stays: the response
 * that reaches it announces the end.
 * @returns puts everything back that nobody has changed since
 * @see https://developers.cloudflare.com/fundamentals/reference/connection-limits/
 */
export function keepAlive(
  server: TimedServer,
  settings: Settings,
  warn: (record: object, message: string) => void,
): () => void {
  const { keepAliveTimeoutMs, edge } = settings;
  const undo: (() => void)[] = [];
  const raise = (name: Timeout, least: number) => {
    const before = server[name];
    // 0 means for ever, which is longer still; for the buffer it means none at all.
    if (before === undefined || before >= least || (before === 0 && name !== "keepAliveTimeoutBuffer")) return;
    server[name] = least;
    undo.push(() => {
      if (server[name] === least) server[name] = before;
    });
  };
  raise("keepAliveTimeout", keepAliveTimeoutMs);
  raise("keepAliveTimeoutBuffer", LEAST_BUFFER_MS);
  const unusedMs = edge.unusedPoolMs === 0 ? 0 : edge.unusedPoolMs + POOL_MARGIN_MS;
  const shorter: Record<string, number> = {};
  for (const name of ["headersTimeout", "requestTimeout"] as const) {
    const value = server[name];
    // Another number is somebody's own limit on how long a request may take to arrive.
    if (value === NODE_DEFAULTS[name]) raise(name, unusedMs);
    else if (value > 0 && value < unusedMs) shorter[name] = value;
  }
  if (Object.keys(shorter).length > 0) warn({ ...shorter, unusedMs }, MESSAGES.requestTimeoutShort);
  return () => {
    for (const step of undo) step();
  };
}

/** Largest request header section a server takes, in octets. */
export function requestHeaderLimit(server: object): number {
  return (server as { maxHeaderSize?: number }).maxHeaderSize ?? maxHeaderSize;
}
