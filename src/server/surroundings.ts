import type { IncomingMessage } from "node:http";
import type {
  Http2ServerRequest,
  Http2ServerResponse,
  IncomingHttpHeaders,
  ServerHttp2Session,
  ServerHttp2Stream,
} from "node:http2";
import type { Socket } from "node:net";
import type { Exchange } from "../exchange/exchange.js";
import { exchangeOf } from "../exchange/exchange-of.js";
import type { Http1Exchange } from "../http1/http1-exchange.js";
import type { NativeMethods } from "../http1/native-methods.js";
import type { NodeResponse } from "../http1/node-internals.js";
import type { SocketExchange } from "../http1/socket-exchange.js";
import type { Http2Exchange } from "../http2/http2-exchange.js";
import type { Http2Guard } from "../http2/server.js";
import { besideOf } from "../options/beside.js";
import type { RouteSettings } from "../options/options.js";
import type { Overload } from "../overload/overload.js";
import type { RefusalTally } from "../overload/refusal-tally.js";
import type { Failure } from "../report/incidents.js";
import type { GuardSupervisor } from "../supervisor.js";
import type { AcceptingGuard } from "./accepting.js";

/** A guard as its server sees it. */
export interface ServersGuard extends Http2Guard, AcceptingGuard {
  readonly supervisor: GuardSupervisor;
  /** Refuses a request because the process is about to end. @returns true where it has */
  refuses(exchange: Exchange): boolean;
}

/**
 * Stands between a server and a guard that is mounted for a part of the app. Connections are shared, so octets are
 * guarded on all of them; what the user has asked for holds for requests that come to where the guard is mounted.
 */
export class Surroundings implements Http2Guard, AcceptingGuard {
  /** Somebody has attached the guard, which means all of the server. */
  isWhole = false;
  readonly #guard: ServersGuard;
  readonly #settings: RouteSettings;

  constructor(guard: ServersGuard) {
    this.#guard = guard;
    this.#settings = besideOf(guard.supervisor.settings);
  }

  get enforces(): boolean {
    return this.#guard.enforces;
  }

  get witness(): GuardSupervisor {
    return this.#guard.supervisor;
  }

  get supervisor(): GuardSupervisor {
    return this.#guard.supervisor;
  }

  get sessions(): Set<ServerHttp2Session> {
    return this.#guard.sessions;
  }

  get refusals(): RefusalTally {
    return this.#guard.refusals;
  }

  get retryAfterS(): number {
    return this.#guard.retryAfterS;
  }

  get overload(): Overload | undefined {
    return this.isWhole ? this.#guard.overload : undefined;
  }

  answers(exchange: Exchange): boolean {
    return this.isWhole ? this.#guard.answers(exchange) : this.#guard.refuses(exchange);
  }

  refusesDirect(exchange: Exchange): boolean {
    return this.isWhole && this.#guard.refusesDirect(exchange);
  }

  open(request: IncomingMessage, response: NodeResponse, native?: NativeMethods): Http1Exchange {
    return this.#beside(this.#guard.open(request, response, native), false);
  }

  openSocket(request: IncomingMessage | null, socket: Socket, otherwise: Failure, method?: string): SocketExchange {
    return this.#beside(this.#guard.openSocket(request, socket, otherwise, method), false);
  }

  openStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Http2Exchange {
    const isKnown = exchangeOf(stream) !== undefined;
    return this.#beside(this.#guard.openStream(stream, headers), isKnown);
  }

  openHttp2(request: Http2ServerRequest, response: Http2ServerResponse): Exchange {
    const isKnown = exchangeOf(response) !== undefined || exchangeOf(request.stream) !== undefined;
    return this.#beside(this.#guard.openHttp2(request, response), isKnown);
  }

  enter(exchange: Exchange): void {
    this.#guard.enter(exchange);
  }

  recognise(listener: object, exchange: Exchange): void {
    this.#guard.recognise(listener, exchange);
  }

  failed(exchange: Exchange, error: unknown, rethrows?: boolean): void {
    this.#guard.failed(exchange, error, rethrows);
  }

  requestHeadersTooLarge(server: object): void {
    this.#guard.requestHeadersTooLarge(server);
  }

  /** Until it comes to where the guard is mounted. */
  #beside<E extends Exchange>(exchange: E, isKnown: boolean): E {
    if (!this.isWhole && !isKnown) exchange.keepBeside(this.#settings);
    return exchange;
  }
}
