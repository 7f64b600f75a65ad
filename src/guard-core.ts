import type { RequestListener } from "node:http";
import type {
  Http2ServerRequest,
  Http2ServerResponse,
  IncomingHttpHeaders,
  ServerHttp2Session,
  ServerHttp2Stream,
} from "node:http2";
import type { Socket } from "node:net";
import type { AdapterGuard, AppListener } from "./adapter-guard.js";
import { RayguardError } from "./errors.js";
import { enterExchange } from "./exchange/current-exchange.js";
import type { Exchange } from "./exchange/exchange.js";
import { appFailed } from "./exchange/leaving.js";
import type { GuardedListener } from "./exchange/request-context.js";
import type { Guard } from "./guard.js";
import { Health } from "./health/health.js";
import { HEALTH_DEFAULTS } from "./health/health-options.js";
import type { Http1Exchange } from "./http1/http1-exchange.js";
import { anyExchangeOf } from "./http1/http1-exchange-of.js";
import { guardedListener } from "./http1/listeners.js";
import type { NodeResponse } from "./http1/node-internals.js";
import { coverPrototypes } from "./http1/prototypes.js";
import type { SocketExchange } from "./http1/socket-exchange.js";
import type { Http2Exchange } from "./http2/http2-exchange.js";
import { IncomingMessage, ServerResponse } from "./node-http.js";
import { type GuardOptions, type RouteSettings, resolveOptions } from "./options/options.js";
import { resolveRoute } from "./options/route-settings.js";
import type { Gauges } from "./overload/gauges.js";
import { Overload } from "./overload/overload.js";
import { OVERLOAD_DEFAULTS } from "./overload/overload-options.js";
import { RefusalTally } from "./overload/refusal-tally.js";
import { PassThrough } from "./pass-through.js";
import type { Failure, Prevented } from "./report/incidents.js";
import type { Logger } from "./report/log.js";
import { kObserve, type Observer } from "./report/observation.js";
import type { GuardStats } from "./report/stats.js";
import { comesHere, openHere } from "./server/arrival.js";
import { type AttachingGuard, Attachments } from "./server/attachments.js";
import { leadsTo } from "./server/first-contact.js";
import { type FirstLook, firstLook } from "./server/first-look.js";
import { requestHeaderLimit } from "./server/keep-alive.js";
import { openersOf, openSocket } from "./server/open-exchange.js";
import { settingsUnder, unsupportedRuntime } from "./server/runtime.js";
import { keepTickShape } from "./server/tick-shape.js";
import type { Closing } from "./shutdown/close-listeners.js";
import { type DrainOptions, Lifecycle } from "./shutdown/lifecycle.js";
import { GuardSupervisor } from "./supervisor.js";
import { startWatchdog } from "./watchdog/watchdog.js";

/** A guard: joins its parts, and stands for them before adapters, servers and the end of the process. */
export class GuardCore implements AdapterGuard, AttachingGuard {
  readonly health: Health;
  readonly supervisor: GuardSupervisor;
  /** Sockets that have been handed over to another protocol, with the request that asked for it. */
  readonly upgraded = new Map<Socket, SocketExchange>();
  /** Sessions of HTTP/2 that are open. */
  readonly sessions = new Set<ServerHttp2Session>();
  readonly overload: Overload | undefined;
  /** Counts connections that no server had room for. */
  readonly refusals: RefusalTally;
  readonly attachments = new Attachments(this);
  /** How it ends, and what the end of the process has to do with it. */
  readonly lifecycle: Lifecycle;
  readonly passThrough: PassThrough | undefined;
  readonly #recognised = new WeakSet<object>();
  // Each request comes by these, and goes straight to whom they are of.
  readonly enter: (exchange: Exchange) => void;
  readonly rejectsDirect: boolean;
  readonly open: (request: IncomingMessage, response: NodeResponse) => Http1Exchange;
  readonly openStream: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => Http2Exchange;
  readonly openHttp2: (request: Http2ServerRequest, response: Http2ServerResponse) => Exchange;
  readonly answers: FirstLook["answers"];
  readonly refuses: FirstLook["refuses"];
  readonly refusesDirect: FirstLook["refusesDirect"];
  #stopWatchdog: (() => void) | undefined;
  recognisesApp: AdapterGuard["recognisesApp"];
  seesAll: AdapterGuard["seesAll"];

  /** @param gauges - what `overload` goes by, where it is not this process */
  constructor(options?: GuardOptions, gauges?: Gauges) {
    const runtime = unsupportedRuntime();
    const settings = settingsUnder(runtime, resolveOptions(options));
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
    this.lifecycle = new Lifecycle(this);
    keepTickShape();
    const { supervisor } = this;
    this.rejectsDirect = settings.direct === "reject";
    const { answers, refuses, refusesDirect } = firstLook(
      this.health,
      this.lifecycle,
      supervisor.recorder,
      this.rejectsDirect,
    );
    this.answers = answers;
    this.refuses = refuses;
    this.refusesDirect = refusesDirect;
    const { http1, stream, http2 } = openersOf(supervisor);
    this.open = http1;
    this.openStream = stream;
    this.openHttp2 = http2;
    this.attach = this.attach.bind(this);
    this.listener = this.listener.bind(this);
  }

