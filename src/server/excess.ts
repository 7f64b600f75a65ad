import { readSync, writeSync } from "node:fs";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { clearTimeout, setTimeout } from "../clock.js";
import { contain, contained } from "../containment.js";
import type { Exchange } from "../exchange/exchange.js";
import { lastResort, renderHttp1 } from "../fallback/page.js";
import { onceClosed } from "../http1/connection/socket-close.js";
import type { ServerGuard } from "../http1/server/server-guard.js";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "../node-http.js";
import type { Shortage } from "../overload/descriptors.js";
import type { RefusalTally } from "../overload/refusal-tally.js";
import { type Failure, overloaded } from "../report/incidents.js";
import { answerHttp2 } from "./excess-http2.js";
import { shakeHands } from "./excess-tls.js";
import { isHttp1Server } from "./recognise.js";

/** A connection that has been accepted, as libuv has it: not a socket yet. */
export interface Handle {
  /** Number of its descriptor; -1 on Windows. */
  readonly fd?: number;
  close(...args: ((() => void) | undefined)[]): void;
}

/** A server that may have no room for a connection. */
export interface LimitedServer {
  _connections?: number;
  maxConnections?: number | null;
}

/** What the connections a server has no room for ask of its guard. */
export interface ExcessGuard extends Pick<ServerGuard, "open" | "openSocket" | "answers" | "witness"> {
  openHttp2(request: Http2ServerRequest, response: Http2ServerResponse): Exchange;
  /** Counts who was refused here. */
  readonly refusals: RefusalTally;
  /** `Retry-After`, in seconds. */
  readonly retryAfterS: number;
}

/** Connections over `maxConnections` of one server that are answered at a time; Node resets what goes beyond. */
const MOST_DROPPED = 1_024;

/** Longest time until such a connection has sent its request, and until it is closed after its answer, in milliseconds. */
const PATIENCE_MS = { request: 1_000, close: 5_000 };

/** Takes what a client has sent that gets its answer unread, so many times. */
const WASTE = Buffer.alloc(16_384);
const MOST_WASTE = 8;

/**
 * Answers the first request of each connection that a server has no room for with 503, and closes it. The app sees
 * nothing of them but what Node tells it (`drop`): they belong to a server of the guard's own, which does not listen.
 */
export class Excess {
  readonly #open = new Set<Socket>();
  /** Why each of them was not let in; over TLS by the secure socket, too. */
  readonly #why = new WeakMap<object, Failure>();
  #http1: Server | undefined;

  constructor(
    private readonly server: LimitedServer,
    private readonly guard: ExcessGuard,
  ) {}

  /** Takes a connection that Node has dropped. @returns false where there are too many */
  takeDropped(handle: Handle): boolean {
    const { maxConnections } = this.server;
    const message = `${this.server._connections} connections were open (maxConnections is ${maxConnections}).`;
    if (this.#take(handle, MOST_DROPPED, this.#failure(message, 520))) return true;
    this.guard.refusals.note("reset", false);
    return false;
  }

  /** Takes a connection that has got one of the last descriptors. @returns false where nothing can be done for it */
  takeLast(handle: Handle, { open, limit, reserve }: Shortage): boolean {
    const failure = this.#failure(`${open} of ${limit} file descriptors were open.`, null);
    // The other half is for answering at once, and for the files of the app.
    if (this.#take(handle, Math.floor(reserve / 2), failure)) return true;
    return this.#answerAtOnce(handle, failure);
  }

  /** Whether what its clients send and get are octets of HTTP/1.1. */
  get #isPlain(): boolean {
    return !("setSecureContext" in this.server) && isHttp1Server(this.server);
  }

  #failure(message: string, prevented: Failure["prevented"]): Failure {
    return overloaded(message, this.guard.retryAfterS, prevented, { closes: true });
  }

