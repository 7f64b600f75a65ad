import type { RouteSettings } from "../options/options.js";
import { EDGE_EFFECTS, edgeEffectOf } from "../validity/edge-effects.js";

export type Action = "repaired" | "replaced" | "torn down" | "ignored" | "reported";

/** Status the edge would have shown without the guard, where it is known that it would have shown one of its own. */
export type Prevented = 520 | 522 | 524 | null;

/** What of a code can have been prevented, while no part of a response was with the recipient. */
function preventedBy(code: string): Prevented {
  const { shows } = EDGE_EFFECTS[edgeEffectOf(code)];
  // The edge's own 502 page takes the place of a response of the app: it is not one of its errors.
  return shows === 502 ? null : shows;
}

/** What made a response depart from intact. */
export interface Incident {
  /** Id of the rule that was broken, or a name from `EVENTS`; `rayguard rule` looks both up. */
  readonly code: string;
  readonly action: Action;
  readonly prevented: Prevented;
  /** One plain sentence: what was seen and what to do next. */
  readonly message: string;
  readonly ray: string | null;
  readonly colo: string | null;
  readonly clientIp: string | null;
  readonly verified: boolean;
  readonly method: string;
  readonly url: string;
  /** Status of the fallback, where there was one; of `KILLED`, what the edge showed. */
  readonly status: number | null;
  /** The error of the app behind it, where one is known. It is never sent to a client. */
  readonly err: unknown;
  /** How long the event loop was blocked, in milliseconds; with `BLOCKED` only. */
  readonly blockedMs?: number;
}

/** Codes of what is no rule about a message, but an event in the life of the app. */
export const EVENTS = {
  HANDLER_ERROR: "The app failed before it answered.",
  LATE_ERROR: "The app failed after its response was complete; the response went out unharmed.",
  LATE_WRITE:
    "The app wrote, or set a field, after its response was over; nothing of it was sent. Return after answering.",
  GATEWAY_STATUS:
    "The app's own 502 or 504 went out as 500 or 503, since the edge replaces the content of 502 and 504.",
  CLIENT_ERROR:
    "The request could not be parsed, or did not arrive in time; it was answered and the connection closed.",
  UNCAUGHT:
    "An exception that nobody caught came from this request, and the process has to end. Catch it where it is thrown.",
  CRASHING: "Refused: the process ends after an exception that nobody caught.",
  SHUTDOWN: "The process ended before the app had answered. Answer sooner, or raise shutdown.graceMs.",
  EXIT: "The app ended the process (process.exit) before it had answered. Let guard.drain() finish first.",
  RAW_WRITE:
    "Octets written straight to the socket were no complete valid response. Answer through the response object.",
  KILLED:
    "The process ended while this request was in flight; the next start reports it, or the keeper at once. Look for an OOM kill or a SIGKILL.",
  NO_WORKER: "Under a keeper: no process of the app came to listen in time. Look for why the last one ended.",
  BLOCKED:
    "The event loop was blocked: no request was read or answered meanwhile. See err for the code that ran; move such work to a thread or split it.",
  RECIPIENT_DEADLINE:
    "The recipient took nothing of the response for longer than recipientDeadlineMs; the connection was closed.",
  GUARD_FAULT:
    "Something of rayguard's own failed. It was contained, and the app goes on without it; please report it with err.",
  DIRECT: "The request did not come through the edge; it was refused with 403 (option direct).",
  OVERLOAD: "The process could not take the request; it was refused with 503 and Retry-After.",
} as const;

/** A reason to end an exchange in another way than the app had in mind. */
export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly prevented: Prevented;
  /** Status of the fallback while nothing is committed. */
  readonly status: number;
  readonly err?: unknown;
  /** Fields of a thrown error that are worth keeping (`err.headers`). */
  readonly headers?: Record<string, unknown> | undefined;
  /** The client has probably gone away: it is answered all the same, but that is no incident. */
  readonly clientGone?: boolean;
  /** The app asked for the connection to end: the fallback closes it. */
  readonly closes?: boolean;
  /** `Retry-After` of a 503, in seconds, where it is not the usual one. */
  readonly retryAfterS?: number;
  /** Counted and published, but not worth a line of its own. */
  readonly unlogged?: boolean;
  /** The app has not been given the response, and never will be: a 503 without anything of the app's. */
  readonly unseen?: boolean;
}

export function handlerError(err: unknown, status = 500, headers?: Record<string, unknown>): Failure {
  return {
    code: "HANDLER_ERROR",
    message: `${EVENTS.HANDLER_ERROR} See err; answer errors with an error handler of your own to choose the content.`,
    prevented: preventedBy("HANDLER_ERROR"),
    status,
    err,
    headers,
  };
}

/** An error on the socket of a connection that is neither the client's leaving nor one of the parser. */
export function socketFailed(err: unknown): Failure {
  return {
    code: "CLIENT_ERROR",
    message:
      "An error on the socket ended the connection before the response was complete. See err for where it is from.",
    prevented: 520,
    status: 400,
    err,
    closes: true,
  };
}

export function prematureClose(how: string, err?: unknown): Failure {
  return {
    code: "MC-2",
    message: `The app closed the connection (${how}) before a response was complete. Answer with an error status instead of closing.`,
    prevented: preventedBy("MC-2"),
    status: 500,
    err,
    closes: true,
  };
}

