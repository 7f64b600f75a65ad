import type { IncomingMessage } from "node:http";
import { contained } from "../../containment.js";
import { Exchange, type Supervisor } from "../../exchange/exchange.js";
import { CLOSE } from "../../exchange/framing.js";
import { type Page, renderHttp1 } from "../../fallback/page.js";
import type { FieldLine } from "../../http/message.js";
import type { RouteSettings } from "../../options/options.js";
import { type Failure, ruleBroken } from "../../report/incidents.js";
import type { Peer } from "../../trust/caller.js";
import type { GuardedConnection } from "../connection/connection.js";
import { isDestroyed } from "../connection/gone-socket.js";
import { KeptOctets } from "../connection/kept-octets.js";
import type { WithoutResponse } from "../connection/on-connection.js";
import { peerOfConnection } from "../connection/peer.js";
import { endWithError } from "../connection/socket-error.js";
import { checkInterim } from "../message/interim.js";
import type { RawResponse, RawStream } from "../message/raw-response.js";
import { writeAfterDestroy } from "../message/write-callbacks.js";
import { versionOf, type WriteCallback } from "../node/node-internals.js";
import { tellClientLeft } from "./departure.js";
import { closeRaw, endStream, type RawExchange, releaseRaw, writeRaw } from "./raw-writes.js";
import { closeOnceRead } from "./tear-down.js";

/**
 * An exchange for which Node has no response object: an upgrade, a CONNECT, or a request that could not be parsed.
 * Whoever listens answers on the socket, by hand.
 */
export class SocketExchange extends Exchange implements RawExchange, WithoutResponse {
  status = 0;
  readonly canPersist = false;
  raw: RawResponse | null = null;
  rawStream: RawStream | null = null;
  #interims = 0;
  /** 100 (Continue) has gone out. */
  #continued = false;
  /** Its answer, which waits for its turn. */
  #answer: Buffer | undefined;
  /** What goes out in front of that, or in its place, once it is its turn. */
  #held: Buffer[] = [];
  /** What the app finds of what it has written until then. */
  #kept: KeptOctets | null = null;
  /** Another protocol has the connection, as far as the app knows. */
  #hasSwitched = false;
  /** How the app has ended that. */
  #end: string | undefined;

  constructor(
    supervisor: Supervisor,
    settings: RouteSettings,
    readonly request: IncomingMessage | null,
    readonly connection: GuardedConnection,
    /** What it becomes when nobody answers. */
    private readonly otherwise: Failure,
    /** `undefined`: of a request that could not be parsed, and may be a HEAD. */
    readonly method = request?.method,
  ) {
    super(supervisor, settings);
    connection.bare = this;
    connection.witness = supervisor;
    connection.whenDestroyed = [...connection.whenDestroyed, this.destroyed];
  }

  /** The socket is gone. */
  protected readonly destroyed = (): void => {
    this.#release(writeAfterDestroy());
    this.settle(false);
    // Node has let go of the socket, and tells none of the requests in front.
    this.connection.closed();
  };

  /** Keeps the answer back until `takeTurn()`. */
  waitForTurn(): void {
    this.connection.bare = null;
    this.connection.waiting = this;
  }

