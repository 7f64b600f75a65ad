import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Guard, GuardOptions } from "rayguard";
import { EDGE_SECRET } from "../edge/secret.js";

export const HOST = "127.0.0.1";

/** How long `/slow` takes: long enough for another request to fail meanwhile, on a busy machine as well. */
export const SLOW_MS = 600;

/**
 * Every guarded origin server: shorter deadlines than the default of 95 s; and since the edge and whoever goes around it are
 * on the same machine here, only the secret tells them apart.
 */
const COMMON: GuardOptions = { firstByteDeadlineMs: 1_500, idleDeadlineMs: 1_500, trust: { secret: EDGE_SECRET } };

/** For the page, which sends bursts and signals: few requests at a time, and a while in which whoever comes is served. */
const LIMITS = {
  overload: { maxInFlight: 12, maxQueued: 12, maxQueuedMs: 400, maxEventLoopDelayMs: false },
  shutdown: { lameDuckMs: 400 },
} as const;

export interface OriginOptions {
  readonly guarded: boolean;
  /** `0`: any free port. */
  readonly port: number;
  /** Told of a request before its handler runs; there for the page, which shows what the handler does. */
  readonly watch?: (request: IncomingMessage, response: ServerResponse) => void;
}

/** An origin server that was started, and its guard where it has one. */
export interface Origin {
  readonly server: Server;
  readonly guard: Guard | undefined;
}

/** Options of the guard: the table provokes one cause at a time, so only the page needs more. */
export function guardOptions({ watch }: OriginOptions): GuardOptions {
  return watch === undefined ? COMMON : { ...COMMON, ...LIMITS };
}

/** Answers rightly, after a while. */
export function slowAnswer(response: ServerResponse): void {
  setTimeout(() => response.end("a slow answer"), SLOW_MS);
}
