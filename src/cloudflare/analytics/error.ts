/** Why Cloudflare's analytics could not be asked. Closed and stable: callers match on it. */
export type AnalyticsErrorCode =
  /** The token was refused, or may not read analytics. */
  | "TOKEN"
  /** The token is valid, but does not reach the zone, or there is no such zone. */
  | "ZONE"
  /** The plan of the zone has no such data. */
  | "PLAN"
  /** Nothing of the time range can be asked for. */
  | "TIME_RANGE"
  /** The rate limit is used up, and waiting for it would take longer than it may. */
  | "RATE_LIMIT"
  /** No answer, or none that can be understood. */
  | "UNAVAILABLE"
  /** The API refused the query for another reason. */
  | "QUERY"
  /** An argument cannot be used. */
  | "ARGUMENT";

/** Cloudflare's analytics could not be asked. Its message never holds the token. */
export class AnalyticsError extends Error {
  override readonly name = "AnalyticsError";
  readonly code: AnalyticsErrorCode;

  constructor(code: AnalyticsErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