  get state(): Guard["state"] {
    return this.lifecycle.state;
  }

  get servers(): Iterable<object> {
    return this.attachments.servers;
  }

  get isAttached(): boolean {
    return !this.attachments.servers.isEmpty;
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
    return this.#attach(server, () => this.attachments.add(server, true));
  }

  attachInPart<T extends object>(server: T): T {
    return this.#attach(server, () => this.attachments.add(server, false));
  }

  /**
   * The same as `attach()`, until another guard attaches to the server.
   * @param left - it has
   */
  attachUntilAnother(server: object, left: () => void): void {
    this.#attach(server, () => this.attachments.addUntilAnother(server, left));
  }

  #attach<T>(server: T, add: () => void): T {
    if (this.passThrough === undefined) add();
    else this.passThrough.tell();
    return server;
  }

  /** Attaches to a server whose every request comes here, as that begins to listen. */
  attachItself(server: object): void {
    this.attachments.addFound(server, true);
  }

  joins(): void {
    this.lifecycle.join(this.enforces);
    this.overload?.start();
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
    return this.lifecycle.drain(closing, options);
  }

  onDrained(hook: () => unknown, options: { timeoutMs?: number } = {}): void {
    this.lifecycle.onDrained(hook, options.timeoutMs);
  }

  close(): void {
    if (this.state === "closed") return;
    this.lifecycle.close();
    this.attachments.close();
    this.#stopWatchdog?.();
    this.overload?.close();
    this.supervisor.close();
  }

  [kObserve](observer: Observer): () => void {
    return this.supervisor.observe(observer);
  }

  accept(request: IncomingMessage, response: ServerResponse): Exchange {
    const known = anyExchangeOf(response);
    const exchange = known ?? openHere(this, request, response);
    const { supervisor } = this;
    const isOwn = exchange.supervisor === supervisor;
    if (known !== undefined && (!isOwn || known.ownTerms !== undefined)) comesHere(this, request, known);
    // A guard inside another one does not have it.
    if (supervisor.reporter.observers !== undefined && isOwn) supervisor.reporter.running(exchange);
    return exchange;
  }

  openSocket(request: IncomingMessage | null, socket: Socket, otherwise: Failure, method?: string): SocketExchange {
    const exchange = openSocket(this.supervisor, request, socket, otherwise, method);
    if (request !== null && this.enforces) {
      this.upgraded.set(socket, exchange);
      const { connection } = exchange;
      connection.whenDestroyed = [...connection.whenDestroyed, () => void this.upgraded.delete(socket)];
    }
    return exchange;
  }

  failed(exchange: Exchange, error: unknown, rethrows = false, bare?: Prevented): void {
    appFailed(exchange, error, this.enforces, rethrows, bare);
  }

  recognise(listener: object, exchange: Exchange): void {
    if (!exchange.hasNodeResponse || this.#recognised.has(listener)) return;
    this.#recognised.add(listener);
    const app = listener as Partial<AppListener>;
    if (app.response instanceof ServerResponse && app.request instanceof IncomingMessage) {
      coverPrototypes(app.response);
      this.recognisesApp?.(app as AppListener);
    }
  }

  requestHeadersTooLarge(server: object): void {
    this.supervisor.reporter.largeRequestHeaders(requestHeaderLimit(server));
  }

  useLogger(logger: Logger): void {
    this.supervisor.reporter.useLogger(logger);
  }

  route(options: Partial<RouteSettings>): (exchange: Exchange) => void {
    const resolved = resolveRoute(options, this.supervisor.settings);
    return (exchange) => {
      exchange.settings = resolved;
      this.supervisor.watch(exchange);
    };
  }

  /** Starts the watchdog with the first server there is to watch over. */
  watches(): void {
    const { settings } = this.supervisor;
    const { watchdog, edge, logger } = settings;
    if (watchdog === false || this.#stopWatchdog !== undefined) return;
    const { paths } = this.health;
    const tellAfterMs = logger === false ? null : edge.readTimeoutMs;
    const { host, port, thresholdMs } = watchdog;
    const health = { host, port, paths: paths.length > 0 ? paths : [HEALTH_DEFAULTS.path] };
    this.#stopWatchdog = startWatchdog(thresholdMs, tellAfterMs, health, this.supervisor.reporter);
  }
}

/**
 * Makes a guard.
 * @throws {RayguardError} `ERR_RAYGUARD_UNKNOWN_OPTION`, `ERR_RAYGUARD_INVALID_OPTION`,
 *   `ERR_RAYGUARD_UNSUPPORTED_RUNTIME`
 */
export function createGuard(options?: GuardOptions): Guard {
  return new GuardCore(options);
}
