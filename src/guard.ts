import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { Socket } from "node:net";
import { RayguardError } from "./errors.js";
import { type Exchange, kExchange } from "./exchange.js";
import { Health, type HealthCheck } from "./health.js";
import { EVENTS, type Failure } from "./incidents.js";
import { connectionOf } from "./intercept/connection.js";
import { Http1Exchange } from "./intercept/http1-exchange.js";
import { Http2Exchange } from "./intercept/http2.js";
import { interceptHttp2Server } from "./intercept/http2-server.js";
import { hasInternals, type NodeResponse } from "./intercept/node-internals.js";
import { guardRequestPrototype } from "./intercept/request.js";
import { createLayer, type Layer, layerOf, layOver } from "./intercept/response.js";
import { type Http1Server, interceptServer, thrown } from "./intercept/server.js";
import { SimulatedExchange } from "./intercept/simulated.js";
import { SocketExchange } from "./intercept/socket-exchange.js";
import { keepAlive } from "./lifecycle/keep-alive.js";
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

const kGuards: unique symbol = Symbol.for("rayguard.guards") as never;

/**
 * Makes a guard.
 * @throws {RayguardError} `ERR_RAYGUARD_UNKNOWN_OPTION`, `ERR_RAYGUARD_INVALID_OPTION`
 */
export function createGuard(options?: GuardOptions): Guard {
  return new GuardCore(options);
}

/** What the adapters see of a guard. */
export class GuardCore implements Guard {
  readonly health: Health;
  readonly supervision: Supervision;
  readonly #detach = new Map<object, () => void>();
  #state: "serving" | "closed" = "serving";

  constructor(options?: GuardOptions) {
    const settings = resolveOptions(options);
    this.supervision = new Supervision(settings);
    this.health = new Health(settings.health, () => this.#state === "serving");
    if (settings.lint) {
      const reporter = new LintReporter((record, message) => this.supervision.warn(record, message));
      this.supervision.rendered = (exchange, section) => reporter.look(exchange as Http1Exchange, section);
    }
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
    return this.supervision.counters.snapshot();
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
    if (guards.size > 1) {
      // The first guard does the work; this one takes part where it is mounted, with its own numbers.
      this.#detach.set(server, () => guards.delete(this));
      return server;
    }
    const isHttp1 = "headersTimeout" in server && !("updateSettings" in server);
    const restore = isHttp1
      ? interceptServer(server as unknown as Http1Server, this)
      : interceptHttp2Server(server, this);
    const relax =
      isHttp1 && this.enforces ? keepAlive(server as unknown as Http1Server, this.supervision.settings) : () => {};
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
    const guard = this;
    return function guardedListener(
      this: unknown,
      request: IncomingMessage,
      response: ServerResponse & { req: IncomingMessage },
    ): void {
      const exchange = guard.accept(request, response);
      if (guard.answers(exchange)) return;
      try {
        const result = listener.call(this as never, request, response) as unknown;
        if (result !== undefined && result !== null && typeof (result as PromiseLike<unknown>).then === "function") {
          (result as PromiseLike<unknown>).then(undefined, (error) => guard.failed(exchange, error, true));
        }
      } catch (error) {
        guard.failed(exchange, error, true);
      }
    };
  }

  close(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    for (const detach of this.#detach.values()) detach();
    this.#detach.clear();
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
      if (!("rayguard" in request))
        Object.defineProperty(request, "rayguard", { configurable: true, get: () => exchange.context });
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
    const exchange = new Http1Exchange(
      supervision,
      settings,
      request,
      response,
      this.#layer(response).native,
      connection,
    );
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
    const exchange = new Http2Exchange(this.supervision, settings, request, response, settings.gatewayStatus);
    if (!("rayguard" in request))
      Object.defineProperty(request, "rayguard", { configurable: true, get: () => exchange.context });
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

  /** Lays the guard over a prototype that belongs to the app, such as Express's `app.response`. */
  layOver(responsePrototype: object, requestPrototype: object): void {
    layOver(responsePrototype);
    guardRequestPrototype(requestPrototype);
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

  #layer(response: NodeResponse): Layer {
    const known = layerOf(response);
    if (known !== undefined) return known;
    // Neither the server nor the app's prototypes are guarded yet: this one response carries the methods itself.
    const layer = createLayer(response);
    for (const [name, value] of Object.entries(layer.methods)) {
      Object.defineProperty(response, name, { value, configurable: true, writable: true, enumerable: false });
    }
    guardRequestPrototype(response.req);
    return layer;
  }
}

interface AnyServer {
  emit(event: string | symbol, ...args: unknown[]): boolean;
}

function isServer(server: unknown): server is AnyServer {
  if (server === null || typeof server !== "object" || !("listening" in server)) return false;
  // A plain net.Server listens as well, and speaks no HTTP.
  if (!("headersTimeout" in server) && !("updateSettings" in server)) return false;
  return typeof (server as Partial<AnyServer>).emit === "function";
}

function guardsOf(server: object): Set<object> {
  const holder = server as { [kGuards]?: Set<object> };
  if (holder[kGuards] === undefined) Object.defineProperty(holder, kGuards, { value: new Set() });
  return holder[kGuards] as Set<object>;
}

function responseOf(exchange: Exchange): ServerResponse {
  return (exchange as Exchange & { response: ServerResponse }).response;
}

function isSocket(socket: unknown): socket is Socket {
  return (
    socket !== null &&
    typeof socket === "object" &&
    typeof (socket as Socket).destroySoon === "function" &&
    "bytesWritten" in socket
  );
}
