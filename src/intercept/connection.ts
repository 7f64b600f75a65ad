import type { IncomingMessage } from "node:http";
import type { Exchange } from "../exchange.js";
import { kExchange } from "../exchange.js";
import type { Http1Exchange } from "./http1-exchange.js";
import type { NodeSocket } from "./node-internals.js";
import type { SocketExchange } from "./socket-exchange.js";

const kConnection: unique symbol = Symbol.for("rayguard.connection") as never;

type GuardedSocket = NodeSocket & { [kConnection]?: GuardedConnection };

/**
 * Longest time a connection stays half open so that a client that still sends can read its answer, in milliseconds.
 * Some proxies, Apache among them, read nothing until they have sent the whole request.
 */
const LINGER_MS = 30_000;

/** Longest silence of such a client, in milliseconds. */
const LINGER_SILENCE_MS = 2_000;

/** Longest time a half-closed client may wait for an answer to begin, in milliseconds, before it counts as gone. */
const HALF_CLOSED_MS = 1_000;

const METHODS = ["destroy", "destroySoon", "resetAndDestroy", "end", "write"] as const;

type Native = { [K in (typeof METHODS)[number]]: (...args: unknown[]) => unknown };

/** One connection of an HTTP/1.x server: knows the exchanges on it and stands in front of the socket's own methods. */
export class GuardedConnection {
  readonly socket: GuardedSocket;
  readonly #native: Native;
  #first: Http1Exchange | null = null;
  #last: Http1Exchange | null = null;
  /** The exchange on whose behalf the socket is being destroyed, where that is known. */
  culprit: Http1Exchange | null = null;
  /** An exchange whose app has detached the socket from Node's response. */
  detached: Http1Exchange | null = null;
  /** An upgrade, a CONNECT or a request that could not be parsed: nothing but the socket to answer on. */
  bare: SocketExchange | null = null;
  /** The parser has given up on this connection: no further request can follow. */
  broken = false;
  /** The last response is out and the connection waits for the client: requests that still arrive are not served. */
  lingering = false;
  /** False while every guard that sees this connection only reports. */
  enforces = false;
  #own = false;
  #finished: IncomingMessage | null = null;

  constructor(socket: GuardedSocket) {
    this.socket = socket;
    this.#native = nativeMethods(socket);
    Object.defineProperties(socket, DESCRIPTORS);
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
    this.#finished = exchange.request;
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
    return this.#finished !== null && !this.#finished.complete;
  }

  /** Whom the app means when it touches the socket. */
  current(): Http1Exchange | SocketExchange | undefined {
    const message = this.socket._httpMessage as { [kExchange]?: Http1Exchange } | null | undefined;
    return this.culprit ?? message?.[kExchange] ?? this.detached ?? this.bare ?? undefined;
  }

