import { IncomingMessage, type RequestListener, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { Socket } from "node:net";
import { RayguardError } from "./errors.js";
import { type Exchange, kExchange } from "./exchange.js";
import { Health } from "./health.js";
import type { HealthCheck } from "./health-checks.js";
import { EVENTS, type Failure, thrown } from "./incidents.js";
import { connectionOf } from "./intercept/connection.js";
import { Http1Exchange } from "./intercept/http1-exchange.js";
import { Http2Exchange } from "./intercept/http2.js";
import { interceptHttp2Server } from "./intercept/http2-server.js";
import { carryLayer, layerFor, layOverPrototypes } from "./intercept/layers.js";
import { guardedListener } from "./intercept/listeners.js";
import { hasInternals, type NodeResponse } from "./intercept/node-internals.js";
import { loadParser } from "./intercept/raw-response.js";
import { guardsOf, isHttp1Server, isServer, isSocket } from "./intercept/recognise.js";
import { interceptServer } from "./intercept/server.js";
import { SimulatedExchange } from "./intercept/simulated.js";
import { SocketExchange } from "./intercept/socket-exchange.js";
import type { Gauges } from "./lifecycle/gauges.js";
import { keepAlive } from "./lifecycle/keep-alive.js";
import { Overload } from "./lifecycle/overload.js";
import { LintReporter } from "./lint-reporter.js";
import { type Logger, MESSAGES } from "./log.js";
import { type GuardOptions, type RouteSettings, resolveOptions, resolveRoute } from "./options.js";
import type { GuardStats } from "./stats.js";
import { Supervision } from "./supervision.js";

/** Looks after every response of the servers it is attached to. */
export interface Guard {
  /** `"closed"` after `close()`. */
  readonly state: "serving" | "closed";
  /** Registers and removes health checks. */
  readonly health: { register(name: string, check: HealthCheck): void; remove(name: string): boolean };
  /** Guards every request of a server; returns it. Attaching twice changes nothing. */
  attach<T extends object>(server: T): T;
  /** Wraps a request listener, sync or async, so that nothing it throws escapes. */
  listener(listener: RequestListener): RequestListener;
  /** Counts since the guard was made. */
  stats(): GuardStats;
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
  /** Says which requests can be taken; undefined where nobody limits them. */
  readonly overload: Overload | undefined;
  readonly #detach = new Map<object, () => void>();
  readonly #met = new WeakSet<object>();
  #state: "serving" | "closed" = "serving";
  /** What an adapter does with an application that turns out to be the listener of a server. */
  meetsApp: ((app: AppListener) => void) | undefined;

  /** @param gauges - what `overload` goes by, where it is not this process */
  constructor(options?: GuardOptions, gauges?: Gauges) {
    const settings = resolveOptions(options);
    this.supervision = new Supervision(settings);
    const tell = (record: object, message: string) => this.supervision.warn(record, message);
    this.overload = settings.overload ? new Overload(settings.overload, this.enforces, tell, gauges) : undefined;
    const isServing = () => this.#state === "serving";
    this.health = new Health(settings.health, isServing, () => this.overload?.reason);
    if (settings.lint) {
      const reporter = new LintReporter(tell);
      this.supervision.rendered = (exchange, section) => reporter.look(exchange as Http1Exchange, section);
    }
    void loadParser();
    this.attach = this.attach.bind(this);
    this.listener = this.listener.bind(this);
  }

  get state(): "serving" | "closed" {
    return this.#state;
  }

  get enforces(): boolean {
    return this.supervision.enforces;
  }

  stats(): GuardStats {
    return this.supervision.counters.snapshot(this.overload?.queued, this.overload?.shed);
  }

  attach<T extends object>(server: T): T {
    if (!isServer(server)) {
      throw new RayguardError(
        "ERR_RAYGUARD_UNSUPPORTED_SERVER",
        `attach() takes a server of node:http, node:https or node:http2; got ${server === null ? "null" : typeof server}.`,
      );
    }
    const guards = guardsOf(server);
    if (guards.has(this) || this.#state === "closed") return server;
    guards.add(this);
    this.overload?.start();
    if (guards.size > 1) {
      // The first guard does the work; this one takes part where it is mounted, with its own numbers.
      this.#detach.set(server, () => guards.delete(this));
      return server;
    }
    const http1 = isHttp1Server(server) ? server : null;
    const restore = http1 === null ? interceptHttp2Server(server, this) : interceptServer(http1, this);
    const relax = http1 !== null && this.enforces ? keepAlive(http1, this.supervision.settings) : () => {};
    this.#detach.set(server, () => {
      guards.delete(this);
      restore();
      relax();
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

  close(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    for (const detach of this.#detach.values()) detach();
    this.#detach.clear();
    this.overload?.close();
    this.supervision.close();
  }

  // -- for the adapters and the interception -------------------------------------------------------------------------

  /** Finds or opens the exchange of a request that reached a listener, a middleware or a hook. */
  accept(request: IncomingMessage, response: ServerResponse): Exchange {
    const known = (response as { [kExchange]?: Exchange })[kExchange];
    if (known !== undefined) {
      if (known.supervisor !== this.supervision) this.#nest(known);
      return known;
    }
    if (request.httpVersionMajor >= 2)
      return this.openHttp2(request as unknown as Http2ServerRequest, response as unknown as Http2ServerResponse);
    if (!hasInternals(response) || !isSocket(response.socket ?? request.socket)) {
      const exchange = new SimulatedExchange(this.supervision, this.supervision.settings, request, response);
      showContext(request, exchange);
      this.supervision.opened(exchange);
      return exchange;
    }
    const { server } = request.socket as Socket & { server?: object };
    if (server !== undefined && this.#state === "serving" && "listening" in server) {
      try {
        this.attach(server);
      } catch (error) {
        this.supervision.warn({ err: error }, MESSAGES.attachFailed);
      }
    }
    return this.open(request, response);
  }

  open(request: IncomingMessage, response: NodeResponse): Http1Exchange {
    const known = (response as { [kExchange]?: Http1Exchange })[kExchange];
    if (known !== undefined) return known;
    const { supervision } = this;
    const { settings } = supervision;
    const connection = connectionOf(request.socket);
    const exchange = new Http1Exchange(supervision, settings, request, response, layerFor(response).native, connection);
    (response as { [kExchange]?: Http1Exchange })[kExchange] = exchange;
    (request as { [kExchange]?: Http1Exchange })[kExchange] = exchange;
    connection.add(exchange);
    supervision.opened(exchange);
    return exchange;
  }

  openSocket(request: IncomingMessage | null, socket: Socket, otherwise: Failure): SocketExchange {
    const exchange = new SocketExchange(
      this.supervision,
      this.supervision.settings,
      request,
      connectionOf(socket),
      otherwise,
    );
    this.supervision.opened(exchange);
    return exchange;
  }

  openHttp2(request: Http2ServerRequest, response: Http2ServerResponse): Exchange {
    const known = (response as { [kExchange]?: Exchange })[kExchange];
    if (known !== undefined) return known;
    const { settings } = this.supervision;
    const exchange = new Http2Exchange(this.supervision, settings, request, response);
    showContext(request, exchange);
    this.supervision.opened(exchange);
    return exchange;
  }

  answers(exchange: Exchange): boolean {
    const { request } = exchange;
    if (request === null) return false;
    const url = (request as IncomingMessage & { originalUrl?: string }).originalUrl ?? request.url ?? "";
    if (!this.health.matches(url) || exchange.quiet) return exchange.quiet;
    exchange.quiet = true;
    this.health.answer(request, responseOf(exchange), url);
    return true;
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

  meet(listener: object, exchange: Exchange): void {
    if (!(exchange instanceof Http1Exchange) || this.#met.has(listener)) return;
    this.#met.add(listener);
    const app = listener as Partial<AppListener>;
    if (app.response instanceof ServerResponse && app.request instanceof IncomingMessage) {
      layOverPrototypes(app.response, app.request);
      this.meetsApp?.(app as AppListener);
    } else carryLayer(exchange);
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

  /** A guard inside another one: the outer keeps the exchange, this one's numbers count. */
  #nest(exchange: Exchange): void {
    exchange.settings = this.supervision.settings;
    exchange.supervisor.watch(exchange);
  }
}

function responseOf(exchange: Exchange): ServerResponse {
  return (exchange as Exchange & { response: ServerResponse }).response;
}

/** Gives a request `rayguard` where its prototype has none. */
function showContext(request: object, exchange: Exchange): void {
  if (!("rayguard" in request))
    Object.defineProperty(request, "rayguard", { configurable: true, get: () => exchange.context });
}
