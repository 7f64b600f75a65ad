import type { IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";
import { contain, containPromise, type Witness } from "../containment.js";
import type { Exchange, Supervisor } from "../exchange/exchange.js";
import { fieldLinesIn, statusIn } from "../http/message.js";
import { versionOf } from "../http1/node/node-internals.js";
import type { LintSubject } from "../validity/head.js";
import { loggableUrl, MESSAGES } from "./log.js";

type Lint = typeof import("../validity/lint.js")["lint"];

/** Routes are named by clients as much as by apps: without a bound, the memory of what was said would grow with them. */
const MOST_REMEMBERED = 5_000;

/** Runs the lint tier over finished header sections and reports each finding once per route and rule. */
export class LintReporter {
  readonly #said = new Set<string>();
  #lint: Lint | undefined;

  constructor(private readonly listener: Witness & Pick<Supervisor, "warn">) {
    // Only development needs the rules, so only development loads them.
    const loaded = import("../validity/lint.js").then((module) => {
      this.#lint = module.lint;
    });
    containPromise(listener, loaded);
  }

  readonly look = (exchange: Exchange, rendered: string): void => {
    contain(this.listener, () => this.#look(exchange, rendered));
  };

  #look(exchange: Exchange, rendered: string): void {
    if (this.#lint === undefined || !exchange.terms.lint) return;
    const { request } = exchange;
    if (request === null) return;
    const path = (request as { route?: { path?: unknown } }).route?.path ?? request.url?.split("?", 1)[0];
    const route = `${request.method} ${loggableUrl(String(path))}`;
    for (const { rule, found, advice } of this.#lint(subjectOf(exchange, request, rendered))) {
      const key = `${rule} ${route}`;
      if (this.#said.has(key) || this.#said.size >= MOST_REMEMBERED) continue;
      this.#said.add(key);
      this.listener.warn({ code: rule, route, found, advice }, MESSAGES.lint);
    }
  }
}

function subjectOf(exchange: Exchange, request: IncomingMessage, rendered: string): LintSubject {
  return {
    request: {
      method: request.method ?? "",
      version: versionOf(request),
      headers: request.headers,
      encrypted: (request.socket as Partial<TLSSocket> | undefined)?.encrypted === true,
    },
    head: { status: statusIn(rendered), fields: fieldLinesIn(rendered) },
    contentOctets: exchange.knownLength,
    now: Date.now(),
  };
}
