import type { ServerResponse } from "node:http";
import type { GuardOptions } from "rayguard";

export const HOST = "127.0.0.1";

/** How long `/slow` takes: long enough for another request to fail meanwhile. */
export const SLOW_MS = 300;

/** Deadlines of the guarded origin servers; the default is 95 s, below the edge's 125 s. */
export const GUARD_OPTIONS: GuardOptions = {
  firstByteDeadlineMs: 1_500,
  idleDeadlineMs: 1_500,
  trust: "loopback", // where the edge of the playground is
};

export interface OriginOptions {
  readonly guarded: boolean;
  /** `0`: any free port. */
  readonly port: number;
}

/** Answers rightly, after a while. */
export function slowAnswer(response: ServerResponse): void {
  setTimeout(() => response.end("a slow answer"), SLOW_MS);
}
