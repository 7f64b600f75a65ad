import type { IncomingMessage } from "node:http";
import { clearTimeout, setTimeout } from "../clock.js";
import { contained } from "../containment.js";
import { Exchange, type Supervisor } from "../exchange/exchange.js";
import { CLOSE } from "../exchange/framing.js";
import { type Page, renderHttp1 } from "../fallback/page.js";
import { endOfSection, type FieldLine } from "../http/message.js";
import type { RouteSettings } from "../options/options.js";
import { type Failure, prematureClose, rawWrite, ruleBroken } from "../report/incidents.js";
import type { Peer } from "../trust/caller.js";
import type { GuardedConnection } from "./connection.js";
import { tellClientLeft } from "./departure.js";
import { isDestroyed } from "./gone-socket.js";
import { checkInterim } from "./interim.js";
import { KeptOctets } from "./kept-octets.js";
import { versionOf, type WriteCallback } from "./node-internals.js";
import { peerOfConnection } from "./peer.js";
import { type RawAnswer, RawResponse, type RawStream } from "./raw-response.js";
import { onceClosed } from "./socket-close.js";
import { endWithError } from "./socket-error.js";
import { writeAfterDestroy } from "./write-callbacks.js";

/** Time for a client to read its answer before the connection is closed, in milliseconds. */
const LAST_READ_MS = 1_000;

/**
 * An exchange for which Node has no response object: an upgrade, a CONNECT, or a request that could not be parsed.
 * Whoever listens answers on the socket, by hand.
 */
