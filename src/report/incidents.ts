import { EDGE_EFFECTS, edgeEffectOf } from "../validity/edge-effects.js";
import { EVENTS } from "./events.js";

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

/** One whose code says what the edge would have shown. */
function failureOf(code: string, message: string, rest: Partial<Failure> = {}): Failure {
  return { code, message, prevented: preventedBy(code), status: 500, ...rest };
}

export function handlerError(err: unknown, status = 500, headers?: Record<string, unknown>): Failure {
  const advice = "See err; answer errors with an error handler of your own to choose the content.";
  return failureOf("HANDLER_ERROR", `${EVENTS.HANDLER_ERROR} ${advice}`, { status, err, headers });
}

/** An error on the socket of a connection that is neither the client's leaving nor one of the parser. */
export function socketFailed(err: unknown): Failure {
  const message =
    "An error on the socket ended the connection before the response was complete. See err for where it is from.";
  return { code: "CLIENT_ERROR", message, prevented: 520, status: 400, err, closes: true };
}

/** Octets of the app's own on the socket that cannot be its response. */
export function rawWrite(rest: Partial<Failure> = {}): Failure {
  return failureOf("RAW_WRITE", EVENTS.RAW_WRITE, rest);
}

export function prematureClose(how: string, err?: unknown): Failure {
  const message = `The app closed the connection (${how}) before a response was complete. Answer with an error status instead of closing.`;
  return failureOf("MC-2", message, { err, closes: true });
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

/** The app has done something to a response that is over. */
export function lateWrite(status: number, err?: unknown): Failure {
  return { code: "LATE_WRITE", message: EVENTS.LATE_WRITE, prevented: null, status, err };
}

export function firstByteDeadline({ firstByteDeadlineMs: ms }: { firstByteDeadlineMs: number | false }): Failure {
  const message = `No response within ${ms} ms. Find what the handler waits for, or give the route a longer deadline.`;
  return failureOf("MC-10", message, { status: 503 });
}

export function idleDeadline({ idleDeadlineMs: ms }: { idleDeadlineMs: number | false }): Failure {
  const message = `Nothing moved inside the response for ${ms} ms. Find the source that stalled, or give the route a longer deadline.`;
  return failureOf("MC-10", message, { status: 503 });
}

export function recipientDeadline({ recipientDeadlineMs: ms }: { recipientDeadlineMs: number | false }): Failure {
  const message = `${EVENTS.RECIPIENT_DEADLINE} It was ${ms} ms; octets of the request line are those that left.`;
  return failureOf("RECIPIENT_DEADLINE", message, { status: 503 });
}

export function shortContent(expected: number, sent: number): Failure {
  return failureOf("MC-5", `Content-Length said ${expected} octets and the app wrote ${sent}. ${SET_LENGTH}`);
}

export function longContent(expected: number, written: number): Failure {
  return failureOf(
    "MC-7",
    `Content-Length said ${expected} octets and the app wrote at least ${written}. ${SET_LENGTH}`,
  );
}

/** Content of another length than was announced. */
export function otherLength(expected: number, sent: number): Failure {
  return (sent > expected ? longContent : shortContent)(expected, sent);
}

const SET_LENGTH = "Set the length of what is really sent, or none.";

export function sourceFailed(err: unknown): Failure {
  const message =
    "The source of a pipe() into the response failed in mid-content, which pipe() does not pass on. Use pipeline(), or destroy the response when the source fails.";
  return failureOf("MC-9", message, { err });
}

/** What an incident says that is about no request in particular. */
const OF_NO_REQUEST = {
  ray: null,
  colo: null,
  clientIp: null,
  verified: false,
  method: "",
  url: "",
  status: null,
} as const;

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
    ...OF_NO_REQUEST,
    err,
    blockedMs,
  };
}

/** Something of the guard's own has failed, on behalf of no request in particular. */
export function guardFault(err: unknown): Incident {
  const { GUARD_FAULT: message } = EVENTS;
  return { code: "GUARD_FAULT", action: "ignored", prevented: null, message, ...OF_NO_REQUEST, err };
}

export function ruleBroken(rule: string, found: string, status = 500): Failure {
  return failureOf(rule, rule in EVENTS ? found : `${found} Run npx rayguard rule ${rule} for more.`, { status });
}

/** The process ends, and this request has to end with it. */
export function endOfProcess(code: "CRASHING" | "SHUTDOWN" | "EXIT"): Failure {
  return failureOf(code, EVENTS[code], { status: 503, closes: code !== "CRASHING" });
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
  return failureOf("UNCAUGHT", EVENTS.UNCAUGHT, { err, closes: true });
}

/** A request that the process, or the server, has no room for. */
export function overloaded(
  message: string,
  retryAfterS: number,
  prevented: Prevented,
  rest: Partial<Failure>,
): Failure {
  return { code: "OVERLOAD", message: `${EVENTS.OVERLOAD} ${message}`, prevented, status: 503, retryAfterS, ...rest };
}
