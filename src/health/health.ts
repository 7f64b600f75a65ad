import type { IncomingMessage, ServerResponse } from "node:http";
import { containPromise, type Witness } from "../containment.js";
import { preferredType } from "../fallback/accept.js";
import { RETRY_AFTER_S } from "../fallback/content.js";
import { type HealthCheck, HealthChecks } from "./health-checks.js";
import { HEALTH_DEFAULTS, type HealthOptions } from "./health-options.js";

/** A request whose target a framework may have made another of, and kept the one that was sent. */
type RoutedRequest = IncomingMessage & { readonly originalUrl?: string };

type Question = "health" | "live" | "ready";

/** The health endpoints of a guard: Cloudflare health checks and load-balancing monitors ask them. */
export class Health {
  readonly #questions = new Map<string, Question>();
  readonly #paths: string[] = [];
  readonly #checks: HealthChecks;
  readonly #details: boolean | ((request: IncomingMessage) => boolean);
  readonly #isServing: () => boolean;
  readonly #overload: () => string | undefined;
  readonly #witness: Witness | undefined;

  /**
   * @param overload - why new work is being refused, where it is
   * @param witness - told of what fails in the guard itself
   */
  constructor(
    options: HealthOptions | false,
    isServing: () => boolean,
    overload: () => string | undefined,
    witness?: Witness,
  ) {
    this.#witness = witness;
    this.#isServing = isServing;
    this.#overload = overload;
    const given = options === false ? {} : options;
    const {
      path = HEALTH_DEFAULTS.path,
      livePath,
      readyPath,
      checks = {},
      timeoutMs = HEALTH_DEFAULTS.timeoutMs,
      cacheMs = HEALTH_DEFAULTS.cacheMs,
      details = HEALTH_DEFAULTS.details,
    } = given;
    this.#checks = new HealthChecks(timeoutMs, cacheMs);
    this.#details = details;
    if (options !== false) {
      this.#answerAt(path, "health");
      if (livePath !== undefined) this.#answerAt(livePath, "live");
      if (readyPath !== undefined) this.#answerAt(readyPath, "ready");
    }
    for (const [name, check] of Object.entries(checks)) this.register(name, check);
  }

  /** Adds a check, or replaces the one of that name. @throws {RayguardError} `ERR_RAYGUARD_INVALID_ARGUMENT` */
  register(name: string, check: HealthCheck): void {
    this.#checks.register(name, check);
  }

  /** Removes a check. @returns whether there was one */
  remove(name: string): boolean {
    return this.#checks.remove(name);
  }

  /** Paths of the endpoints; empty where the health check is off. */
  get paths(): readonly string[] {
    return this.#paths;
  }

  /** Whether a request is for one of the endpoints; the query does not matter. */
  matches(request: RoutedRequest): boolean {
    const url = request.originalUrl ?? request.url ?? "";
    for (const path of this.#paths) {
      if (url === path || (url.length > path.length && url.startsWith(path) && url[path.length] === "?")) return true;
    }
    return false;
  }

  /** Answers a request that `matches`. Never throws, never waits longer than `timeoutMs`. */
  answer(request: RoutedRequest, response: ServerResponse): void {
    if (request.method !== "GET" && request.method !== "HEAD") {
      send(request, response, 405, { status: "unknown" }, { Allow: "GET, HEAD" });
      return;
    }
    const url = request.originalUrl ?? request.url ?? "";
    const question = this.#questions.get(url.split("?", 1)[0] as string);
    if (question !== "live" && !this.#isServing()) {
      send(request, response, 503, { status: "draining", timestamp: new Date().toISOString() });
      return;
    }
    const reason = question === "live" ? undefined : this.#overload();
    if (reason !== undefined) {
      // Checks would only add to the load.
      send(request, response, 503, { status: "overloaded", reason, timestamp: new Date().toISOString() });
      return;
    }
    if (question === "live" || this.#checks.size === 0) {
      send(request, response, 200, { status: "healthy", timestamp: new Date().toISOString() });
      return;
    }
    const answered = this.#checks.results().then((checks) => {
      const healthy = Object.values(checks).every((result) => result.status === "healthy");
      const body = { status: healthy ? "healthy" : "unhealthy", timestamp: new Date().toISOString() };
      send(request, response, healthy ? 200 : 503, this.#admits(request) ? { ...body, checks } : body);
    });
    containPromise(this.#witness, answered);
  }

  #answerAt(path: string, question: Question): void {
    this.#questions.set(path, question);
    this.#paths.push(path);
  }

  #admits(request: IncomingMessage): boolean {
    if (typeof this.#details === "boolean") return this.#details;
    try {
      return this.#details(request) === true;
    } catch {
      return false;
    }
  }
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  content: object,
  headers: Record<string, string> = {},
): void {
  if (response.headersSent || response.writableEnded || response.destroyed) return;
  const body = `${JSON.stringify(content)}\n`;
  let type: string | undefined;
  try {
    type = preferredType(request, ["application/json", "application/health+json"]);
  } catch {
    // an Accept field beyond repair gets the default
  }
  response.writeHead(status, {
    "Content-Type": type ?? "application/json",
    "Content-Length": Buffer.byteLength(body),
    "Cache-Control": "no-store",
    ...(status === 503 ? { "Retry-After": String(RETRY_AFTER_S) } : {}),
    ...headers,
  });
  response.end(request.method === "HEAD" ? undefined : body);
}
