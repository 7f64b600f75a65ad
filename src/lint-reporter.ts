import type { Http1Exchange } from "./intercept/http1-exchange.js";
import { versionOf } from "./intercept/node-internals.js";
import { loggableUrl, MESSAGES } from "./log.js";
import type { FieldLine } from "./validity/head.js";
import type { LintSubject } from "./validity/lint.js";

type Lint = typeof import("./validity/lint.js")["lint"];

/** Routes are named by clients as much as by apps: without a bound, the memory of what was said would grow with them. */
const MOST_REMEMBERED = 5_000;

/** Runs the lint tier over finished header sections and reports each finding once per route and rule. */
export class LintReporter {
  readonly #said = new Set<string>();
  readonly #warn: (record: object, message: string) => void;
  #lint: Lint | undefined;

  constructor(warn: (record: object, message: string) => void) {
    this.#warn = warn;
    // Only development needs the rules, so only development loads them.
    void import("./validity/lint.js").then((module) => {
      this.#lint = module.lint;
    });
  }

  look(exchange: Http1Exchange, rendered: string): void {
    if (this.#lint === undefined) return;
    const { request } = exchange;
    const path = (request as { route?: { path?: unknown } }).route?.path ?? request.url?.split("?", 1)[0];
    const route = `${request.method} ${loggableUrl(String(path))}`;
    for (const { rule, found, advice } of this.#lint(subjectOf(exchange, rendered))) {
      const key = `${rule} ${route}`;
      if (this.#said.has(key) || this.#said.size >= MOST_REMEMBERED) continue;
      this.#said.add(key);
      this.#warn({ code: rule, route, found, advice }, MESSAGES.lint);
    }
  }
}

function subjectOf(exchange: Http1Exchange, rendered: string): LintSubject {
  const { request, response } = exchange;
  const fields: FieldLine[] = [];
  for (const line of rendered.split("\r\n").slice(1)) {
    const colon = line.indexOf(":");
    if (colon > 0) fields.push([line.slice(0, colon), line.slice(colon + 2)]);
  }
  return {
    request: {
      method: request.method ?? "",
      version: versionOf(request),
      headers: request.headers,
      encrypted: "encrypted" in request.socket,
    },
    head: { status: response.statusCode, reason: response.statusMessage, fields },
    contentOctets: response._contentLength ?? undefined,
    now: Date.now(),
  };
}
