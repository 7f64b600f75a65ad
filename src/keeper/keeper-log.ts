import type { Recorded } from "../recorder/slots.js";
import type { Incident } from "../report/incidents.js";
import { defaultLogger, MESSAGES } from "../report/log.js";
import { loggableRecord } from "../report/loggable.js";
import { ANSWER_STATUS } from "./fate.js";

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
export function describeLost(
  pid: number,
  how: string,
  request: Recorded | "torn",
  becomes: "answered" | "cut",
): Incident {
  const known = request === "torn" ? { ray: null, colo: null, method: "", url: "", status: 0 } : request;
  const told = `Process ${pid} ended (${how}) while this request was in flight`;
  if (becomes === "answered")
    return answered(known, { code: "KILLED", prevented: 520, message: `${told}: it got a complete 503.` });
  const message = `${told}: part of its response may have been out, so its connection was cut.`;
  const fate = { action: "torn down", status: known.status || null } as const;
  return { ...incidentOf(known), ...fate, code: "KILLED", prevented: null, message };
}

/** What became of a request for which there has been no worker. @param waitMs - in this time; null if the program ends */
export function describeUnserved(request: Recorded, waitMs: number | null): Incident {
  const why = waitMs === null ? "The program had ended" : `No process of the app came to listen within ${waitMs} ms`;
  const message = `${why}: it got a complete 503.`;
  return answered(request, { code: "NO_WORKER", prevented: null, message });
}

/** What became of a request whose connection did not arrive in its worker. */
export function describeLostOnTheWay(request: Recorded): Incident {
  const message = "The process of the app had no file descriptor left for its connection: it got a complete 503.";
  return answered(request, { code: "NO_WORKER", prevented: null, message });
}

type Requested = Pick<Recorded, "ray" | "colo" | "method" | "url">;

function answered(request: Requested, told: Pick<Incident, "code" | "prevented" | "message">): Incident {
  return { ...incidentOf(request), ...told, action: "replaced", status: ANSWER_STATUS };
}

/** What every incident of the keeper's says of its request. */
function incidentOf({ ray, colo, method, url }: Requested) {
  return { ray, colo, clientIp: null, verified: false, method, url, err: undefined };
}