/** Failure for something a listener threw: the status it asks for, where it is a sane 4xx or 5xx. */
export function thrown(error: unknown): Failure {
  let status = 500;
  let headers: Record<string, unknown> | undefined;
  try {
    if (error !== null && typeof error === "object") {
      const { status: a, statusCode: b, headers: c } = error as Record<string, unknown>;
      const asked = [a, b].find(
        (value) => typeof value === "number" && Number.isInteger(value) && value >= 400 && value <= 599,
      );
      if (asked !== undefined) {
        status = asked as number;
        if (c !== null && typeof c === "object") headers = c as Record<string, unknown>;
      }
    }
  } catch {
    // a getter that throws: a plain 500 then
  }
  return handlerError(error, status, headers);
}

/** The app failed when there was nothing left to save. @param left - since the client had gone, and not by an answer */
export function lateError(status: number, err: unknown, left: boolean): Failure {
  const message = left ? "The app failed after its client had left: nobody waited for the rest." : EVENTS.LATE_ERROR;
  return { code: "LATE_ERROR", message, prevented: null, status, err };
}

export function firstByteDeadline(settings: Pick<RouteSettings, "firstByteDeadlineMs">): Failure {
  return {
    code: "MC-10",
    message: `No response within ${settings.firstByteDeadlineMs} ms. Find what the handler waits for, or give the route a longer deadline.`,
    prevented: preventedBy("MC-10"),
    status: 503,
  };
}

export function idleDeadline(settings: Pick<RouteSettings, "idleDeadlineMs">): Failure {
  return {
    code: "MC-10",
    message: `Nothing moved inside the response for ${settings.idleDeadlineMs} ms. Find the source that stalled, or give the route a longer deadline.`,
    prevented: preventedBy("MC-10"),
    status: 503,
  };
}

export function recipientDeadline(settings: Pick<RouteSettings, "recipientDeadlineMs">): Failure {
  return {
    code: "RECIPIENT_DEADLINE",
    message: `${EVENTS.RECIPIENT_DEADLINE} It was ${settings.recipientDeadlineMs} ms; octets of the request line are those that left.`,
    prevented: null,
    status: 503,
  };
}

export function shortContent(expected: number, sent: number): Failure {
  return {
    code: "MC-5",
    message: `Content-Length said ${expected} octets and the app wrote ${sent}. Set the length of what is really sent, or none.`,
    prevented: preventedBy("MC-5"),
    status: 500,
  };
}

export function longContent(expected: number, written: number): Failure {
  return {
    code: "MC-7",
    message: `Content-Length said ${expected} octets and the app wrote at least ${written}. Set the length of what is really sent, or none.`,
    prevented: preventedBy("MC-7"),
    status: 500,
  };
}

export function sourceFailed(err: unknown): Failure {
  return {
    code: "MC-9",
    message:
      "The source of a pipe() into the response failed in mid-content, which pipe() does not pass on. Use pipeline(), or destroy the response when the source fails.",
    prevented: preventedBy("MC-9"),
    status: 500,
    err,
  };
}

/**
 * A block of the event loop that is over.
 * @param stack - lines of a stack trace, where it could be read
 * @param readTimeoutMs - longest time the edge waits, in milliseconds
 */
export function blockedLoop(blockedMs: number, stack: string | null, readTimeoutMs: number): Incident {
  const err = new Error(`the event loop was blocked for ${blockedMs} ms`);
  err.stack = `${err.name}: ${err.message}${stack === null ? "" : `\n${stack}`}`;
  return {
    code: "BLOCKED",
    action: "reported",
    // What was waiting for longer than that got it; nothing here has kept it from happening.
    prevented: blockedMs > readTimeoutMs ? 524 : null,
    message: EVENTS.BLOCKED,
    ray: null,
    colo: null,
    clientIp: null,
    verified: false,
    method: "",
    url: "",
    status: null,
    err,
    blockedMs,
  };
}

/** Something of the guard's own has failed, on behalf of no request in particular. */
export function guardFault(err: unknown): Incident {
  return {
    code: "GUARD_FAULT",
    action: "ignored",
    prevented: null,
    message: EVENTS.GUARD_FAULT,
    ray: null,
    colo: null,
    clientIp: null,
    verified: false,
    method: "",
    url: "",
    status: null,
    err,
  };
}

export function ruleBroken(rule: string, found: string, status = 500): Failure {
  const message = rule in EVENTS ? found : `${found} Run npx rayguard rule ${rule} for more.`;
  return { code: rule, message, prevented: preventedBy(rule), status };
}

/** The process ends, and this request has to end with it. */
export function endOfProcess(code: "CRASHING" | "SHUTDOWN" | "EXIT"): Failure {
  return { code, message: EVENTS[code], prevented: preventedBy(code), status: 503, closes: code !== "CRASHING" };
}

/** A request that nobody vouches for. Its own line in the log tells: scans would else write two. */
export const DIRECT: Failure = {
  code: "DIRECT",
  message: `${EVENTS.DIRECT} If it did, see the option trust.`,
  prevented: null,
  status: 403,
  unlogged: true,
};

/** The request an uncaught exception came from. */
export function uncaught(err: unknown): Failure {
  return {
    code: "UNCAUGHT",
    message: EVENTS.UNCAUGHT,
    prevented: preventedBy("UNCAUGHT"),
    status: 500,
    err,
    closes: true,
  };
}
