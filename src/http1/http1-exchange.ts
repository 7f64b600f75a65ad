import type { IncomingMessage } from "node:http";
import { contained } from "../containment.js";
import { Exchange, type Supervisor } from "../exchange/exchange.js";
import { failLater } from "../exchange/failing.js";
import { CHUNKED, isWhole, ofLength } from "../exchange/framing.js";
import { EVENT_STREAM, endsEvent, HEARTBEAT, isEventStream } from "../exchange/heartbeat.js";
import { PHASES } from "../exchange/state.js";
import { type Page, renderHttp1 } from "../fallback/page.js";
import type { FieldLine } from "../http/message.js";
import type { RouteSettings } from "../options/options.js";
import { EVENTS, type Failure, longContent, shortContent, sourceFailed } from "../report/incidents.js";
import { MESSAGES } from "../report/log.js";
import type { Peer } from "../trust/caller.js";
import type { CodedContent } from "./coded-content.js";
import type { GuardedConnection } from "./connection.js";
import { commit, dropHeld, isAllOut, type Piece, releaseHeld } from "./content.js";
import { abortRequest, leaveConnection } from "./departure.js";
import { detached, sendDetached } from "./detached.js";
import { discardCalls } from "./discarded-calls.js";
import { checkTrailers, framingOf } from "./field-sections.js";
import { setStatus } from "./first-line.js";
import { isDestroyed, showGone } from "./gone-socket.js";
import { fieldsOf, type RenderingContext } from "./header-section.js";
import type { Interims } from "./interim-gate.js";
import { awaitLateAnswer } from "./late-answer.js";
import { forgetContent, type NodeResponse, type WriteCallback } from "./node-internals.js";
import type { NativeMethods } from "./overrides.js";
import { peerOfConnection } from "./peer.js";
import type { RawResponse } from "./raw-response.js";
import { closeRaw, writeRaw } from "./raw-writes.js";
import { awaitsContent } from "./request.js";
import { onceClosed } from "./socket-close.js";
import { endWithError } from "./socket-error.js";
import { canPersist, takeOver } from "./take-over.js";

/** An exchange over HTTP/1.x: what the methods in `overrides.ts` do to it. */
export class Http1Exchange extends Exchange implements RenderingContext {
  readonly request: IncomingMessage;
  readonly isHttp11: boolean;
  /** False where Node has read in the request that the connection is to close; an app can change Node's own note of it. */
  persists = true;
  readonly response: NodeResponse;
  /** The methods the guard stands in front of, as they were before. */
  readonly native: NativeMethods;
  readonly connection: GuardedConnection;
  /** Next exchange on the same connection, in the order of the requests. */
  following: Http1Exchange | null = null;

  /** `end()` is on the stack. */
  ending = false;
  /** Node has emitted `finish`, and will detach the socket. */
  finishing = false;
  /** `end()` is called for its bookkeeping alone: nothing it writes goes out. */
  declare capturing: boolean;
  /** The callback of `end()` that emits `finish`, where it has been kept from the socket. */
  declare finishCallback: WriteCallback;
  /** Content that has not gone out, header section first. */
  held: Piece[] | null = null;
  heldOctets = 0;
  /** Octets that the app wrote and that never left, framing among them: 0 until that is known. */
  declare lostOctets: number;
  /** Field lines of a header section that was not rendered. */
  declare lost: readonly FieldLine[] | null;
  status = 0;
  /** Status code of the header section, which `status` is once that is committed. */
  decidedStatus = 0;
  /** `commit()` follows in the next tick. */
  commitsSoon = false;
  /** The app was told to wait, before anything was committed. */
  full = false;
  /** A hand-written response without framing goes straight out. */
  declare streamsRaw: boolean;
  /** Interim responses of this exchange, from the first on. */
  declare interims: Interims | null;
  /** Who has ended the connection, in the app's view; null while it stands. */
  declare goneBy: "client" | "app" | null;
  /** Tells of that at once; undefined where it is told already, or in another way. */
  declare tellDeparture: (() => void) | undefined;
  /** A method of a response that is over in the app's view is on the stack. */
  declare reopened: boolean;
  /** What has ended the connection, as far as Node knows: whatever fails from here on follows from that. */
  declare fault: Failure | undefined;
  /** What is told where the app, having destroyed its request, answers it after all. */
  declare lateAnswer: Failure | undefined;
  /** Content that is said to be coded, until its first octets have been seen. */
  declare coded: CodedContent | null;
  /** The app has taken the socket away from Node (`detachSocket`). */
  declare isDetached: boolean;
  /** Part of the response was out when that happened. */
  declare wasOut: boolean;
  /** Source of a `pipe()` into this response that failed after the header section was decided. */
  declare sourceError: { readonly error: unknown } | undefined;
  /** What the app has written last, kept only where a heartbeat must know. */
  declare lastChunk: unknown;
  /** What the app has written to the socket itself. */
  declare raw: RawResponse | null;
  /** Set by an adapter that knows better than the app what is about to go wrong. */
  declare veto: (() => Failure | null) | undefined;

