import { IncomingMessage, type RequestListener, ServerResponse } from "node:http";
import type {
  Http2ServerRequest,
  Http2ServerResponse,
  IncomingHttpHeaders,
  ServerHttp2Session,
  ServerHttp2Stream,
} from "node:http2";
import type { Socket } from "node:net";
import { RayguardError } from "./errors.js";
import { enterExchange } from "./exchange/current-exchange.js";
import type { Exchange } from "./exchange/exchange.js";
import { exchangeOf, hangOn } from "./exchange/exchange-of.js";
import { isOnAccountOfLeaving } from "./exchange/leaving.js";
import type { GuardedListener } from "./exchange/request-context.js";
import { HEALTH_DEFAULTS, Health } from "./health/health.js";
import type { HealthCheck } from "./health/health-checks.js";
import { Http1Exchange } from "./http1/http1-exchange.js";
import { coverPrototypes } from "./http1/layers.js";
import { guardedListener } from "./http1/listeners.js";
import { hasInternals, type NodeResponse } from "./http1/node-internals.js";
import type { SocketExchange } from "./http1/socket-exchange.js";
import type { Http2Exchange } from "./http2/http2-exchange.js";
import { guardSession } from "./http2/session.js";
import { type GuardOptions, type RouteSettings, resolveOptions, type Settings } from "./options/options.js";
import { resolveRoute } from "./options/route-settings.js";
import type { Gauges } from "./overload/gauges.js";
import { Overload } from "./overload/overload.js";
import { OVERLOAD_DEFAULTS } from "./overload/overload-options.js";
import { RefusalTally } from "./overload/refusal-tally.js";
import { PassThrough } from "./pass-through.js";
import { DIRECT, type Failure, lateError, type Prevented, thrown } from "./report/incidents.js";
import { type Logger, MESSAGES } from "./report/log.js";
import { kObserve, type Observer } from "./report/observation.js";
import type { GuardStats } from "./report/stats.js";
import { attachTo } from "./server/attach.js";
import { isAttached, isClosed, isRecognised, leadsTo } from "./server/first-contact.js";
import { requestHeaderLimit } from "./server/keep-alive.js";
import { openHandedOver, openHttp1, openHttp2, openSimulated, openSocket, openStream } from "./server/open-exchange.js";
import { guardsOf, isServer, isSocket } from "./server/recognise.js";
import { unsupportedRuntime } from "./server/runtime.js";
import { Surroundings } from "./server/surroundings.js";
import { shared } from "./shared.js";
import type { Closing } from "./shutdown/close-listeners.js";
import { type DrainOptions, Ending } from "./shutdown/ending.js";
import { GuardSupervisor } from "./supervisor.js";
import { callerOf } from "./trust/caller.js";
import { startWatchdog } from "./watchdog/watchdog.js";
import { WeakCollection } from "./weak-collection.js";