  #take(handle: Handle, most: number, failure: Failure): boolean {
    if (this.#open.size >= most) return false;
    const socket = new Socket({ handle, allowHalfOpen: true, readable: true, writable: true } as object);
    socket.on("error", () => undefined);
    this.#open.add(socket);
    this.#why.set(socket, failure);
    const { witness } = this.guard;
    const giveUp = contained(witness, () => this.#giveUp(socket, failure));
    const timer = setTimeout(giveUp, PATIENCE_MS.request).unref();
    const destroy = contained(witness, () => void socket.destroy());
    const last = setTimeout(destroy, PATIENCE_MS.close).unref();
    const closed = () => {
      clearTimeout(timer);
      clearTimeout(last);
      this.#open.delete(socket);
    };
    onceClosed(socket, contained(witness, closed));
    const isServed = contain(witness, () => {
      if ("setSecureContext" in this.server) {
        const serve = contained(witness, (secure: Socket) => {
          this.#why.set(secure, failure);
          this.#serve(secure, isHttp2(secure));
        });
        shakeHands(this.server, socket, serve);
      } else this.#serve(socket, !isHttp1Server(this.server));
    });
    if (!isServed) socket.destroy(); // as Node would have
    return true;
  }

  #serve(socket: Socket, http2: boolean): void {
    if (http2) {
      const { witness } = this.guard;
      answerHttp2(socket, witness, (request, response) => {
        this.#refuse(this.guard.openHttp2(request, response), socket);
      });
      return;
    }
    this.#http1 ??= this.#makeServer();
    this.#http1.emit("connection", socket);
  }

  #makeServer(): Server {
    const { maxHeaderSize, insecureHTTPParser } = this.server as {
      maxHeaderSize?: number;
      insecureHTTPParser?: boolean;
    };
    const server = createServer({ maxHeaderSize, insecureHTTPParser, requireHostHeader: false } as object);
    server.maxRequestsPerSocket = 1; // whatever the answer is, it is the last on its connection
    const { witness } = this.guard;
    const answer = contained(witness, (request: IncomingMessage, response: ServerResponse) => {
      this.#refuse(this.guard.open(request, response as never), request.socket);
    });
    for (const event of ["request", "checkContinue", "checkExpectation"]) server.on(event, answer);
    const refuse = contained(witness, (request: IncomingMessage, socket: Socket) => {
      const failure = this.#why.get(socket);
      if (failure !== undefined) this.guard.openSocket(request, socket, this.#noted(failure)).unanswered();
    });
    server.on("connect", refuse);
    return server;
  }

  #refuse(exchange: Exchange, socket: Socket): void {
    const failure = this.#why.get(socket);
    if (failure !== undefined && !this.guard.answers(exchange)) exchange.fail(this.#noted(failure));
  }

  /** Thousands of lines a second would be a load of their own: the first one says why, the last one how many. */
  #noted(failure: Failure): Failure {
    const isFirst = this.guard.refusals.note(failure.prevented === null ? "descriptors" : "connections", true);
    return isFirst ? failure : { ...failure, unlogged: true };
  }

  /** Its request has not arrived in time. Octets that have are answered: closing over them would be a reset. */
  #giveUp(socket: Socket, failure: Failure): void {
    if (socket.bytesWritten > 0) return;
    if (socket.bytesRead > 0 && this.#isPlain) {
      this.guard.openSocket(null, socket, this.#noted(failure)).unanswered();
    } else socket.destroy();
  }

  /**
   * Answers with no descriptor to spare for waiting. What has arrived is read: closing over it would be a reset.
   * @returns false where that takes more than octets written once
   */
  #answerAtOnce(handle: Handle, failure: Failure): boolean {
    const { fd = -1 } = handle;
    if (fd < 0 || !this.#isPlain) return false;
    this.guard.refusals.note("descriptors", false);
    const page = lastResort(failure.status, null, failure.retryAfterS);
    try {
      writeSync(fd, renderHttp1(page, undefined, true).octets);
      for (let n = 0; n < MOST_WASTE && readSync(fd, WASTE) === WASTE.byteLength; n++);
    } catch {
      // Nothing to read yet, or nobody there any more.
    }
    handle.close();
    return true;
  }
}

function isHttp2(socket: Socket): boolean {
  return (socket as TLSSocket).alpnProtocol === "h2";
}
