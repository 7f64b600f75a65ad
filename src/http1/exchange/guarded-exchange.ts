import type { IncomingMessage } from "node:http";
import { nextTick, setImmediate } from "../../clock.js";
import { contained } from "../../containment.js";
import { failLater } from "../../exchange/failing.js";
import { CLOSE, ofLength } from "../../exchange/framing.js";
import { endsEvent, HEARTBEAT, isEventStream } from "../../exchange/heartbeat.js";
import { PHASES } from "../../exchange/state.js";
import { type Page, renderHttp1 } from "../../fallback/page.js";
import { awaitsContent } from "../../http/message.js";
import { type Failure, otherLength } from "../../report/incidents.js";
import { onceClosed } from "../connection/socket-close.js";
import { discardCalls } from "../message/discarded-calls.js";
import { setStatus } from "../message/first-line.js";
import type { RawAnswer, RawResponse, RawStream } from "../message/raw-response.js";
import { emitDrain, forgetContent, withoutDrain } from "../node/node-internals.js";
import { isBypassed } from "./bypass.js";
import { closesFor } from "./closing.js";
import { commit } from "./content.js";
import { abortRequest } from "./departure.js";
import { destroyRequest } from "./destroyed-request.js";
import { detached, sendDetached } from "./detached.js";
import { Http1Exchange } from "./http1-exchange.js";
import { sendInterim } from "./interim-gate.js";
import { passThrough, sendLast } from "./last-response.js";
import { unendedChunks } from "./own-chunks.js";
import { type RawExchange, releaseRaw, writeRaw } from "./raw-writes.js";
import { isSwitching, switchProtocols } from "./switching.js";
import { canPersist, takeOver } from "./take-over.js";
import { tellKeeper } from "./with-kernel.js";

/** About as many as Node answers a request with that it refuses. */
const REFUSAL_OCTETS = 128;

/** An exchange over HTTP/1.x that a guard sees to: what the methods in `guarded-methods.ts` do to it. */
export class GuardedExchange extends Http1Exchange implements RawExchange {
  override failSoon(failure: Failure): boolean {
    failLater(this, failure);
    if (!this.inEnd) nextTick(contained(this.supervisor, () => this.failNow()));
    return true;
  }

  private failNow(): void {
    const { pending } = this;
    if (pending !== null) super.fail(this.inContext(pending));
  }

  /** What fails behind a client that has left follows from that, and is no incident. */
  private inContext(failure: Failure): Failure {
    return this.goneBy === "client" ? { ...failure, clientGone: true } : failure;
  }

  override fail(failure: Failure): boolean {
    return super.fail(this.inContext(this.attributed(failure)));
  }

  /** Node stops reading once enough waits for its turn: a flood of requests that nobody answers must be no exception. */
  override passOver(): void {
    super.passOver();
    const { _httpMessage: front } = this.connection.socket;
    withoutDrain(front ?? this.response, () => this.response._onPendingData(REFUSAL_OCTETS));
  }

  override get isInCall(): boolean {
    return this.inEnd;
  }

  override ended(): void {
    this.inEnd = false;
    if (!this.phase.isCommitted) isBypassed(this);
    const unended = this.chunks === null ? null : unendedChunks(this);
    if (this.pending !== null) {
      this.failNow();
    } else if (unended !== null) {
      super.fail(this.inContext(unended));
    } else if (this.framing.length >= 0 && this.sent !== this.framing.length) {
      // Bare, the header section went out with the end of the content at the latest.
      super.fail(this.inContext({ ...otherLength(this.framing.length, this.sent), prevented: null }));
    } else {
      if (!this.phase.isCommitted && !this.phase.isVoid) commit(this);
      if (!this.isDetached) this.phase = this.phase.after.end;
      else if (!this.phase.isVoid) sendDetached(this);
    }
    if (this.kept !== undefined) tellKeeper(this);
  }

  override flushed(): void {
    if (this.response.socket === null && !this.isDetached) detached(this);
  }

