import type { Incident } from "../incidents.js";
import type { Recorded } from "../lifecycle/recorder-file.js";
import { defaultLogger, MESSAGES } from "../log.js";
import { loggableRecord } from "../loggable.js";
import type { Fate } from "./fate.js";
import type { End } from "./worker-process.js";

/** How a process has ended, in words. */
export function endInWords({ code, signal }: End, killedFor?: string): string {
  if (killedFor !== undefined) return killedFor;
  return signal === null ? `exit code ${code}` : `signal ${signal}`;
}

/** One line for each event of the keeper's own, in the shape of those that a guard writes. */
export const keeperLog = {
  event(record: object, message: string): void {
    defaultLogger().info(loggableRecord(record), message);
  },
  warn(record: object, message: string): void {
    defaultLogger().warn(loggableRecord(record), message);
  },
  incident(incident: Incident): void {
    const { message, err: _, ...rest } = incident;
    defaultLogger().error(loggableRecord({ ...rest, reason: message }), MESSAGES.incident);
  },
};

/** Told of what fails in the keeper itself, which goes on: its sockets are all there is between a crash and its clients. */
export const keeperWitness = {
  ownFailure(error: unknown): void {
    keeperLog.warn({ err: error }, MESSAGES.keeperFailed);
  },
};

/** What became of a request that its worker has taken with it. */
export function describeLost(pid: number, how: string, request: Recorded | "torn", fate: Fate): Incident {
  const isAnswered = fate.becomes === "answered";
  const outcome = isAnswered
    ? "it got a complete 503"
    : "part of its response may have been out, so its connection was cut";
  const message = `Process ${pid} ended (${how}) while this request was in flight: ${outcome}.`;
  const known = request === "torn" ? { ray: null, colo: null, method: "", url: "", status: 0 } : request;
  const { ray, colo, method, url, status } = known;
  return {
    code: "KILLED",
    action: isAnswered ? "replaced" : "torn down",
    prevented: isAnswered ? 520 : null,
    message,
    ray,
    colo,
    clientIp: null,
    verified: false,
    method,
    url,
    status: isAnswered ? 503 : status || null,
    err: undefined,
  };
}

/** What became of a request for which there has been no worker in time. */
export function describeUnserved(request: Recorded, waitMs: number): Incident {
  const { ray, colo, method, url } = request;
  return {
    code: "NO_WORKER",
    action: "replaced",
    prevented: null,
    message: `No process of the app came to listen within ${waitMs} ms: it got a complete 503.`,
    ray,
    colo,
    clientIp: null,
    verified: false,
    method,
    url,
    status: 503,
    err: undefined,
  };
}
