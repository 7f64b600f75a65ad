import { setTimeout } from "../../clock.js";
import { RayguardError } from "../../errors.js";
import { type GraphqlError, type Refusal, refusalOf } from "./refusal.js";

/** How to reach the API. */
export interface TransportSettings {
  readonly endpoint: URL;
  readonly token: string;
  /** Longest wait for one answer, in milliseconds. */
  readonly timeoutMs: number;
  /** Longest wait for the rate limit, over all queries, in milliseconds. */
  readonly patienceMs: number;
  /** Told before each wait. */
  readonly onWait: (ms: number, why: string) => void;
}

export type Variables = Readonly<Record<string, string>>;

/** The API refused a query in a way that another query may get around. */
export class RefusedQuery extends Error {
  override readonly name = "RefusedQuery";
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(refusal.message);
    this.refusal = refusal;
  }
}

/** Waits before another try at a query that met a passing fault, in milliseconds. */
const RETRIES_MS = [500, 2_000];

/** First wait for the rate limit where the API does not say how long; doubled from then on. In milliseconds. */
const FIRST_WAIT_MS = 1_000;

/** Sends queries, one at a time, and keeps to the rate limit. */
export class Transport {
  #waitedMs = 0;
  /** Queries sent so far, refused ones among them. */
  queries = 0;

  constructor(private readonly settings: TransportSettings) {}

  /**
   * @returns `data` of the answer
   * @throws {RefusedQuery} where another query may do
   * @throws {RayguardError}
   */
  async ask(query: string, variables: Variables): Promise<unknown> {
    for (let attempt = 0, limited = 0; ; ) {
      const outcome = await this.#send(query, variables);
      if ("data" in outcome) return outcome.data;
      if (outcome.fault === "limit") await this.#waitForLimit(outcome.afterMs ?? FIRST_WAIT_MS * 2 ** limited++);
      else {
        const ms = RETRIES_MS[attempt++];
        if (ms === undefined)
          throw new RayguardError("ERR_RAYGUARD_ANALYTICS_UNAVAILABLE", `${outcome.message} Try again later.`);
        await delay(ms);
      }
    }
  }

  async #waitForLimit(ms: number): Promise<void> {
    const { patienceMs, onWait } = this.settings;
    this.#waitedMs += ms;
    if (this.#waitedMs > patienceMs) {
      throw new RayguardError(
        "ERR_RAYGUARD_ANALYTICS_RATE_LIMIT",
        "Cloudflare's rate limit is used up (300 queries in 5 minutes for a user). Try again in 5 minutes, with a shorter time range, or wait for longer.",
      );
    }
    onWait(ms, "Cloudflare's rate limit is used up");
    await delay(ms);
  }

  async #send(query: string, variables: Variables): Promise<Outcome> {
    const { endpoint, token, timeoutMs } = this.settings;
    this.queries++;
    let response: Response;
    let text: string;
    try {
      response = await fetch(endpoint, {
        method: "POST",
        // Never followed: the token is meant for this host and no other.
        redirect: "manual",
        headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json", Accept: "application/json" },
        body: JSON.stringify({ query, variables }),
        signal: AbortSignal.timeout(timeoutMs),
      });
      text = await response.text();
    } catch (error) {
      const { name, cause, message } = error as Error;
      const why = name === "TimeoutError" ? `no answer within ${timeoutMs / 1_000} s` : causeOf(cause) || message;
      return { fault: "passing", message: `${endpoint.host} cannot be asked: ${this.#safe(why)}.` };
    }
    return this.#read(response, text);
  }

  #read({ status, headers }: Response, text: string): Outcome {
    const { host } = this.settings.endpoint;
    if (status === 429) return { fault: "limit", afterMs: retryAfterMs(headers.get("retry-after")) };
    if (status >= 500) return { fault: "passing", message: `${host} answered ${status}.` };
    if (status >= 300 && status < 400) {
      throw new RayguardError(
        "ERR_RAYGUARD_ANALYTICS_UNAVAILABLE",
        `${host} answered with a redirect (${status}), which is not followed: it would pass the token on.`,
      );
    }
    let answer: { data?: unknown; errors?: GraphqlError[] | null };
    try {
      answer = JSON.parse(text);
    } catch {
      return { fault: "passing", message: `${host} answered ${status} with something that is no JSON.` };
    }
    const errors = Array.isArray(answer?.errors) ? answer.errors.filter((error) => error !== null) : [];
    const [first] = errors;
    const message = this.#safe(first?.message ?? "");
    if (status === 401 || status === 403) {
      throw new RayguardError(
        "ERR_RAYGUARD_ANALYTICS_TOKEN",
        `The API token was refused (${status}${message === "" ? "" : `: ${message}`}). It needs the permission Account Analytics: Read, or Analytics: Read of the zone, and must not have expired.`,
      );
    }
    if (first !== undefined) {
      const refusal = refusalOf(errors.map((error) => ({ ...error, message: this.#safe(error.message ?? "") })));
      if (refusal.kind === "rate limit") return { fault: "limit", afterMs: retryAfterMs(headers.get("retry-after")) };
      if (refusal.kind === "token")
        throw new RayguardError("ERR_RAYGUARD_ANALYTICS_TOKEN", `The API token was refused: ${refusal.message}.`);
      if (refusal.kind === "busy") return { fault: "passing", message: `The API cannot answer: ${refusal.message}.` };
      throw new RefusedQuery(refusal);
    }
    if (status >= 400 || answer?.data === undefined || answer.data === null) {
      throw new RayguardError(
        "ERR_RAYGUARD_ANALYTICS_UNAVAILABLE",
        `${host} answered ${status} without any data. Is it the GraphQL endpoint?`,
      );
    }
    return { data: answer.data };
  }

  /** What others write may quote what they were sent. */
  #safe(text: string): string {
    return text
      .replaceAll(this.settings.token, "[token]")
      .slice(0, 500)
      .replace(/[.\s]+$/, "");
  }
}

type Outcome =
  | { readonly data: unknown }
  | { readonly fault: "limit"; readonly afterMs: number | undefined }
  | { readonly fault: "passing"; readonly message: string };

function causeOf(cause: unknown): string {
  if (!(cause instanceof Error)) return "";
  // An AggregateError, of one try for each address, has no message of its own.
  const { code } = cause as NodeJS.ErrnoException;
  return cause.message || code || "";
}

/** `Retry-After` in seconds or as a date; in milliseconds. */
function retryAfterMs(value: string | null): number | undefined {
  if (value === null || value.trim() === "") return undefined;
  const seconds = Number(value);
  const ms = Number.isNaN(seconds) ? Date.parse(value) - Date.now() : seconds * 1_000;
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
