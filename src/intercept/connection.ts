import type { IncomingMessage } from "node:http";
import { kExchange } from "../exchange.js";
import type { Peer } from "../trust/caller.js";
import type { Http1Exchange } from "./http1-exchange.js";
import type { NodeSocket } from "./node-internals.js";
import { awaitsContent } from "./request.js";
import type { SocketExchange } from "./socket-exchange.js";
import {
  type NativeSocketMethods,
  nativeMethods,
  SOCKET_METHODS,
  type SocketMethod,
  standIns,
} from "./socket-methods.js";
import { awaitAnswer, linger } from "./tear-down.js";

const kConnection: unique symbol = Symbol.for("rayguard.connection") as never;

type GuardedSocket = NodeSocket & { [kConnection]?: GuardedConnection };

/** One connection of an HTTP/1.x server: knows the exchanges on it and stands in front of the socket's own methods. */
export class GuardedConnection {
  readonly socket: GuardedSocket;
  readonly #native: NativeSocketMethods;
  #first: Http1Exchange | null = null;
  #last: Http1Exchange | null = null;
  /** The exchange on whose behalf the socket is being destroyed, where that is known. */
  culprit: Http1Exchange | null = null;
  /** An exchange whose app has detached the socket from Node's response. */
  detached: Http1Exchange | null = null;
  /** An upgrade, a CONNECT or a request that could not be parsed: nothing but the socket to answer on. */
  bare: SocketExchange | null = null;
  /** Its response is the last one and with the socket, which is ending: no call of the app may cut it short. */
  #parting: Http1Exchange | null = null;
  /** Who is at its other end, once somebody has asked. */
  peer: Peer | null = null;
  /** The parser has given up on this connection: no further request can follow. */
  broken = false;
  /** The last response is out and the connection waits for the client: requests that still arrive are not served. */
  lingering = false;
  /** False while every guard that sees this connection only reports. */
  enforces = false;
  #own = false;
  /** A response has been answered on it. */
  #answered = false;
  /** The request that was answered last, while its content is still to come; kept no longer, since connections idle. */
  #unread: IncomingMessage | null = null;

  constructor(socket: GuardedSocket) {
    this.socket = socket;
    this.#native = nativeMethods(socket);
    Object.defineProperties(socket, STAND_INS);
    void socket.remoteAddress; // Node remembers the peer only if it is asked while the connection is open
    socket.on("end", onEnd);
  }

