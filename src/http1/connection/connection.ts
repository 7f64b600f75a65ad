import type { IncomingMessage } from "node:http";
import { setImmediate } from "../../clock.js";
import { contained, type Witness } from "../../containment.js";
import { awaitsContent } from "../../http/message.js";
import type { Peer } from "../../trust/caller.js";
import type { NativeSocketMethods, SocketMethod } from "../node/native-methods.js";
import { addressOf, markErrorEmitted, type NodeSocket } from "../node/node-internals.js";
import { isDestroyed, isWritable, looksClosed } from "./gone-socket.js";
import { anyExchangeOf } from "./http1-exchange-of.js";
import type { OnConnection, WithoutResponse, WithResponse } from "./on-connection.js";

/** One connection of an HTTP/1.x server: knows the exchanges on it, and overrides the methods of the socket. */
export class GuardedConnection {
  /** Of the peer, asked for while the connection is open. */
  readonly address: string | undefined;
  /** The exchange whose turn it is: the oldest that is not settled. */
  first: WithResponse | null = null;
  #last: WithResponse | null = null;
  /** The exchange on whose behalf the app touches the socket, where that is known. */
  declare culprit: OnConnection | null;
  /** An exchange whose app has detached the socket from Node's response. */
  declare detached: WithResponse | null;
  /** An upgrade, a CONNECT or a request that could not be parsed: nothing but the socket to answer on. */
  declare bare: WithoutResponse | null;
  /** Told of what fails in the guard itself; undefined until there has been a request. */
  witness: Witness | undefined;
  /** Its response is the last one and with the socket, which is ending: no call of the app may cut it short. */
  declare lastResponse: WithResponse | null;
  /** Who is at its other end, once somebody has asked. */
  peer: Peer | null = null;
  /** The parser has given up on this connection: no further request can follow. */
  declare broken: boolean;
  /** What the socket is destroyed with, in the app's view; undefined where it is not, or without an error. */
  declare error: unknown;
  /** The app has been told of that error, while the socket was still open. */
  declare toldError: boolean;
  /** An app may find its socket otherwise than it is. */
  declare looksGone: boolean;
  /** Listeners are running for whom the socket is destroyed. */
  declare seemsDestroyed: boolean;
  /** What is to be done once the socket is destroyed: listeners for `close` are seen by whoever counts them. */
  declare whenDestroyed: readonly (() => void)[];
  /** The answer to what the parser could not parse, while responses are under way in front of it. */
  declare waiting: WithoutResponse | null;
  /** On whose behalf listeners for `clientError` were told of that first; null where nobody was. */
  declare heardBy: OnConnection | null;
  /** They have been told in this turn. */
  declare isTelling: boolean;
  /** What it has given up on is no request: the connection ends behind its last response, without an answer to that. */
  declare endsSilently: boolean;
  /** The last response is out, or the app has taken it over: requests that still arrive are not served. */
  declare lingering: boolean;
  /** Ends the wait for the rest of a request that has been answered. */
  declare forgetRest: (() => void) | undefined;
  /** False while every guard that sees this connection only reports. */
  enforces = false;
  /** From here on the socket belongs to the app alone: its calls go straight through. */
  declare released: boolean;
  /** The socket's own methods are in force. */
  isOwn = false;
  /** Octets that were still queued as the connection was destroyed; -1 until then. */
  declare private lost: number;
  /** A response has been answered on it. */
  hasAnswered = false;
  /** Kept no longer than its content is to come, since connections idle. */
  #unread: IncomingMessage | null = null;

  /** @param native - its methods below the guard */
  constructor(
    readonly socket: NodeSocket,
    private readonly native: NativeSocketMethods,
  ) {
    this.address = addressOf(socket);
  }

