import { IncomingMessage, type RequestListener, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse, ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import { RayguardError } from "./errors.js";
import { type Exchange, kExchange } from "./exchange.js";
import { HEALTH_DEFAULTS, Health } from "./health.js";
import type { HealthCheck } from "./health-checks.js";
import { DIRECT, EVENTS, type Failure, thrown } from "./incidents.js";
import { attachTo } from "./intercept/attach.js";
import { Http1Exchange } from "./intercept/http1-exchange.js";
import { carryLayer, layOverPrototypes } from "./intercept/layers.js";
import { guardedListener } from "./intercept/listeners.js";
import { hasInternals, type NodeResponse } from "./intercept/node-internals.js";
import { openHttp1, openHttp2, openSimulated, openSocket } from "./intercept/open-exchange.js";
import { guardsOf, isServer, isSocket } from "./intercept/recognise.js";
import type { SocketExchange } from "./intercept/socket-exchange.js";
import { enterExchange } from "./lifecycle/current-exchange.js";
import type { Closing } from "./lifecycle/drain.js";
import { type DrainOptions, Ending } from "./lifecycle/ending.js";
import type { Gauges } from "./lifecycle/gauges.js";
import { requestHeaderLimit } from "./lifecycle/keep-alive.js";
import { Overload } from "./lifecycle/overload.js";
import { startWatchdog } from "./lifecycle/watchdog.js";
import { LintReporter } from "./lint-reporter.js";
import { type Logger, MESSAGES } from "./log.js";
import { kObserve, type Observer } from "./observation.js";
import { type GuardOptions, type RouteSettings, resolveOptions } from "./options.js";
import { resolveRoute } from "./route-settings.js";
import type { GuardStats } from "./stats.js";
import { Supervision } from "./supervision.js";
import { callerOf } from "./trust/caller.js";

/** Looks after every response of the servers it is attached to. */
export interface Guard {
  /** `"draining"` from `drain()` or a signal on, `"closed"` after `close()`. */
  readonly state: "serving" | "draining" | "closed";
  /** Registers and removes health checks. */
  readonly health: { register(name: string, check: HealthCheck): void; remove(name: string): boolean };
  /** Guards every request of a server; returns it. Attaching twice changes nothing. */
  attach<T extends object>(server: T): T;
  /** Wraps a request listener, sync or async, so that nothing it throws escapes. */
  listener(listener: RequestListener): RequestListener;
  /** Counts since the guard was made. */
  stats(): GuardStats;
  /**
   * Fails readiness, lets requests finish, closes connections behind them and then the listeners; what is left after
   * `graceMs` is ended with a complete 503 or a visible cut. Runs the hooks of `onDrained` last. A second call waits for
   * the first.
   * @throws {RayguardError} `ERR_RAYGUARD_INVALID_OPTION`
   */
  drain(options?: DrainOptions): Promise<void>;
  /**
   * Adds something to do once every request is answered, such as closing a database; hooks run one after the other, in
   * the order in which they were added. One that takes longer than `timeoutMs` (5 000 unless given) is left behind.
   */
  onDrained(hook: () => unknown, options?: { timeoutMs?: number }): void;
  /** Detaches from every server and stops every timer; responses under way keep their protection, but no deadline. */
  close(): void;
}

/**
 * Makes a guard.
 * @throws {RayguardError} `ERR_RAYGUARD_UNKNOWN_OPTION`, `ERR_RAYGUARD_INVALID_OPTION`
 */
export function createGuard(options?: GuardOptions): Guard {
  return new GuardCore(options);
}

/** A request listener that carries the prototypes of its requests and responses, as an application of Express does. */
export interface AppListener {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** What the adapters see of a guard. */
export class GuardCore implements Guard {
  readonly health: Health;
  readonly supervision: Supervision;
  /** Sockets that have been handed over to another protocol, with the request that asked for it. */
  readonly upgraded = new Map<Socket, SocketExchange>();
  /** Sessions of HTTP/2 that are open. */
  readonly sessions = new Set<ServerHttp2Session>();
  /** Says which requests can be taken; undefined where nobody limits them. */
  readonly overload: Overload | undefined;
  /** How it ends, and what the end of the process has to do with it. */
  readonly ending: Ending;
  readonly #detach = new Map<object, () => void>();
  readonly #met = new WeakSet<object>();
  readonly #attributes: boolean;
  #stopWatchdog: (() => void) | undefined;
  /** What an adapter does with an application that turns out to be the listener of a server. */
  meetsApp: ((app: AppListener) => void) | undefined;

  /** @param gauges - what `overload` goes by, where it is not this process */
  constructor(options?: GuardOptions, gauges?: Gauges) {
    const settings = resolveOptions(options);
    this.#attributes = settings.crash !== false;
    const tell = (record: object, message: string) => this.supervision.warn(record, message);
    this.overload =
      settings.overload === false
        ? undefined
        : new Overload(settings.overload, settings.mode === "enforce", tell, gauges);
    const isServing = () => this.state === "serving";
    this.health = new Health(settings.health, isServing, () => this.overload?.reason);
    this.supervision = new Supervision(settings); // last, since it opens the file of the recorder: nothing may throw now
    this.ending = new Ending(this);
    if (settings.lint) {
      const reporter = new LintReporter(tell);
      this.supervision.rendered = (exchange, section) => reporter.look(exchange as Http1Exchange, section);
    }
    this.attach = this.attach.bind(this);
    this.listener = this.listener.bind(this);
  }

  get state(): Guard["state"] {
    return this.ending.state;
  }

  get servers(): Iterable<object> {
    return this.#detach.keys();
  }

  get enforces(): boolean {
    return this.supervision.enforces;
  }

  stats(): GuardStats {
    return this.supervision.counters.snapshot(this.state, this.overload?.queued, this.overload?.shed);
  }

  attach<T extends object>(server: T): T {
    if (!isServer(server)) {
      throw new RayguardError(
        "ERR_RAYGUARD_UNSUPPORTED_SERVER",
        `attach() takes a server of node:http, node:https or node:http2; got ${server === null ? "null" : typeof server}.`,
      );
    }
    const guards = guardsOf(server);
    if (guards.has(this) || this.state === "closed") return server;
    guards.add(this);
    if (this.enforces) this.ending.join();
    this.overload?.start();
    if (guards.size > 1) {
      // The first guard does the work; this one takes part where it is mounted, with its own numbers.
      this.#detach.set(server, () => guards.delete(this));
      return server;
    }
    this.#watch();
    const detach = attachTo(server, this);
    this.#detach.set(server, () => {
      guards.delete(this);
      detach();
    });
    return server;
  }

  listener(listener: RequestListener): RequestListener {
    if (typeof listener !== "function") {
      throw new RayguardError(
        "ERR_RAYGUARD_INVALID_ARGUMENT",
        `listener() takes a request listener; got ${typeof listener}.`,
      );
    }
    return guardedListener(this, listener);
  }

  drain(options?: DrainOptions, closing: Closing = "in a quiet moment"): Promise<void> {
    return this.ending.drain(closing, options);
  }

  onDrained(hook: () => unknown, options: { timeoutMs?: number } = {}): void {
    this.ending.onDrained(hook, options.timeoutMs);
  }

  close(): void {
    if (this.state === "closed") return;
    this.ending.close();
    for (const detach of this.#detach.values()) detach();
    this.#detach.clear();
    this.#stopWatchdog?.();
    this.overload?.close();
    this.supervision.close();
  }

  // -- for the adapters and the interception -------------------------------------------------------------------------

  [kObserve](observer: Observer): () => void {
    return this.supervision.observe(observer);
  }

  /** Finds or opens the exchange of a request that reached a listener, a middleware or a hook. */
  accept(request: IncomingMessage, response: ServerResponse): Exchange {
    const exchange = this.#exchangeOf(request, response);
    // A guard inside another one does not have it.
    if (exchange.supervisor === this.supervision) this.supervision.running(exchange);
    return exchange;
  }

  #exchangeOf(request: IncomingMessage, response: ServerResponse): Exchange {
    const known = (response as { [kExchange]?: Exchange })[kExchange];
    if (known !== undefined) {
      if (known.supervisor !== this.supervision) this.#nest(known);
      return known;
    }
    if (request.httpVersionMajor >= 2)
      return this.openHttp2(request as unknown as Http2ServerRequest, response as unknown as Http2ServerResponse);
    if (!hasInternals(response) || !isSocket(response.socket ?? request.socket))
      return openSimulated(this.supervision, request, response);
    const { server } = request.socket as Socket & { server?: object };
    if (server !== undefined && this.state === "serving" && "listening" in server) {
      try {
        this.attach(server);
      } catch (error) {
        this.supervision.warn({ err: error }, MESSAGES.attachFailed);
      }
    }
    return this.open(request, response);
  }

  open(request: IncomingMessage, response: NodeResponse): Http1Exchange {
    return openHttp1(this.supervision, request, response);
  }

  openSocket(request: IncomingMessage | null, socket: Socket, otherwise: Failure, method?: string): SocketExchange {
    const exchange = openSocket(this.supervision, request, socket, otherwise, method);
    if (request !== null) {
      this.upgraded.set(socket, exchange);
      socket.once("close", () => this.upgraded.delete(socket));
    }
    return exchange;
  }

  openHttp2(request: Http2ServerRequest, response: Http2ServerResponse): Exchange {
    return openHttp2(this.supervision, request, response);
  }

  answers(exchange: Exchange): boolean {
    const { request } = exchange;
    if (request === null) return false;
    const url = (request as IncomingMessage & { originalUrl?: string }).originalUrl ?? request.url ?? "";
    if (!this.health.matches(url) || exchange.quiet) {
      const { refusal } = this.ending;
      if (exchange.quiet) return true;
      return refusal === undefined ? this.refusesDirect(exchange) : exchange.fail(refusal);
    }
    exchange.quiet = true;
    this.supervision.recorder?.end(exchange); // nobody misses a health check
    this.health.answer(request, responseOf(exchange), url);
    return true;
  }

  /** Refuses a request that nobody vouches for, where the option `direct` asks for that. @returns true where it has */
  refusesDirect(exchange: Exchange): boolean {
    if (this.supervision.settings.direct !== "reject") return false;
    return !callerOf(exchange).verified && exchange.fail(DIRECT);
  }

  /**
   * Something threw on behalf of an exchange.
   * @param rethrows - nobody else has seen the error: where the guard only reports, it must go on its way
   */
  failed(exchange: Exchange, error: unknown, rethrows = false): void {
    const taken = exchange.fail(thrown(error));
    if (!this.enforces && rethrows) throw error;
    if (taken || !this.enforces) return;
    const { status } = exchange;
    exchange.late({ code: "LATE_ERROR", message: EVENTS.LATE_ERROR, prevented: null, status, err: error });
  }

  enter(exchange: Exchange): void {
    if (this.#attributes && exchange.trace === undefined) enterExchange(exchange);
  }

  meet(listener: object, exchange: Exchange): void {
    if (!(exchange instanceof Http1Exchange) || this.#met.has(listener)) return;
    this.#met.add(listener);
    const app = listener as Partial<AppListener>;
    if (app.response instanceof ServerResponse && app.request instanceof IncomingMessage) {
      layOverPrototypes(app.response, app.request);
      this.meetsApp?.(app as AppListener);
    } else carryLayer(exchange);
  }

  requestHeadersTooLarge(server: object): void {
    this.supervision.largeRequestHeaders(requestHeaderLimit(server));
  }

  useLogger(logger: Logger): void {
    this.supervision.useLogger(logger);
  }

  /** Numbers a route sets for itself. @throws {RayguardError} when one of them is no such number */
  route(options: Partial<RouteSettings>): (exchange: Exchange) => void {
    const resolved = resolveRoute(options, this.supervision.settings);
    return (exchange) => {
      exchange.settings = resolved;
      this.supervision.watch(exchange);
    };
  }

  /** Starts the watchdog with the first server there is to watch over. */
  #watch(): void {
    const { settings } = this.supervision;
    const { watchdog, edge, logger } = settings;
    if (watchdog === false || this.#stopWatchdog !== undefined) return;
    const { paths } = this.health;
    const tellAfterMs = logger === false ? null : edge.readTimeoutMs;
    this.#stopWatchdog = startWatchdog(
      watchdog,
      paths.length > 0 ? paths : [HEALTH_DEFAULTS.path],
      tellAfterMs,
      this.supervision,
    );
  }

  /** A guard inside another one: the outer keeps the exchange, this one's numbers count. */
  #nest(exchange: Exchange): void {
    exchange.settings = this.supervision.settings;
    exchange.supervisor.watch(exchange);
  }
}

function responseOf(exchange: Exchange): ServerResponse {
  return (exchange as Exchange & { response: ServerResponse }).response;
}
