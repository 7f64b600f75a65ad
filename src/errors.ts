/**
 * Every code a `RayguardError` can carry; a code names the cause and is never reused.
 * docs/reference/codes.md lists the same codes, and a test compares the two.
 */
export const ERROR_CODES = {
  ERR_RAYGUARD_INVALID_OPTION: "an option has a value it cannot have",
  ERR_RAYGUARD_UNKNOWN_OPTION: "an option is not known",
  ERR_RAYGUARD_CONFIGURATION: "the configuration file of the program, or the variable RAYGUARD_OPTIONS, cannot be read",
  ERR_RAYGUARD_PROGRAM: "the program that is to be run is not there, or listens on nothing",
  ERR_RAYGUARD_NEVER_READY: "the program did not listen in time",
  ERR_RAYGUARD_LEDGER: "the directory for the ledgers of the keeper cannot be written",
  ERR_RAYGUARD_INVALID_ARGUMENT: "a method was called with a value it cannot take",
  ERR_RAYGUARD_UNSUPPORTED_SERVER: "the object to attach to is not a node:http, node:https or node:http2 server",
  ERR_RAYGUARD_UNSUPPORTED_RUNTIME: "the runtime is not a Node that the guard knows, and unsupportedRuntime is error",
  ERR_RAYGUARD_DEADLINE: "no response, or no more of it, within the deadline",
  ERR_RAYGUARD_CLIENT_GONE: "the client closed the connection before the response was complete",
  ERR_RAYGUARD_DRAINING: "the process is about to end",
  ERR_RAYGUARD_RANGES: "the published address ranges could not be refreshed; the list in force stays",
  ERR_RAYGUARD_INCOMPLETE: "what the app sent could not be completed",
  ERR_RAYGUARD_ANALYTICS_TOKEN: "the API of the edge refused the token, or the token may not read analytics",
  ERR_RAYGUARD_ANALYTICS_ZONE: "the token does not reach the zone, or there is no such zone",
  ERR_RAYGUARD_ANALYTICS_PLAN: "the plan of the zone has no such data",
  ERR_RAYGUARD_ANALYTICS_TIME_RANGE: "nothing of the time range can be counted",
  ERR_RAYGUARD_ANALYTICS_RATE_LIMIT:
    "the rate limit of the API is used up, and waiting for it would take longer than it may",
  ERR_RAYGUARD_ANALYTICS_UNAVAILABLE: "no answer of the API, or none that can be understood",
  ERR_RAYGUARD_ANALYTICS_QUERY: "the API refused the query for another reason",
} as const;

export type RayguardErrorCode = keyof typeof ERROR_CODES;

/** The one error class of the package: match on `code`, never on the message. */
export class RayguardError extends Error {
  override readonly name = "RayguardError";
  readonly code: RayguardErrorCode;

  constructor(code: RayguardErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}