  add(exchange: WithResponse): void {
    this.witness = exchange.supervisor;
    this.enforces = !exchange.isWatched;
    if (this.#last === null) this.first = exchange;
    else this.#last.following = exchange;
    this.#last = exchange;
  }

  remove(exchange: WithResponse): void {
    const { request } = exchange;
    this.hasAnswered = true;
    this.#unread = !request.complete && awaitsContent(request) ? request : null;
    if (this.first === exchange) {
      this.first = exchange.following;
      if (this.first === null) this.#last = null;
      return;
    }
    for (let at = this.first; at !== null; at = at.following) {
      if (at.following !== exchange) continue;
      at.following = exchange.following;
      if (this.#last === exchange) this.#last = at;
    }
  }

  /** Exchanges that are not settled, in the order of their requests. */
  *[Symbol.iterator](): Generator<WithResponse> {
    for (let at = this.first; at !== null; at = at.following) yield at;
  }

  /** Nothing stands in the way of a further request. */
  get persists(): boolean {
    if (this.lingering || this.broken || this.detached !== null || this.bare !== null) return false;
    return isWritable(this.socket) && !isDestroyed(this.socket);
  }

  get isIdle(): boolean {
    return this.first === null && this.bare === null;
  }

  /** Octets written to the socket that have not left the process. */
  get unsent(): number {
    if (this.lost >= 0) return this.lost;
    const { socket } = this;
    // Over TLS the queue goes on to count the mark of its end.
    if (socket.writableFinished) return 0;
    const dispatched = socket._bytesDispatched ?? socket.bytesWritten ?? 0;
    return (socket.bytesWritten ?? 0) - dispatched + (socket._handle?.writeQueueSize ?? 0);
  }

  /** Octets that have left the process on this connection. */
  get delivered(): number {
    return (this.socket.bytesWritten ?? 0) - this.unsent;
  }

  /** The request that was answered last, while its content is still to come: nobody will read that. */
  get unread(): IncomingMessage | null {
    return this.#unread?.complete === false ? this.#unread : null;
  }

  /**
   * Between two responses nothing may go out: a recipient would take the octets for the start of the next one (MC-7). One
   * of an app's own making is a response as well, and what goes out when the guard is closed is none of its business.
   */
  get isBetweenResponses(): boolean {
    if (!this.hasAnswered || this.broken || !this.enforces || this.witness?.isClosed) return false;
    return !this.socket._httpMessage;
  }

  /** Whom the app means when it touches the socket. */
  current(): OnConnection | undefined {
    const message = this.socket._httpMessage;
    // The app may have assigned the socket to a response of its own making.
    const known = this.first?.response === message ? this.first : message ? anyExchangeOf(message) : undefined;
    const exchange = known?.hasNodeResponse ? (known as WithResponse) : undefined;
    return this.culprit ?? this.detached ?? exchange ?? this.lastResponse ?? this.bare ?? undefined;
  }

  /** Runs `act` with the socket's own methods in force. */
  own<T>(act: () => T): T {
    const was = this.isOwn;
    this.isOwn = true;
    try {
      return act();
    } finally {
      this.isOwn = was;
    }
  }

  call(name: SocketMethod, args: unknown[]): unknown {
    // Node forgets what was queued as it closes: the log is to count what has left.
    if (this.lost < 0 && (name === "destroy" || name === "resetAndDestroy")) this.lost = this.unsent;
    if (name === "destroy") {
      this.destroying();
      const isTold = this.error === undefined ? looksClosed(this.socket) : this.toldError;
      if (isTold) markErrorEmitted(this.socket);
      if (this.error !== undefined && (isTold || !args[0])) args = [this.error];
    }
    // A Duplex in the place of a socket has neither; Node, too, ends it then.
    const instead = name === "destroySoon" ? "end" : "destroy";
    return (this.native[name] ?? this.native[instead]).apply(this.socket, args);
  }

  /** The socket is about to be destroyed: every end of a connection comes to that. */
  destroying(): void {
    for (const act of this.whenDestroyed) setImmediate(contained(this.witness, act));
    this.whenDestroyed = [];
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
      if (!isDestroyed(socket)) this.call("destroy", []);
    });
  }

  /** Gives the socket its own methods back: another protocol has taken over. */
  upgraded(): void {
    this.bare = null;
    this.released = true;
  }

  /** The socket is gone. Told by the response it was assigned to, which spares a listener on every socket. */
  closed(): void {
    for (const exchange of [...this]) exchange.gone();
    this.first = this.#last = null;
    this.detached?.settle(false);
    this.bare?.settle(false);
    this.bare = this.detached = null;
  }
}

/** What most connections never set takes no room in any of them. */
Object.assign(GuardedConnection.prototype, {
  culprit: null,
  detached: null,
  bare: null,
  lastResponse: null,
  broken: false,
  endsSilently: false,
  lingering: false,
  released: false,
  lost: -1,
  toldError: false,
  looksGone: false,
  seemsDestroyed: false,
  whenDestroyed: [],
  waiting: null,
  heardBy: null,
  isTelling: false,
  forgetRest: undefined,
});