  /** Whether a destroy comes from the connection itself: the client is gone, and nothing can be answered any more. */
  isGone(error: unknown): boolean {
    const { socket } = this;
    if (socket.destroyed || !socket.writable) return true;
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

  call(name: (typeof METHODS)[number], args: unknown[]): unknown {
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

  /** The app asked for the connection to end, and a complete response is on its way: close when it is out. */
  closeAfter(exchange: Exchange): void {
    if (exchange.settled) this.#closeSoon();
  }

  /** Writes to a socket that Node has been made to forget, and ends it. */
  finishDetached(exchange: Http1Exchange, octets: Buffer): void {
    this.detached = null;
    if (this.socket._httpMessage) {
      // Another response has the socket already; octets of this one would end up in it.
      exchange.settle(false);
      return;
    }
    this.own(() => this.socket.end(octets, () => exchange.settle(true)));
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
    for (const name of METHODS) delete (this.socket as unknown as Record<string, unknown>)[name];
  }

  /** Node wants the connection closed once its last response is flushed. */
  #closeSoon(): void {
    const request = this.#finished;
    const { socket } = this;
    if (request === null || request.complete || socket.destroyed) {
      this.own(() => this.call("destroySoon", []));
      return;
    }
    // The client is still sending. Closing now would answer its octets with RST, which can overtake the response and
    // wipe it out before it is read (RFC 9112, section 9.6): say that we are done, go on reading, then close.
    this.lingering = true;
    this.own(() => this.call("end", []));
    const close = () => this.abort(false);
    const until = performance.now() + LINGER_MS;
    let read = socket.bytesRead;
    const timer = setInterval(() => {
      if (socket.bytesRead === read || performance.now() > until) close();
      read = socket.bytesRead;
    }, LINGER_SILENCE_MS).unref();
    socket.once("close", () => clearInterval(timer));
    socket.once("end", close);
    request.once("end", close);
    request.resume();
  }

  /** The socket is gone. Told by the response it was assigned to, which spares a listener on every socket. */
  closed(): void {
    for (const exchange of [...this]) exchange.settle(false);
    this.#first = this.#last = null;
    this.detached?.settle(false);
    this.bare?.settle(false);
    this.bare = this.detached = null;
  }

  /**
   * The client has ended its side. Many that do are gone, but RFC 9112 lets a client half-close and wait for its
   * answer; both look alike until something is written. So an answer gets a moment to begin, and if nothing has,
   * the connection ends as Node would have ended it at once.
   */
  halfClosed(): void {
    if (this.isIdle || this.lingering || this.bare !== null) return;
    const written = this.socket.bytesWritten;
    const look = () => {
      if (this.isIdle || this.socket.destroyed) return;
      if (this.socket.bytesWritten === written) this.abort(true);
    };
    const timer = setTimeout(look, HALF_CLOSED_MS).unref();
    this.socket.once("close", () => clearTimeout(timer));
  }

  // -- in front of the socket's methods ---------------------------------------------------------------------------

  destroy(how: (typeof METHODS)[number], args: unknown[]): unknown {
    // Node cannot reset a connection that it is already ending: it would never emit `close`.
    if (how === "resetAndDestroy" && this.socket.writableEnded) how = "destroy";
    const exchange = this.current();
    if (
      how === "destroy" &&
      !this.#own &&
      isFinalHandler() &&
      !(exchange as Http1Exchange | undefined)?.response?.headersSent
    )
      return this.socket;
    const error = how === "destroy" ? args[0] : undefined;
    if (this.#own || exchange === undefined || exchange.settled || this.isGone(error)) {
      if (how === "destroySoon" && !this.#own && exchange === undefined) {
        this.#closeSoon();
        return undefined;
      }
      return this.call(how, args);
    }
    return exchange.closing(`socket.${how}`, error) ? this.socket : this.call(how, args);
  }

  end(args: unknown[]): unknown {
    const exchange = this.current();
    if (this.#own || this.isGone(undefined)) return this.call("end", args);
    if (exchange === undefined || exchange.settled) {
      if (exchange !== undefined || this.#finished === null || this.broken || !this.enforces)
        return this.call("end", args);
      // Between two responses nothing may go out: it would be taken for the next one.
      const done = args.find((argument) => typeof argument === "function");
      return this.call("end", done === undefined ? [] : [done]);
    }
    // Without half-open connections Node answers the end of the client with its own.
    if (!exchange.supervisor.enforces && this.socket.readableEnded) return this.call("end", args);
    const [data, encoding] = args;
    if (typeof data === "string" || data instanceof Uint8Array) {
      const sent = this.write([data, typeof encoding === "string" ? encoding : undefined], true);
      if (exchange.settled && sent === true) return this.call("end", []);
    }
    const callback = args.find((argument) => typeof argument === "function") as (() => void) | undefined;
    if (callback !== undefined) this.socket.once("finish", callback);
    return exchange.closing("socket.end", undefined) ? this.socket : this.call("end", []);
  }

  write(args: unknown[], last = false): unknown {
    const exchange = this.current();
    if (this.#own || (exchange as Http1Exchange | undefined)?.passing || this.socket.destroyed)
      return this.call("write", args);
    if (exchange === undefined) {
      if (this.#finished === null || this.broken || !this.enforces) return this.call("write", args);
      // Between two responses nobody may speak: the octets would be taken for the start of the next one (MC-7).
      const done = args.find((argument) => typeof argument === "function");
      if (done !== undefined) process.nextTick(done as () => void);
      return true;
    }
    if (!exchange.supervisor.enforces) return this.call("write", args);
    const [data, encoding, third] = args;
    const octets =
      typeof data === "string"
        ? Buffer.from(data, typeof encoding === "string" ? (encoding as BufferEncoding) : "utf8")
        : data instanceof Uint8Array
          ? Buffer.from(data)
          : null;
    if (octets === null) return this.call("write", args); // throws as it always did
    exchange.socketWrite(octets, last);
    const callback = typeof encoding === "function" ? encoding : third;
    if (typeof callback === "function") process.nextTick(callback as () => void);
    return true;
  }
}

/**
 * Express's final handler destroys the socket when a header section is out, even if that response is complete and
 * another request is under way.
 */
function isFinalHandler(): boolean {
  return /[\\/]finalhandler[\\/]index\.js/.test(new Error().stack ?? "");
}

const STAND_INS: { [K in (typeof METHODS)[number]]: (this: GuardedSocket, ...args: unknown[]) => unknown } = {
  destroy(...args) {
    return connectionOf(this).destroy("destroy", args);
  },
  destroySoon(...args) {
    return connectionOf(this).destroy("destroySoon", args);
  },
  resetAndDestroy(...args) {
    return connectionOf(this).destroy("resetAndDestroy", args);
  },
  end(...args) {
    return connectionOf(this).end(args);
  },
  write(...args) {
    return connectionOf(this).write(args);
  },
};

const DESCRIPTORS: PropertyDescriptorMap = Object.fromEntries(
  METHODS.map((name) => [name, { value: STAND_INS[name], configurable: true, writable: true, enumerable: false }]),
);

const natives = new WeakMap<object, Native>();

/** The socket's own methods: nearly always those of its prototype, which all connections share. */
function nativeMethods(socket: GuardedSocket): Native {
  const prototype = Object.getPrototypeOf(socket) as object;
  const isInstrumented = METHODS.some((name) => Object.hasOwn(socket, name));
  const known = isInstrumented ? undefined : natives.get(prototype);
  if (known !== undefined) return known;
  const native = Object.fromEntries(METHODS.map((name) => [name, socket[name]])) as unknown as Native;
  if (!isInstrumented) natives.set(prototype, native);
  return native;
}

function onEnd(this: GuardedSocket): void {
  connectionOf(this).halfClosed();
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