export class SocketExchange extends Exchange {
  status = 0;
  octets = 0;
  #raw: RawResponse;
  /** Its header section is out, and its content goes out as it comes. */
  #stream: RawStream | null = null;
  #interims = 0;
  /** 100 (Continue) has gone out. */
  #continued = false;
  /** Responses in front of it are under way: its own waits, once there is one. */
  #isQueued = false;
  #isAnswered = false;
  /** The rest of what the app writes is waited for. */
  #isAwaited = false;
  #answer: { octets: Buffer; status: number } | undefined;
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
    private readonly method = request?.method,
  ) {
    super(supervisor, settings);
    this.#raw = new RawResponse(request, method);
    connection.bare = this;
    connection.witness = supervisor;
    const destroyed = () => {
      this.#release(writeAfterDestroy());
      this.settle(false);
    };
    connection.whenDestroyed = [...connection.whenDestroyed, destroyed];
  }

  /** Keeps the answer back until `takeTurn()`. */
  waitForTurn(): void {
    this.#isQueued = true;
    this.connection.bare = null;
    this.connection.waiting = this;
  }

  /** @returns whether it has been answered meanwhile */
  takeTurn(): boolean {
    const { connection } = this;
    this.#isQueued = false;
    connection.waiting = null;
    connection.bare = this;
    for (const octets of this.#held.splice(0)) this.#put(octets);
    if (this.#hasSwitched) this.#upgrade();
    const answer = this.#answer;
    if (answer !== undefined) this.#send(answer.octets, answer.status);
    this.#release(null);
    return answer !== undefined;
  }

  /** The app has written octets before its turn. @returns what `write()` returns */
  keep(octets: number, callback: WriteCallback): boolean {
    this.#kept ??= new KeptOctets(this.connection.socket);
    return this.#kept.add(octets, callback);
  }

  #release(error: Error | null): void {
    this.#kept?.release(error);
    this.#kept = null;
  }

  override get isQueued(): boolean {
    return this.#isQueued;
  }

  override get socket(): object {
    return this.connection.socket;
  }

  override get afterwards(): "ends" | "other" {
    return this.#isAnswered ? "ends" : "other";
  }

  get peer(): Peer {
    return peerOfConnection(this);
  }

  get isOut(): boolean {
    return this.phase.isCommitted;
  }

  isBegun(): boolean {
    return this.#isAnswered;
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
    if (this.#isQueued || this.#hasSwitched || this.phase.isOver || this.phase.isCommitted) return;
    const stream = this.#raw.stream(true);
    if (stream === null) return;
    if (stream.repair !== null) this.repaired(stream.repair);
    this.#stream = stream;
    this.phase = this.phase.after.commit;
    this.status = stream.status;
    this.framing = stream.framing;
    this.octets = stream.content.octets;
    this.supervisor.committed(this);
    if (stream.content.state === "open") this.#put(stream.octets);
    else this.#endStream(stream.octets);
  }

  /**
   * @param last - the app ends the connection with these octets
   * @returns false where they go out as they are
   */
  socketWrite(octets: Buffer, last: boolean): boolean {
    if (this.#stream === null || this.phase.isOver) {
      this.#take(octets, last);
      return true;
    }
    const { content } = this.#stream;
    const belong = content.take(octets);
    this.octets = content.octets;
    if (content.state === "open") return false;
    if (belong < octets.length && content.state === "whole") this.repaired(this.#badWrite());
    this.#endStream(octets.subarray(0, belong));
    return true;
  }

  /** The content has come to its end, with these octets, or cannot be read. */
  #endStream(rest: Buffer): void {
    if (this.#stream?.content.state === "broken") {
      this.#put(rest);
      this.fail(this.#badWrite());
      return;
    }
    this.phase = this.phase.after.end;
    this.#sendLast(rest);
  }

  #badWrite(): Failure {
    return rawWrite({ prevented: null, status: this.status });
  }

  #take(octets: Buffer, last: boolean): void {
    if (this.#hasSwitched) this.#put(Buffer.from(octets));
    if (this.phase.isVoid) return;
    this.#raw.add(octets);
    for (const section of this.#raw.takeInterims()) this.#sendInterim(section);
    const status = this.#raw.upgrade();
    if (status !== null) {
      this.status = status;
      this.phase = this.phase.after.replace;
      // RFC 9110, section 7.8: the 100 the client waits for comes before the 101.
      const expects = status === 101 && !this.#continued && /^100-continue$/i.test(this.request?.headers.expect ?? "");
      if (expects) this.#put(Buffer.from("HTTP/1.1 100 Continue\r\n\r\n"));
      this.#put(this.#raw.octets);
      this.#hasSwitched = true;
      if (!this.#isQueued) this.#upgrade();
      return;
    }
    const answer = this.#raw.answer(last ? "fin" : "open", true);
    if (answer !== null) this.#sendRaw(answer);
    else if (!this.#raw.isEmpty) {
      if (!this.#isAwaited) this.supervisor.holdBack(this);
      this.#isAwaited = true;
      if (this.#raw.isLarge) this.release();
    }
  }

  /** Sends octets as they are, or keeps them until it is their turn. */
  #put(octets: Buffer): void {
    const { connection } = this;
    if (this.#isQueued) this.#held.push(octets);
    else connection.own(() => connection.call("write", [octets]));
  }

  #upgrade(): void {
    const { connection } = this;
    this.settle(true);
    connection.upgraded();
    if (this.#end !== undefined) connection.call(this.#end === "socket.end" ? "end" : "destroySoon", []);
  }

  #sendInterim(section: string): void {
    const { request } = this;
    const verdict = checkInterim(section, {
      version: request === null ? "1.1" : versionOf(request),
      afterFinal: false,
      before: this.#interims,
      most: this.supervisor.settings.edge.maxInterimResponses,
    });
    if (verdict !== null) this.repaired(ruleBroken(verdict.rule, verdict.found));
    const octets = verdict === null ? section : verdict.octets;
    if (octets === null) return;
    this.#interims++;
    this.#continued ||= octets.startsWith("HTTP/1.1 100");
    this.#put(Buffer.from(octets, "latin1"));
  }

  closing(how: string, error: unknown): boolean {
    const { connection } = this;
    if (this.#isQueued && how !== "socket.end") tellClientLeft(connection);
    endWithError(connection, error);
    if (this.#hasSwitched) this.#end ??= how;
    if (this.phase.isVoid || this.#isAnswered) return true;
    if (this.#stream?.framing === CLOSE) {
      this.#endStream(Buffer.alloc(0));
      return true;
    }
    const answer = this.#raw.answer("fin");
    if (answer !== null) {
      this.#sendRaw(answer);
      return true;
    }
    if (this.#stream === null && this.#raw.octets.byteLength > 0) {
      return this.fail(rawWrite({ status: this.otherwise.status, err: error, closes: true }));
    }
    if (this.request === null) return this.fail(this.otherwise);
    // No other protocol can be spoken with a client that has ended its side: it has left, and the app lets go of it.
    if (this.connection.socket.readableEnded) return false;
    return this.fail(prematureClose(how, error));
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
    this.#send(renderHttp1(page, this.method, true).octets, page.status);
  }

  #sendRaw({ octets, status, repair }: RawAnswer): void {
    if (repair !== null) this.repaired(repair);
    this.#send(octets, status);
  }

  #send(octets: Buffer, status: number): void {
    this.phase = this.phase.after.replace;
    if (this.#isQueued) {
      this.#answer = { octets, status };
      return;
    }
    this.status = status;
    this.octets = octets.byteLength - endOfSection(octets);
    this.#sendLast(octets);
  }

  #sendLast(octets: Buffer): void {
    const { connection } = this;
    const { socket } = connection;
    this.#isAnswered = true;
    const flushed = contained(this.supervisor, () => this.#flushed());
    connection.own(() => {
      for (let n = socket.writableCorked; n > 0; n--) socket.uncork();
      socket.end(octets, flushed);
    });
  }

  #flushed(): void {
    const { connection } = this;
    const { socket } = connection;
    connection.bare = null;
    this.settle(true);
    // The client may still be sending what we could not parse: give it a moment to read, then close.
    const close = contained(this.supervisor, () => connection.abort(false));
    const timer = setTimeout(close, LAST_READ_MS).unref();
    onceClosed(socket, () => clearTimeout(timer));
    if (socket.readableEnded) close();
    else {
      socket.once("end", close);
      socket.resume();
    }
  }

  tearDown(): void {
    this.connection.abort(true);
  }

  abandon(): void {
    this.connection.abort(false);
  }
}