/** Looks after every response of the servers it is attached to. */
export interface Guard {
  /** `"draining"` from `drain()` or a signal on, `"closed"` after `close()`. */
  readonly state: "serving" | "draining" | "closed";
  /** Registers and removes health checks. */
  readonly health: { register(name: string, check: HealthCheck): void; remove(name: string): boolean };
  /** Guards every request of a server; returns it. Attaching twice changes nothing. */
  attach<T extends object>(server: T): T;
  /** Wraps a request listener, sync or async, so that nothing it throws escapes. */
  listener(listener: GuardedListener): RequestListener;
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
 * @throws {RayguardError} `ERR_RAYGUARD_UNKNOWN_OPTION`, `ERR_RAYGUARD_INVALID_OPTION`,
 *   `ERR_RAYGUARD_UNSUPPORTED_RUNTIME`
 */
export function createGuard(options?: GuardOptions): Guard {
  return new GuardCore(options);
}

/** A request listener that carries the prototypes of its requests and responses, as an application of Express does. */
export interface AppListener {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** Has a guard leave a server to another one. */
interface Yielding {
  /** Any other guard, not only one for the whole server. */
  readonly toAny: boolean;
  giveWay(): void;
}

/** Servers that a guard has taken for want of one that means it more. */
const yielding = shared("yielding", () => new WeakMap<object, Yielding>());

/** What the adapters see of a guard. */
export class GuardCore implements Guard {
  readonly health: Health;
  readonly supervisor: GuardSupervisor;
  /** Sockets that have been handed over to another protocol, with the request that asked for it. */
  readonly upgraded = new Map<Socket, SocketExchange>();
  /** Sessions of HTTP/2 that are open. */
  readonly sessions = new Set<ServerHttp2Session>();
  /** Says which requests can be taken; undefined where nobody limits them. */
  readonly overload: Overload | undefined;
  /** Counts connections that no server had room for. */
  readonly refusals: RefusalTally;
  /** How it ends, and what the end of the process has to do with it. */
  readonly ending: Ending;
  /** Servers it is attached to, for as long as they live. */
  readonly servers = new WeakCollection<object>();
  /** There where the runtime is not supported: everything passes, and nothing else of this guard is used. */
  readonly passThrough: PassThrough | undefined;
  readonly #detach = new WeakMap<object, () => void>();
  /** Servers of which it sees a part. */
  readonly #surroundings = new WeakMap<object, Surroundings>();
  readonly #met = new WeakSet<object>();
  /** Requests that did not come through the edge are refused. */
  readonly #rejectsDirect: boolean;
  /** The app is about to get a request: what it throws later can be told to belong to it. */
  readonly enter: (exchange: Exchange) => void;
  #stopWatchdog: (() => void) | undefined;
  /** What an adapter does with an application that turns out to be the listener of a server. */
  meetsApp: ((app: AppListener) => void) | undefined;
  /** Says of a request that an adapter was shown whether every other one comes there as well. */
  seesAll: ((request: IncomingMessage) => boolean) | undefined;

  /** @param gauges - what `overload` goes by, where it is not this process */
  constructor(options?: GuardOptions, gauges?: Gauges) {
    const runtime = unsupportedRuntime();
    const settings = settingsUnder(runtime, resolveOptions(options));
    this.#rejectsDirect = settings.direct === "reject";
    this.enter = settings.crash === false ? () => {} : enterExchange;
    const tell = (record: object, message: string) => this.supervisor.warn(record, message);
    const listener = { warn: tell, ownFailure: (error: unknown) => this.supervisor.ownFailure(error) };
    this.overload =
      settings.overload === false
        ? undefined
        : new Overload(settings.overload, settings.mode === "enforce", listener, gauges);
    this.refusals = new RefusalTally(listener);
    const isServing = () => this.state === "serving";
    this.health = new Health(settings.health, isServing, () => this.overload?.reason, listener);
    this.supervisor = new GuardSupervisor(settings); // last, since it opens the file of the recorder: nothing may throw now
    this.passThrough = runtime === undefined ? undefined : new PassThrough(runtime, this.supervisor, this.health);
    this.ending = new Ending(this);
    this.attach = this.attach.bind(this);
    this.listener = this.listener.bind(this);
  }

  get state(): Guard["state"] {
    return this.ending.state;
  }

  get witness(): GuardSupervisor {
    return this.supervisor;
  }

  get enforces(): boolean {
    return this.supervisor.enforces;
  }

  get retryAfterS(): number {
    return (this.supervisor.settings.overload || OVERLOAD_DEFAULTS).retryAfterS;
  }

  stats(): GuardStats {
    const shed = (this.overload?.shed ?? 0) + this.refusals.shed;
    return this.supervisor.reporter.counters.snapshot(this.state, this.overload?.queued, shed);
  }

  attach<T extends object>(server: T): T {
    return this.#attach(server, true);
  }

  /** The same, for a guard that gets to see some of the requests: its options hold for those. */
  attachInPart<T extends object>(server: T): T {
    return this.#attach(server, false);
  }

  /**
   * The same as `attach()`, until another guard attaches to the server.
   * @param left - it has
   */
  attachUntilAnother(server: object, left: () => void): void {
    this.#attach(server, true);
    const detach = this.#detach.get(server);
    if (detach === undefined) return;
    const leave = () => {
      if (yielding.get(server) === held) yielding.delete(server);
      detach();
    };
    const giveWay = () => {
      this.servers.delete(server);
      leave();
      left();
    };
    const held: Yielding = { toAny: true, giveWay };
    yielding.set(server, held);
    this.#detach.set(server, leave);
  }