  constructor(
    supervisor: Supervisor,
    settings: RouteSettings,
    request: IncomingMessage,
    response: NodeResponse,
    native: NativeMethods,
    connection: GuardedConnection,
  ) {
    super(supervisor, settings);
    this.request = request;
    this.isHttp11 = request.httpVersionMinor === 1 && request.httpVersionMajor === 1;
    this.response = response;
    this.native = native;
    this.connection = connection;
  }

  get octets(): number {
    return Math.max(0, this.sent - this.lostOctets);
  }

  override get knownLength(): number | undefined {
    return this.response._contentLength ?? undefined;
  }

  get isOut(): boolean {
    if (!this.phase.isCommitted) return false;
    // A pipelined response waits for its turn in a queue of its own; until then it can still be taken back.
    const { response } = this;
    if (this.isDetached) return this.wasOut || this.streamsRaw;
    return response.outputData.length === 0 || response.socket !== null;
  }

  isBegun(): boolean {
    return (this.phase.isCommitted && !this.phase.isVoid) || this.heldOctets > 0;
  }

  get isWhole(): boolean {
    return !this.isDetached && isWhole(this.framing, this.sent);
  }

  get peer(): Peer {
    const { peer } = this.connection;
    return peer?.trust === this.supervisor.settings.trust ? peer : peerOfConnection(this);
  }

  override get socket(): object {
    return this.connection.socket;
  }

  override get isDelimited(): boolean {
    return this.framing.kind !== "close";
  }

  override get afterwards(): "idle" | "ends" | "other" {
    const { connection, response, outcome } = this;
    if (this.isDetached || connection.released || this.status === 101) return "other";
    if (outcome === "torn down" || outcome === "client gone") return "ends";
    return connection.persists && !response._last && !awaitsContent(this.request) ? "idle" : "ends";
  }

  movement(): number {
    return this.phase.isCommitted ? this.connection.delivered : (this.connection.socket.bytesRead ?? 0);
  }

  override get isUploading(): boolean {
    return awaitsContent(this.request);
  }

  override get isQueued(): boolean {
    return this.response.socket === null && !this.isDetached;
  }

  backlog(): number {
    const { writableCorked, writableLength } = this.connection.socket;
    // What the app keeps corked is no recipient's fault.
    return writableCorked > 0 ? 0 : writableLength;
  }

  override get isLeft(): boolean {
    return isDestroyed(this.connection.socket);
  }

  lostFields(): readonly FieldLine[] {
    if (this.lost !== null) return this.lost;
    return fieldsOf(this.response);
  }

  /** The app's response cannot be saved; answers as soon as no method of it is on the stack. @returns whether it will */
  failSoon(failure: Failure): boolean {
    failLater(this, failure);
    if (!this.ending) process.nextTick(contained(this.supervisor, () => this.failNow()));
    return true;
  }

  private failNow(): void {
    const { pending } = this;
    if (pending !== null) super.fail(pending);
  }

  override fail(failure: Failure): boolean {
    const { fault } = this;
    if (fault !== undefined) {
      this.fault = undefined;
      return this.fail({ ...fault, err: failure.err ?? fault.err });
    }
    // What fails behind a client that has left follows from that, and is no incident.
    if (this.goneBy === "client" && failure.clientGone !== true) return this.fail({ ...failure, clientGone: true });
    return super.fail(failure);
  }

  override get isInCall(): boolean {
    return this.ending;
  }

  /** Node is about to say that the client has left; where it does not, nobody else would. */
  override failsBehindClient(): void {
    setImmediate(contained(this.supervisor, () => this.gone()));
  }

  /** `end()` is about to run for content of a source, or with a trailer section: the last moment to look at them. */
  ends(): void {
    if (this.sourceError !== undefined && !isAllOut(this)) this.fail(sourceFailed(this.sourceError.error));
    if (this.response._trailer !== "") checkTrailers(this);
  }

