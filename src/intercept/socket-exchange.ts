import type { IncomingMessage } from "node:http";
import { Exchange, type Supervisor } from "../exchange.js";
import { type Page, renderHttp1 } from "../fallback/page.js";
import { EVENTS, type Failure, prematureClose } from "../incidents.js";
import type { RouteSettings } from "../options.js";
import type { Peer } from "../trust/caller.js";
import type { FieldLine } from "../validity/head.js";
import type { GuardedConnection } from "./connection.js";
import { versionOf } from "./node-internals.js";
import { peerOfConnection } from "./peer.js";
import { RawResponse } from "./raw-response.js";

/**
 * An exchange for which Node has no response object: an upgrade, a CONNECT, or a request that could not be parsed.
 * Whoever listens answers on the socket, by hand.
 */
export class SocketExchange extends Exchange {
  readonly request: IncomingMessage | null;
  readonly connection: GuardedConnection;
  status = 0;
  octets = 0;
  /** `undefined`: of a request that could not be parsed, and may be a HEAD. */
  readonly #method: string | undefined;
  #raw: RawResponse;
  /** What it becomes when nobody answers. */
  readonly #otherwise: Failure;

  constructor(
    supervisor: Supervisor,
    settings: RouteSettings,
    request: IncomingMessage | null,
    connection: GuardedConnection,
    otherwise: Failure,
    method = request?.method,
  ) {
    super(supervisor, settings);
    this.request = request;
    this.connection = connection;
    this.#otherwise = otherwise;
    this.#method = method;
    this.#raw = new RawResponse(method ?? "", request !== null && versionOf(request) === "1.0" ? "1.0" : "1.1");
    connection.bare = this;
    connection.socket.once("close", () => this.settle(false));
  }

  get peer(): Peer {
    return peerOfConnection(this);
  }

  /** There is no response whose octets could be Node's own. */
  goesPast(): boolean {
    return false;
  }

  isOut(): boolean {
    return this.committed;
  }

  isOver(): boolean {
    return false;
  }

  movement(): number {
    return this.connection.movement();
  }

  backlog(): number {
    return this.connection.socket.writableLength;
  }

  lostFields(): readonly FieldLine[] {
    return [];
  }

  release(): void {}

  /** Whether anything has been answered, or is about to be. */
  get isAnswered(): boolean {
    return this.inert || this.settled || this.#raw.octets.byteLength > 0;
  }

  /** @param last - the app ends the connection with these octets */
  socketWrite(octets: Buffer, last: boolean): void {
    if (this.inert) return;
    this.#raw.add(octets);
    const status = this.#raw.handover();
    if (status !== null) {
      const { connection } = this;
      this.status = status;
      this.inert = true;
      // RFC 9110, section 7.8: the 100 the client waits for comes before the 101.
      const expects = status === 101 && /^100-continue$/i.test(this.request?.headers.expect ?? "");
      connection.own(() => {
        if (expects) connection.call("write", ["HTTP/1.1 100 Continue\r\n\r\n"]);
        connection.call("write", [this.#raw.octets]);
      });
      this.settle(true);
      connection.handOver();
      return;
    }
    const answer = this.#raw.answer(last ? "fin" : "open", true);
    if (answer !== null) this.#send(answer.octets, answer.status);
  }

  closing(how: string, error: unknown): boolean {
    if (!this.supervisor.enforces) return false;
    if (this.inert) return true;
    const answer = this.#raw.answer("fin");
    if (answer !== null) {
      this.#send(answer.octets, answer.status);
      return true;
    }
    if (this.#raw.octets.byteLength > 0) {
      return this.fail({
        code: "RAW_WRITE",
        message: EVENTS.RAW_WRITE,
        prevented: 520,
        status: this.#otherwise.status,
        err: error,
        closes: true,
      });
    }
    return this.fail(this.request === null ? this.#otherwise : prematureClose(how, error));
  }

  /** Nobody has answered, and nobody will. */
  unanswered(): boolean {
    return this.fail(this.#otherwise);
  }

  protected replace(page: Page): void {
    this.#send(renderHttp1(page, this.#method, true).octets, page.status);
  }

  #send(octets: Buffer, status: number): void {
    const { connection } = this;
    this.inert = true;
    this.committed = true;
    this.status = status;
    this.octets = octets.byteLength - (octets.indexOf("\r\n\r\n") + 4);
    const { socket } = connection;
    connection.own(() => {
      for (let n = socket.writableCorked; n > 0; n--) socket.uncork();
      socket.end(octets, () => {
        connection.bare = null;
        this.settle(true);
        // The client may still be sending what we could not parse: give it a moment to read, then close.
        const timer = setTimeout(() => connection.abort(false), 1_000).unref();
        socket.once("close", () => clearTimeout(timer));
        if (socket.readableEnded) connection.abort(false);
        else {
          socket.once("end", () => connection.abort(false));
          socket.resume();
        }
      });
    });
  }

  protected tearDown(): void {
    this.connection.abort(true);
  }

  abandon(): void {
    this.connection.abort(false);
  }
}