  /** Where it has lost the call behind its last octet, Node never turns to what follows on the connection. */
  override interrupted(): void {
    if (this.phase !== PHASES.ended) return;
    const leave = () => {
      const { connection, phase, isQueued } = this;
      if (phase === PHASES.ended && !isQueued && connection.unsent === 0) connection.abort(false);
    };
    setImmediate(contained(this.supervisor, leave));
  }

  /** `end()` threw: nothing of it went out. */
  endThrew(): void {
    this.inEnd = false;
    if (this.response._header === null) forgetContent(this.response);
    if (this.isAllOut) nextTick(contained(this.supervisor, () => this.endAll()));
    if (this.pending !== null) nextTick(contained(this.supervisor, () => this.failNow()));
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

  override get hasHeartbeat(): boolean {
    if (this.settings.heartbeatMs === false) return false;
    return this.phase.isCommitted && this.response._hasBody && isEventStream(this.response._header ?? "");
  }

  override beat(): boolean {
    const { response } = this;
    if (response.finished || this.phase.isVoid || this.connection.socket.writableLength > 0 || !endsEvent(this.tail))
      return false;
    this.native.write.call(response, HEARTBEAT);
    return true;
  }

  override release(): void {
    if (this.phase.isCommitted || this.phase.discards) return;
    // The app will uncork when it is done; committing before would commit to nothing.
    if (this.response.writableCorked > 0) this.supervisor.holdBack(this);
    else if (this.held === null) releaseRaw(this);
    else if (commit(this)) emitDrain(this.response);
  }

  override socketWrite(octets: Buffer, last: boolean): boolean {
    return writeRaw(this, octets, last);
  }

  override closing(how: string, error: unknown): boolean {
    return closesFor(this, how, error);
  }

  get canPersist(): boolean {
    return canPersist(this);
  }

  sendInterim(section: string): void {
    sendInterim(this, section, undefined);
  }

  switches(raw: RawResponse): boolean {
    if (!isSwitching(this, raw)) return false;
    this.raw = null;
    this.status = 101;
    this.phase = this.phase.after.commit;
    switchProtocols(this);
    this.connection.call("write", [raw.octets]);
    return true;
  }

  begin({ framing, octets }: RawStream): void {
    if (framing === CLOSE) {
      // Without framing of its own it ends with the connection, and everything else is the app's.
      this.response._last = true;
      passThrough(this, octets);
    } else {
      discardCalls(this);
      this.connection.own(() => this.connection.call("write", [octets]));
    }
  }

  sendRaw(octets: Buffer, { head, closes }: RawAnswer): void {
    if (closes && this.held === null && !this.isDetached) {
      // Nothing follows: Node need not take its response for answered, and the app sees no `finish`, as without the guard.
      discardCalls(this);
      sendLast(this, octets);
    } else {
      // What the app has begun through the response object never ends, in its view.
      if (closes && !this.response.finished) this.goneBy ??= "app";
      takeOver(this, octets, head, closes);
    }
  }

  // -- remedies --------------------------------------------------------------------------------------------------

  override finish(): void {
    const { native, response } = this;
    if (response.finished) {
      // Only what `end()` added has been discarded, and with it the callback that turns Node to the next request.
      this.passing = true;
      native._send.call(response, "", "latin1", this.finishCallback);
      this.passing = false;
      return;
    }
    const end = () => {
      if (!this.phase.isSettled && !response.finished) response.end();
    };
    nextTick(contained(this.supervisor, end));
  }

  override replace(page: Page, failure: Failure): void {
    const { request, response } = this;
    const closes = failure.closes === true || !this.canPersist;
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

  override destroyRequest(below: IncomingMessage["destroy"], error?: Error): IncomingMessage {
    return destroyRequest(this, below, error);
  }

  override tearDown(): void {
    discardCalls(this);
    // Without length or chunks an orderly close would be the end of the content (RFC 9112, section 8).
    this.connection.abort(!this.isDelimited);
  }

  override abandon(): void {
    this.connection.abort(!this.isDelimited);
    // Where Node does not emit `close`, nobody else would tell.
    setImmediate(contained(this.supervisor, () => this.settle(false)));
  }
}