  add(exchange: Http1Exchange): void {
    this.enforces = exchange.supervisor.enforces;
    if (this.#last === null) this.#first = exchange;
    else this.#last.following = exchange;
    this.#last = exchange;
  }

  remove(exchange: Http1Exchange): void {
    this.#answered = true;
    this.#unread = awaitsContent(exchange.request) ? exchange.request : null;
    if (this.#first === exchange) {
      this.#first = exchange.following;
      if (this.#first === null) this.#last = null;
      return;
    }
    for (let at = this.#first; at !== null; at = at.following) {
      if (at.following !== exchange) continue;
      at.following = exchange.following;
      if (this.#last === exchange) this.#last = at;
    }
  }

  /** The exchange of a request, while it is under way. */
  find(request: IncomingMessage): Http1Exchange | undefined {
    for (let at = this.#first; at !== null; at = at.following) if (at.request === request) return at;
    return undefined;
  }

  /** Exchanges that are not settled, in the order of their requests. */
  *[Symbol.iterator](): Generator<Http1Exchange> {
    for (let at = this.#first; at !== null; at = at.following) yield at;
  }

  get isIdle(): boolean {
    return this.#first === null && this.bare === null;
  }

  /** A number that changes whenever octets enter or leave the process. `bytesWritten` counts those still queued. */
  movement(): number {
    const { socket } = this;
    return socket.bytesRead + socket.bytesWritten - socket.writableLength - (socket._handle?.writeQueueSize ?? 0);
  }

  /** The content of the request that was answered last is still to come, and nobody will read it. */
  get owesContent(): boolean {
    return this.#unread !== null && !this.#unread.complete;
  }

  /**
   * Between two responses nothing may go out: a recipient would take the octets for the start of the next one (MC-7).
   */
  get isBetweenResponses(): boolean {
    return this.#answered && !this.broken && this.enforces;
  }

  /** Whom the app means when it touches the socket. */
  current(): Http1Exchange | SocketExchange | undefined {
    const message = this.socket._httpMessage as { [kExchange]?: Http1Exchange } | null | undefined;
    return this.culprit ?? this.detached ?? message?.[kExchange] ?? this.#parting ?? this.bare ?? undefined;
  }

  /** Whether a destroy comes from the connection itself: the client is gone, and nothing can be answered any more. */
  isGone(error: unknown): boolean {
    const { socket } = this;
    if (socket.destroyed || (!socket.writable && this.#parting === null)) return true;
    if (error === null || typeof error !== "object" || !("syscall" in error)) return false;
    // An app that destroys the socket with the error of its upstream hands over the very same codes; only the caller
    // tells the two apart.
    const stack = new Error().stack ?? "";
    return /node:internal\/stream_base_commons|node:_tls_wrap|onwriteError|errorOrDestroy/.test(stack);
  }

  /** Runs `act` with the socket's own methods in force. */
  own<T>(act: () => T): T {
    const was = this.#own;
    this.#own = true;
    try {
      return act();
    } finally {
      this.#own = was;
    }
  }

  get isOwn(): boolean {
    return this.#own;
  }

  call(name: SocketMethod, args: unknown[]): unknown {
    return this.#native[name].apply(this.socket, args);
  }

  /** Ends the connection at once. @param reset - with RST, where FIN would look like the end of the content */
  abort(reset: boolean): void {
    const { socket } = this;
    this.own(() => {
      // What was written in this very tick is still corked; without it a break would look like no answer at all.
      for (let n = socket.writableCorked; n > 0; n--) socket.uncork();
      if (reset && !socket.writableEnded) {
        try {
          this.call("resetAndDestroy", []);
          return;
        } catch {
          // TLS has no RST of its own; without a closing alert the recipient sees a truncation all the same.
        }
      }
      if (!socket.destroyed) this.call("destroy", []);
    });
  }

  /** Writes to a socket that Node has been made to forget, and ends it. */
  finishDetached(exchange: Http1Exchange, octets: Buffer): void {
    this.detached = null;
    const holder = this.socket._httpMessage as { [kExchange]?: Http1Exchange } | null | undefined;
    if (holder?.[kExchange]?.committed) {
      // Another response has the socket already; octets of this one would end up in it.
      exchange.settle(false);
      return;
    }
    this.sendLast(exchange, octets);
  }

  /** Writes the last response of the connection past Node's own, and closes it once that is flushed. */
  sendLast(exchange: Http1Exchange, octets: Buffer): void {
    const { socket } = this;
    this.own(() => socket.write(octets));
    this.remove(exchange);
    this.#parting = exchange;
    socket.prependOnceListener("finish", () => {
      this.#parting = null;
      exchange.settle(true);
    });
    socket.prependOnceListener("close", () => exchange.settle(false));
    this.closeSoon();
  }

  /** From here on the app's own writes go straight out, until it ends the connection. */
  passThrough(exchange: Http1Exchange, octets: Buffer): void {
    this.own(() => this.socket.write(octets));
    this.#release();
    this.socket.prependOnceListener("close", () => exchange.settle(true));
  }

  /** Gives the socket its own methods back: another protocol has taken over. */
  handOver(): void {
    this.bare = null;
    this.#release();
  }

  #release(): void {
    for (const name of SOCKET_METHODS) delete (this.socket as unknown as Record<string, unknown>)[name];
  }

  /** Node wants the connection closed once its last response is flushed. */
  closeSoon(): void {
    const request = this.#unread;
    if (request === null || request.complete || this.socket.destroyed) {
      this.own(() => this.call("destroySoon", []));
      return;
    }
    this.lingering = true;
    linger(this, request);
  }

  /** The socket is gone. Told by the response it was assigned to, which spares a listener on every socket. */
  closed(): void {
    for (const exchange of [...this]) exchange.gone();
    this.#first = this.#last = null;
    this.detached?.settle(false);
    this.bare?.settle(false);
    this.bare = this.detached = null;
  }
}

const STAND_INS = standIns(connectionOf);

function onEnd(this: GuardedSocket): void {
  awaitAnswer(connectionOf(this));
}

/** The guarded connection of a socket; the first call stands in front of its methods. */
export function connectionOf(socket: object): GuardedConnection {
  const guarded = socket as GuardedSocket;
  let connection = guarded[kConnection];
  if (connection === undefined) {
    connection = new GuardedConnection(guarded);
    Object.defineProperty(guarded, kConnection, { value: connection });
  }
  return connection;
}
