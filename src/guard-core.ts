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
import { GuardParts } from "./guard-parts.js";
import { anyExchangeOf } from "./http1/connection/http1-exchange-of.js";
import type { Http1Exchange } from "./http1/exchange/http1-exchange.js";
import type { SocketExchange } from "./http1/exchange/socket-exchange.js";
import { coverPrototypes } from "./http1/methods/prototypes.js";
import type { NodeResponse } from "./http1/node/node-internals.js";
import { guardedListener } from "./http1/server/listeners.js";
import type { Http2Exchange } from "./http2/http2-exchange.js";
import { IncomingMessage, ServerResponse } from "./node-http.js";
import type { GuardOptions, RouteSettings } from "./options/options.js";
import { resolveRoute } from "./options/route-settings.js";
import type { Gauges } from "./overload/gauges.js";
import type { Failure, Prevented } from "./report/incidents.js";
import { comesHere, openHere } from "./server/arrival.js";
import { type AttachingGuard, Attachments } from "./server/attachments.js";
import { leadsTo } from "./server/first-contact.js";
import { type FirstLook, firstLook } from "./server/first-look.js";
import { requestHeaderLimit } from "./server/keep-alive.js";
import { openersOf, openSocket } from "./server/open-exchange.js";
import { keepTickShape } from "./server/tick-shape.js";
import type { Closing } from "./shutdown/close-listeners.js";
import { type DrainOptions, Lifecycle } from "./shutdown/lifecycle.js";

/** A guard: what stands for its parts before adapters, servers and the end of the process. */
export class GuardCore extends GuardParts implements AdapterGuard, AttachingGuard {
  /** Sockets that have been handed over to another protocol, with the request that asked for it. */
  readonly upgraded = new Map<Socket, SocketExchange>();
  /** Sessions of HTTP/2 that are open. */
  readonly sessions = new Set<ServerHttp2Session>();
  readonly attachments = new Attachments(this);
  /** How it ends, and what the end of the process has to do with it. */
  readonly lifecycle: Lifecycle;
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
  recognisesApp: AdapterGuard["recognisesApp"];
  seesAll: AdapterGuard["seesAll"];

  /** @param gauges - what `overload` goes by, where it is not this process */
  constructor(options?: GuardOptions, gauges?: Gauges) {
    super(options, gauges);
    const { supervisor, health } = this;
    const { settings } = supervisor;
    this.enter = settings.crash === false ? () => {} : enterExchange;
    this.lifecycle = new Lifecycle(this);
    keepTickShape();
    this.rejectsDirect = settings.direct === "reject";
    const { answers, refuses, refusesDirect } = firstLook(
      health,
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
    this.closeParts();
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

  route(options: Partial<RouteSettings>): (exchange: Exchange) => void {
    const resolved = resolveRoute(options, this.supervisor.settings);
    return (exchange) => {
      exchange.settings = resolved;
      this.supervisor.watch(exchange);
    };
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