  #attach<T extends object>(server: T, isWhole: boolean): T {
    if (this.passThrough !== undefined) {
      this.passThrough.tell();
      return server;
    }
    if (!isServer(server)) {
      throw new RayguardError(
        "ERR_RAYGUARD_UNSUPPORTED_SERVER",
        `attach() takes a server of node:http, node:https or node:http2; got ${server === null ? "null" : typeof server}.`,
      );
    }
    const guards = guardsOf(server);
    if (guards.has(this)) {
      const surroundings = this.#surroundings.get(server);
      if (isWhole && surroundings !== undefined) {
        surroundings.isWhole = true;
        yielding.delete(server);
      }
      return server;
    }
    if (this.state === "closed") return server;
    guards.add(this);
    this.servers.add(server);
    isAttached(this);
    if (this.enforces) this.ending.join();
    this.overload?.start();
    const held = yielding.get(server);
    if (held !== undefined && (isWhole || held.toAny)) held.giveWay();
    else if (guards.size > 1) {
      // The first guard does the work; this one takes part where it is mounted, with its own numbers.
      this.#detach.set(server, () => guards.delete(this));
      return server;
    }
    this.#watch();
    if (!isWhole) return this.#surround(server);
    const detach = attachTo(server, this);
    this.#detach.set(server, () => {
      guards.delete(this);
      detach();
    });
    return server;
  }

  /** Takes a server of which it sees a part, until there is a guard for all of it. */
  #surround<T extends object>(server: T): T {
    const surroundings = new Surroundings(this);
    const detach = attachTo(server, surroundings);
    const leave = () => guardsOf(server).delete(this);
    const end = () => {
      if (yielding.get(server) === held) yielding.delete(server);
      this.#surroundings.delete(server);
      detach();
    };
    const giveWay = () => {
      this.#detach.set(server, leave);
      end();
    };
    const held: Yielding = { toAny: false, giveWay };
    yielding.set(server, held);
    this.#surroundings.set(server, surroundings);
    this.#detach.set(server, () => {
      leave();
      end();
    });
    return server;
  }

  listener(listener: GuardedListener): RequestListener {
    if (typeof listener !== "function") {
      throw new RayguardError(
        "ERR_RAYGUARD_INVALID_ARGUMENT",
        `listener() takes a request listener; got ${typeof listener}.`,
      );
    }
    if (this.passThrough !== undefined) return this.passThrough.listener(listener as RequestListener);
    const guarded = guardedListener(this, listener as RequestListener);
    leadsTo(guarded, this);
    return guarded;
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
    isClosed(this);
    for (const server of this.servers) {
      this.servers.delete(server);
      this.#detach.get(server)?.();
    }
    this.#stopWatchdog?.();
    this.overload?.close();
    this.supervisor.close();
  }

  // -- for the adapters and the interception -------------------------------------------------------------------------

  [kObserve](observer: Observer): () => void {
    return this.supervisor.observe(observer);
  }

  /** Finds or opens the exchange of a request that reached a listener, a middleware or a hook. */
  accept(request: IncomingMessage, response: ServerResponse): Exchange {
    const known = exchangeOf(response);
    const exchange = known ?? this.#openAny(request, response);
    const { supervisor } = this;
    const isOwn = exchange.supervisor === supervisor;
    if (known !== undefined && (!isOwn || known.ownTerms !== undefined)) this.#comesHere(request, known);
    // A guard inside another one does not have it.
    if (supervisor.reporter.observers !== undefined && isOwn) supervisor.reporter.running(exchange);
    return exchange;
  }

  /** Another guard has opened it, or this one for a part of the app that it is not mounted for. */
  #comesHere(request: IncomingMessage, exchange: Exchange): void {
    if (exchange.isBeside) return exchange.comesTo(this.supervisor);
    if (exchange.supervisor === this.supervisor) return;
    const server = serverOf(request);
    if (server !== undefined && yielding.get(server)?.toAny) this.#attachAt(request, server);
    this.#nest(exchange);
  }

  #openAny(request: IncomingMessage, response: ServerResponse): Exchange {
    const asked = exchangeOf(request);
    if (asked !== undefined) {
      // An upgrade that a library routes through the framework, or a request that an app asks itself for: the response is
      // of their own making. The one exchange of a request is there already, and may even be over.
      if (asked.isBeside) asked.comesTo(this.supervisor);
      if (!asked.isHttp1) hangOn(response, asked);
      return asked;
    }
    if (request.httpVersionMajor >= 2) {
      const { session } = (request as unknown as Http2ServerRequest).stream;
      this.#attachAt(request, serverOf(request));
      if (session !== undefined) guardSession(session as ServerHttp2Session, undefined, this);
      return this.openHttp2(request as unknown as Http2ServerRequest, response as unknown as Http2ServerResponse);
    }
    if ((request as { upgrade?: unknown }).upgrade === true) return openHandedOver(this.supervisor, request, response);
    if (!hasInternals(response) || !isSocket(response.socket ?? request.socket)) {
      const open = response.socket && request.headers.upgrade ? openHandedOver : openSimulated;
      return open(this.supervisor, request, response);
    }
    this.#attachAt(request, serverOf(request));
    return this.open(request, response);
  }

  get isAttached(): boolean {
    return !this.servers.isEmpty;
  }

  /** Attaches to a server whose every request comes here, as that begins to listen. */
  attachItself(server: object): void {
    this.#attachTo(server, true);
  }

  /** Attaches to a server that it had not recognised, at the first request it sees. */
  #attachAt(request: IncomingMessage, server: object | undefined): void {
    if (server === undefined || this.state !== "serving" || guardsOf(server).has(this)) return;
    this.#attachTo(server, isRecognised(server, this) || this.seesAll?.(request) === true);
  }

  #attachTo(server: object, isWhole: boolean): void {
    if (this.state !== "serving" || !("listening" in server)) return;
    try {
      this.#attach(server, isWhole);
    } catch (error) {
      this.supervisor.warn({ err: error }, MESSAGES.attachFailed);
    }
  }

  open(request: IncomingMessage, response: NodeResponse): Http1Exchange {
    return openHttp1(this.supervisor, request, response);
  }

  openSocket(request: IncomingMessage | null, socket: Socket, otherwise: Failure, method?: string): SocketExchange {
    const exchange = openSocket(this.supervisor, request, socket, otherwise, method);
    if (request !== null) {
      this.upgraded.set(socket, exchange);
      const { connection } = exchange;
      connection.whenDestroyed = [...connection.whenDestroyed, () => void this.upgraded.delete(socket)];
    }
    return exchange;
  }

  openStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Http2Exchange {
    return openStream(this.supervisor, stream, headers);
  }

  openHttp2(request: Http2ServerRequest, response: Http2ServerResponse): Exchange {
    return openHttp2(this.supervisor, request, response);
  }

  answers(exchange: Exchange): boolean {
    // Asked again where it is mounted: only a guard inside another one has not had its look.
    if (exchange.greeted) return this.#rejectsDirect && this.refusesDirect(exchange);
    const { request } = exchange;
    if (request === null) return false;
    const url = targetOf(request);
    // The response is asked for last: over HTTP/2 it is made then.
    const response = this.health.matches(url) && !exchange.quiet ? responseOf(exchange) : undefined;
    if (response === undefined) {
      const { refusal } = this.ending;
      if (exchange.quiet) return !exchange.phase.isSettled;
      if (refusal !== undefined) return exchange.fail(refusal);
      return this.#rejectsDirect && this.refusesDirect(exchange);
    }
    exchange.quiet = true;
    if (exchange.kept === undefined) this.supervisor.recorder?.end(exchange); // nobody misses a health check
    this.health.answer(request, response, url);
    return true;
  }

  /** Refuses a request because the process is about to end, unless it may be a health check. @returns true where it has */
  refuses(exchange: Exchange): boolean {
    const { refusal } = this.ending;
    const { request } = exchange;
    if (refusal === undefined || request === null || this.health.matches(targetOf(request))) return false;
    return exchange.fail(refusal);
  }

  /** Refuses a request that nobody vouches for, where the option `direct` asks for that. @returns true where it has */
  refusesDirect(exchange: Exchange): boolean {
    return this.#rejectsDirect && !callerOf(exchange).verified && exchange.fail(DIRECT);
  }

  /**
   * Something threw on behalf of an exchange.
   * @param rethrows - nobody else has seen the error: where the guard only reports, it must go on its way
   * @param bare - what the edge would show of what the framework does with it; without one the process would end
   */
  failed(exchange: Exchange, error: unknown, rethrows = false, bare?: Prevented): void {
    const failure = thrown(error);
    const taken = exchange.fail(bare === undefined ? failure : { ...failure, prevented: bare });
    if (!this.enforces && rethrows) throw error;
    if (taken || !this.enforces) return;
    const left = exchange.isLeft || exchange.outcome === "client gone";
    if (!left || !isOnAccountOfLeaving(exchange, error)) exchange.late(lateError(exchange.status, error, left));
  }

  meet(listener: object, exchange: Exchange): void {
    if (!(exchange instanceof Http1Exchange) || this.#met.has(listener)) return;
    this.#met.add(listener);
    const app = listener as Partial<AppListener>;
    if (app.response instanceof ServerResponse && app.request instanceof IncomingMessage) {
      coverPrototypes(app.response);
      this.meetsApp?.(app as AppListener);
    }
  }

  requestHeadersTooLarge(server: object): void {
    this.supervisor.reporter.largeRequestHeaders(requestHeaderLimit(server));
  }

  useLogger(logger: Logger): void {
    this.supervisor.reporter.useLogger(logger);
  }

  /** Numbers a route sets for itself. @throws {RayguardError} when one of them is no such number */
  route(options: Partial<RouteSettings>): (exchange: Exchange) => void {
    const resolved = resolveRoute(options, this.supervisor.settings);
    return (exchange) => {
      exchange.settings = resolved;
      this.supervisor.watch(exchange);
    };
  }

  /** Starts the watchdog with the first server there is to watch over. */
  #watch(): void {
    const { settings } = this.supervisor;
    const { watchdog, edge, logger } = settings;
    if (watchdog === false || this.#stopWatchdog !== undefined) return;
    const { paths } = this.health;
    const tellAfterMs = logger === false ? null : edge.readTimeoutMs;
    const { host, port, thresholdMs } = watchdog;
    const health = { host, port, paths: paths.length > 0 ? paths : [HEALTH_DEFAULTS.path] };
    this.#stopWatchdog = startWatchdog(thresholdMs, tellAfterMs, health, this.supervisor.reporter);
  }

  /** A guard inside another one: the outer keeps the exchange, this one's numbers count. */
  #nest(exchange: Exchange): void {
    exchange.settings = this.supervisor.settings;
    exchange.supervisor.watch(exchange);
  }
}

/** Nothing is opened for requests that only pass through. @throws {RayguardError} where the option asks for it */
function settingsUnder(runtime: string | undefined, settings: Settings): Settings {
  if (runtime === undefined) return settings;
  if (settings.unsupportedRuntime === "error") {
    throw new RayguardError(
      "ERR_RAYGUARD_UNSUPPORTED_RUNTIME",
      `The guard knows node:http of Node alone; this is ${runtime}.`,
    );
  }
  return { ...settings, lint: false, recorder: false, overload: false };
}

/** The target of a request, whatever a framework has made of it. */
function targetOf(request: IncomingMessage): string {
  return (request as IncomingMessage & { originalUrl?: string }).originalUrl ?? request.url ?? "";
}

/** The server that a request has come to, where Node knows it. */
function serverOf(request: IncomingMessage): object | undefined {
  if (request.httpVersionMajor < 2) return (request.socket as (Socket & { server?: object }) | null)?.server;
  const { session } = (request as unknown as Http2ServerRequest).stream;
  return (session as ServerHttp2Session | undefined)?.server;
}

/** None where there is only a socket to answer on. */
function responseOf(exchange: Exchange): ServerResponse | undefined {
  return (exchange as Exchange & { response?: ServerResponse }).response;
}