  /** @returns whether it has been answered meanwhile */
  takeTurn(): boolean {
    const { connection } = this;
    connection.waiting = null;
    connection.bare = this;
    for (const octets of this.#held.splice(0)) this.#put(octets);
    if (this.#hasSwitched) this.#upgrade();
    const answer = this.#answer;
    if (answer !== undefined) this.sendRaw(answer);
    this.#release(null);
    return answer !== undefined;
  }

  keep(octets: number, callback: WriteCallback): boolean {
    this.#kept ??= new KeptOctets(this.connection.socket);
    return this.#kept.add(octets, callback);
  }

  #release(error: Error | null): void {
    this.#kept?.release(error);
    this.#kept = null;
  }

  /** Responses in front of it are under way: its own waits, once there is one. */
  override get isQueued(): boolean {
    return this.connection.waiting === this;
  }

  get octets(): number {
    return this.isQueued ? 0 : this.sent;
  }

  override get socket(): object {
    return this.connection.socket;
  }

  override get afterwards(): "ends" | "other" {
    return this.status === 0 || this.#hasSwitched ? "other" : "ends";
  }

  get peer(): Peer {
    return peerOfConnection(this);
  }

  get isOut(): boolean {
    return this.phase.isCommitted;
  }

  isBegun(): boolean {
    return this.phase.isCommitted && !this.phase.isVoid;
  }

  readonly isWhole = false;

  movement(): number {
    return this.phase.isCommitted ? this.connection.delivered : (this.connection.socket.bytesRead ?? 0);
  }

  backlog(): number {
    return this.connection.socket.writableLength;
  }

  override get isLeft(): boolean {
    return isDestroyed(this.connection.socket);
  }

  lostFields(): readonly FieldLine[] {
    return [];
  }

  release(): void {
    if (!this.phase.isCommitted && !this.phase.discards) releaseRaw(this);
  }

  socketWrite(octets: Buffer, last: boolean): boolean {
    if (!this.#hasSwitched) return writeRaw(this, octets, last);
    this.#put(Buffer.from(octets));
    return true;
  }

  switches(raw: RawResponse): boolean {
    const status = raw.upgrade();
    if (status === null) return false;
    this.status = status;
    this.phase = this.phase.after.replace;
    // RFC 9110, section 7.8: the 100 the client waits for comes before the 101.
    const expects = status === 101 && !this.#continued && /^100-continue$/i.test(this.request?.headers.expect ?? "");
    if (expects) this.#put(Buffer.from("HTTP/1.1 100 Continue\r\n\r\n"));
    this.#put(raw.octets);
    this.#hasSwitched = true;
    if (!this.isQueued) this.#upgrade();
    return true;
  }

  begin({ octets }: RawStream): void {
    this.#put(octets);
  }

  /** Sends octets as they are, or keeps them until it is their turn. */
  #put(octets: Buffer): void {
    const { connection } = this;
    if (this.isQueued) this.#held.push(octets);
    else connection.own(() => connection.call("write", [octets]));
  }

  #upgrade(): void {
    const { connection } = this;
    this.settle(true);
    connection.upgraded();
    if (this.#end !== undefined) connection.call(this.#end === "socket.end" ? "end" : "destroySoon", []);
  }

  sendInterim(section: string): void {
    const octets = this.judgeInterim(section);
    if (octets === null) return;
    this.#continued ||= octets.startsWith("HTTP/1.1 100");
    this.#put(Buffer.from(octets, "latin1"));
  }

  /** What may go out of an interim response; null for nothing. */
  protected judgeInterim(section: string): string | null {
    const { request } = this;
    const verdict = checkInterim(section, {
      version: request === null ? "1.1" : versionOf(request),
      afterFinal: false,
      before: this.#interims,
      most: this.supervisor.settings.edge.maxInterimResponses,
    });
    if (verdict !== null) this.repaired(ruleBroken(verdict.rule, verdict.found));
    const octets = verdict === null ? section : verdict.octets;
    if (octets !== null) this.#interims++;
    return octets;
  }

  closing(how: string, error: unknown): boolean {
    const { connection, raw, rawStream } = this;
    if (this.isQueued && how !== "socket.end") tellClientLeft(connection);
    endWithError(connection, error);
    if (this.#hasSwitched) this.#end ??= how;
    if (this.phase.isOver) return true;
    if (rawStream?.framing === CLOSE) {
      endStream(this, rawStream, Buffer.alloc(0));
      return true;
    }
    if (raw === null && this.request === null) return this.unanswered();
    // No other protocol can be spoken with a client that has ended its side: it has left, and the app lets go of it.
    if (raw === null && connection.socket.readableEnded) return false;
    return closeRaw(this, how, error);
  }

  /** Whatever goes wrong with the answer to what is no request, Node's own answer is the right one. */
  override fail(failure: Failure): boolean {
    if (this.request !== null) return super.fail(failure);
    return super.fail({ ...this.otherwise, err: failure.err ?? this.otherwise.err });
  }

  /** Nobody has answered, and nobody will. */
  unanswered(): boolean {
    return this.fail(this.otherwise);
  }

  finish(): void {}

  replace(page: Page): void {
    const { octets, head } = renderHttp1(page, this.method, true);
    this.status = page.status;
    this.sent = octets.byteLength - head.length;
    this.sendRaw(octets);
  }

  sendRaw(octets: Buffer): void {
    if (this.isQueued) {
      this.#answer = octets;
      return;
    }
    const { connection } = this;
    const { socket } = connection;
    const flushed = contained(this.supervisor, () => {
      connection.bare = null;
      this.settle(true);
      closeOnceRead(connection);
    });
    connection.own(() => {
      for (let n = socket.writableCorked; n > 0; n--) socket.uncork();
      socket.end(octets, flushed);
    });
  }

  tearDown(): void {
    this.connection.abort(true);
  }

  abandon(): void {
    this.connection.abort(false);
  }
}