  /** `end()` has returned. */
  ended(): void {
    this.ending = false;
    if (!this.phase.isCommitted) this.isBypassed();
    if (this.pending !== null) {
      this.failNow();
    } else if (this.framing.length >= 0 && this.sent !== this.framing.length) {
      // Bare, the header section went out with the end of the content at the latest.
      super.fail({ ...this.ofOtherLength(), prevented: null });
    } else {
      if (!this.phase.isCommitted && !this.phase.isVoid) commit(this);
      if (!this.isDetached) this.phase = this.phase.after.end;
      else if (!this.phase.isVoid) sendDetached(this);
    }
    if (this.kept !== undefined) this.tellKeeper();
  }

  protected tellKeeper(): void {
    if (this.isWithKernel) this.supervisor.delivered(this);
  }

  /** All of it has been taken by the kernel at once: what Node says of that in the next tick may come too late. */
  private get isWithKernel(): boolean {
    // Further requests may have been read with this one, and are known once the parser has returned: before that tick.
    if (!this.request.complete || this.following !== null) return false;
    if (this.phase !== PHASES.ended || this.response.outputData.length > 0) return false;
    return this.connection.socket.writableLength === 0 && this.connection.unsent === 0 && this.afterwards === "idle";
  }

  /** Content of another length than was announced. */
  protected ofOtherLength(): Failure {
    const { length } = this.framing;
    return (this.sent > length ? longContent : shortContent)(length, this.sent);
  }

  wroteLate(err?: unknown): void {
    const { statusCode: status } = this.response;
    this.late({ code: "LATE_WRITE", message: EVENTS.LATE_WRITE, prevented: null, status, err });
  }

  /** `end()` threw: nothing of it went out. */
  endThrew(): void {
    this.ending = false;
    if (this.response._header === null) forgetContent(this.response);
    if (isAllOut(this)) process.nextTick(contained(this.supervisor, () => this.endAll()));
    if (this.pending !== null) process.nextTick(contained(this.supervisor, () => this.failNow()));
  }

  /**
   * `strictContentLength` throws when everything is with the socket already, and leaves the response without its end: the
   * app finds that in this turn, and the client waits for nothing.
   */
  private endAll(): void {
    if (this.phase.isOver || this.response.finished) return;
    this.response.strictContentLength = false;
    this.native.end.call(this.response);
  }

  override get streamsEvents(): boolean {
    return this.phase.isCommitted && EVENT_STREAM.test(this.response._header ?? "");
  }

  override get isFirst(): boolean {
    return this.connection.isNew;
  }

  override get hasHeartbeat(): boolean {
    if (this.settings.heartbeatMs === false) return false;
    return this.phase.isCommitted && this.response._hasBody && isEventStream(this.response._header ?? "");
  }

  override beat(): boolean {
    const { response } = this;
    if (
      response.finished ||
      this.phase.isVoid ||
      this.connection.socket.writableLength > 0 ||
      !endsEvent(this.lastChunk)
    )
      return false;
    this.native.write.call(response, HEARTBEAT);
    return true;
  }

  release(): void {
    releaseHeld(this);
  }

  // -- what the app does to the connection -----------------------------------------------------------------------

  /** Octets reach the socket past the methods of the response. @returns true where they are Node's own */
  goesPast(): boolean {
    return this.passing || this.isBypassed();
  }

  /** Octets of Node's own have left through `_send` or `_flushOutput`, past the methods of the guard. */
  isBypassed(): boolean {
    const { response, supervisor } = this;
    if (!response._headerSent || this.phase.isVoid || this.raw !== null) return false;
    if (this.phase.isCommitted) return response.outputData.length > 0 && response.socket !== null;
    // Too late to hold this one back: it is only watched.
    this.passing = true;
    this.phase = this.phase.after.commit;
    const framing = framingOf(response);
    // What has gone past the guard is counted by nobody.
    this.framing = framing.kind === "length" ? CHUNKED : framing;
    this.status = response.statusCode;
    supervisor.committed(this);
    supervisor.warn({}, MESSAGES.bypassed);
    return true;
  }

  /**
   * The app writes to the socket itself.
   * @param last - it ends the connection with these octets
   * @returns true where the guard takes them
   */
  socketWrite(octets: Buffer, last: boolean): boolean {
    writeRaw(this, octets, last);
    return true;
  }

  /** The app ends or destroys the connection. @returns true where the guard takes over */
  closing(how: string, error: unknown): boolean {
    return closeRaw(this, how, error);
  }

  // -- remedies --------------------------------------------------------------------------------------------------

  finish(): void {
    const { native, response } = this;
    if (response.finished) {
      // Only what `end()` added has been swallowed, and with it the callback that turns Node to the next request.
      this.passing = true;
      native._send.call(response, "", "latin1", this.finishCallback);
      this.passing = false;
      return;
    }
    const end = () => {
      if (!this.phase.isSettled && !response.finished) response.end();
    };
    process.nextTick(contained(this.supervisor, end));
  }

  replace(page: Page, failure: Failure): void {
    const { request, response } = this;
    const closes = failure.closes === true || !canPersist(this);
    const { head, octets } = renderHttp1(page, request.method ?? "", closes);
    if (!response.finished) this.departs(failure);
    this.status = page.status;
    if (this.goneBy !== null) {
      // In the app's view nothing has been answered.
    } else if (failure.unseen) {
      response.statusCode = page.status;
      response.statusMessage = page.reason;
    } else setStatus(response, page.status, page.reason);
    this.sent = request.method === "HEAD" ? 0 : page.body.byteLength;
    this.framing = ofLength(this.sent);
    takeOver(this, octets, head, closes, failure.unseen);
  }

  /**
   * Without the guard the connection would be gone, or the request would never be read to its end: that is what the app
   * is told. A framework that answers an error reads on.
   */
  private departs(failure: Failure): void {
    const { connection, request } = this;
    const isCut = awaitsContent(request);
    if (failure.closes === true || (isCut && failure.code !== "HANDLER_ERROR"))
      this.goneBy ??= failure.clientGone === true ? "client" : "app";
    else if (isCut) onceClosed(connection.socket, () => abortRequest(request));
  }

  /** The app destroys its request. @returns what `below`, the method to do so, does */
  destroyRequest(below: IncomingMessage["destroy"], error?: Error): IncomingMessage {
    const { connection, request } = this;
    leaveConnection(request);
    const result = below.call(request, error);
    // Answered in full, and the connection has promised to persist: it does, where all of the request has arrived.
    if (!this.phase.isSettled) this.requestDestroyed(error);
    else if (awaitsContent(request)) connection.closeSoon();
    return result;
  }

  /** The app has destroyed its request, and with it, as far as it knows, the connection. */
  private requestDestroyed(error: unknown): void {
    const { connection, response } = this;
    if (this.phase.isOver) {
      if (!awaitsContent(this.request)) return;
      response._last = true;
      endWithError(connection, error);
      showGone(connection);
    } else if (response._header === null && this.raw === null && !this.isDetached) awaitLateAnswer(this, error);
    else {
      connection.culprit = this;
      this.closing("req.destroy", error);
      connection.culprit = null;
      if (this.goneBy !== null && !this.isQueued) showGone(connection);
    }
  }

  /** The app answers though the connection is gone in its view. */
  answersAfterAll(): void {
    const { lateAnswer } = this;
    if (lateAnswer === undefined) return;
    this.lateAnswer = undefined;
    this.repaired(lateAnswer);
  }

  tearDown(): void {
    discardCalls(this);
    this.connection.abort(this.endsWithConnection);
  }

  /** Without length or chunks an orderly close would be the end of the content (RFC 9112, section 8). */
  private get endsWithConnection(): boolean {
    return this.framing.kind === "close";
  }

  abandon(): void {
    this.connection.abort(this.endsWithConnection);
    // Where Node does not emit `close`, nobody else would tell.
    setImmediate(contained(this.supervisor, () => this.settle(false)));
  }

  protected override noteLost(): void {
    this.lostOctets = this.isOut ? this.connection.unsent : this.sent;
  }

  /** The connection is gone. */
  gone(): void {
    // A recipient that has all it was promised may leave before the app has ended its response, or Node has said so.
    dropHeld(this);
    const isWhole = this.phase.isVoid ? this.outcome === "replaced" : isAllOut(this) || this.phase === PHASES.ended;
    this.settle(isWhole && this.connection.unsent === 0);
  }

  /** `finish` has been emitted: Node has detached the socket, if only past a method that is no longer in its place. */
  flushed(): void {
    if (this.response.socket === null && !this.isDetached) detached(this);
  }

  /** `close` has been emitted on the response, by Node or by an app, before its fate was known. */
  closed(): void {
    if (isDestroyed(this.connection.socket)) this.connection.closed();
  }
}

/** What most exchanges never set takes no room in any of them. */
Object.assign(Http1Exchange.prototype, {
  hasNodeResponse: true,
  capturing: false,
  finishCallback: null,
  raw: null,
  lost: null,
  lostOctets: 0,
  goneBy: null,
  tellDeparture: undefined,
  reopened: false,
  lateAnswer: undefined,
  fault: undefined,
  streamsRaw: false,
  interims: null,
  coded: null,
  isDetached: false,
  wasOut: false,
  sourceError: undefined,
  lastChunk: undefined,
  veto: undefined,
});
