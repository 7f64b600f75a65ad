import type { IncomingMessage } from "node:http";
import { Exchange, type Supervisor } from "../exchange.js";
import { type Page, renderHttp1 } from "../fallback/page.js";
import { type Failure, longContent, shortContent, sourceFailed } from "../incidents.js";
import { MESSAGES } from "../log.js";
import type { RouteSettings } from "../options.js";
import type { Peer } from "../trust/caller.js";
import type { FieldLine } from "../validity/head.js";
import type { GuardedConnection } from "./connection.js";
import { commit, isAllOut, type Piece, releaseHeld } from "./content.js";
import { sendDetached } from "./detached.js";
import { checkTrailers } from "./field-sections.js";
import { closeByHand, writeByHand } from "./hand-written.js";
import { fieldsOf, type RenderingContext } from "./header-section.js";
import { endsEvent, HEARTBEAT, isEventStream } from "./heartbeat.js";
import { followPrototype } from "./layers.js";
import { forgetContent, type NodeResponse, type WriteCallback } from "./node-internals.js";
import { peerOfConnection } from "./peer.js";
import type { RawResponse } from "./raw-response.js";
import type { NativeMethods } from "./response.js";
import { silence } from "./silence.js";
import { canPersist, takeOver } from "./take-over.js";

/** An exchange over HTTP/1.x: what the methods in `response.ts` do to it. */
export class Http1Exchange extends Exchange implements RenderingContext {
  readonly request: IncomingMessage;
  readonly isHttp11: boolean;
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
  /** Octets on their way to the socket are Node's own, or the guard's. */
  passing = false;
  /** `end()` is called for its bookkeeping alone: nothing it writes goes out. */
  capturing = false;
  /** The callback of `end()` that emits `finish`, where it has been kept from the socket. */
  finishCallback: WriteCallback = null;
  /** Why the app's response cannot be saved, until no method of it is on the stack. */
  doom: Failure | null = null;
  /** Content that has not gone out, header section first. */
  held: Piece[] | null = null;
  heldOctets = 0;
  /** Content-Length a recipient will go by; -1 where the framing is another. */
  expected = -1;
  /** Octets of content taken from the app. */
  sent = 0;
  /** The app has ended its response, and not all of its content went out. */
  isShort = false;
  /** Field lines of a header section that was not rendered. */
  declare lost: readonly FieldLine[] | null;
  /** Status code of the header section; out only once that is committed. */
  decidedStatus = 0;
  /** `commit()` follows in the next tick. */
  commitsSoon = false;
  /** The app was told to wait, before anything was committed. */
  full = false;
  #completes = false;
  /** A hand-written response without framing goes straight out. */
  declare streamsRaw: boolean;
  /** Interim responses so far, and whether there were too many. */
  declare interims: number;
  declare flooded: boolean;
  /** The app has taken the socket away from Node (`detachSocket`). */
  declare isDetached: boolean;
  /** Part of the response was out when that happened. */
  declare wasOut: boolean;
  /** Source of a `pipe()` into this response that failed after the header section was decided. */
  declare sourceError: { readonly error: unknown } | undefined;
  /**
   * How many callers write where nobody catches what that throws, and an error would end the process: sources that are
   * piped, Express's final handler.
   */
  unattended = 0;
  /** What the app has written last, kept only where a heartbeat must know. */
  declare lastChunk: unknown;
  /** What the app has written to the socket itself. */
  raw: RawResponse | null = null;
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

  get status(): number {
    return this.committed ? this.decidedStatus : 0;
  }

  get octets(): number {
    return this.sent;
  }

  isOut(): boolean {
    if (!this.committed) return false;
    // A pipelined response waits for its turn in a queue of its own; until then it can still be taken back.
    const { response } = this;
    if (this.isDetached) return this.wasOut || this.streamsRaw;
    return response.outputData.length === 0 || response.socket !== null;
  }

  isOver(): boolean {
    return this.committed && this.response.finished && !this.ending && !this.isShort && !this.isDetached;
  }

  get peer(): Peer {
    return peerOfConnection(this);
  }

  movement(): number {
    return this.connection.movement();
  }

  backlog(): number {
    return this.connection.socket.writableLength;
  }

  lostFields(): readonly FieldLine[] {
    if (this.lost !== null) return this.lost;
    return fieldsOf(this.response);
  }

  /** The app's response cannot be saved; answers as soon as no method of it is on the stack. */
  doomed(failure: Failure): void {
    this.doom = failure;
    if (!this.ending) process.nextTick(() => this.#meetDoom());
  }

  #meetDoom(): void {
    const doom = this.doom;
    if (doom === null) return;
    this.doom = null;
    if (isAllOut(this)) {
      // Only what `end()` added has been swallowed, and with it the callback that turns Node to the next request.
      this.repaired(doom);
      this.passing = true;
      this.native._send.call(this.response, "", "latin1", this.finishCallback);
      this.passing = false;
      return;
    }
    // Node takes the response for finished, the recipient does not.
    this.isShort = true;
    super.fail(doom);
  }

  override fail(failure: Failure): boolean {
    if (this.ending && !this.inert && this.supervisor.enforces) {
      this.doom ??= failure;
      return true;
    }
    if (!this.response.finished && isAllOut(this)) {
      // The recipient has all that was announced: only the end is missing.
      if (!this.#completes) {
        this.#completes = true;
        this.repaired(failure);
        process.nextTick(() => {
          if (!this.settled && !this.response.finished) this.response.end();
        });
      }
      return true;
    }
    // What came first is the cause; what fails now is most often its consequence.
    const doom = this.doom;
    this.doom = null;
    return super.fail(doom === null ? failure : { ...failure, code: doom.code, message: doom.message });
  }

  /** `end()` is about to run: the last moment to look at the trailer section. */
  ends(): void {
    this.ending = true;
    if (this.sourceError !== undefined && !isAllOut(this)) this.fail(sourceFailed(this.sourceError.error));
    if (this.response._trailer !== "") checkTrailers(this);
  }

  /** `end()` has returned. */
  ended(): void {
    this.ending = false;
    if (this.doom !== null) {
      this.#meetDoom();
    } else if (this.sent !== this.expected && this.expected >= 0 && this.response._hasBody) {
      if (this.supervisor.enforces) this.#short();
      else {
        const differs = this.sent > this.expected ? longContent : shortContent;
        this.supervisor.report(this, differs(this.expected, this.sent), "reported");
      }
    } else {
      if (!this.committed && !this.inert) commit(this);
      if (this.isDetached && !this.inert) sendDetached(this);
    }
  }

  #short(): void {
    this.isShort = true;
    super.fail(shortContent(this.expected, this.sent));
  }

  /** `end()` threw: nothing of it went out. */
  endThrew(): void {
    this.ending = false;
    if (this.response._header === null) forgetContent(this.response);
    if (this.committed && !this.inert && this.sent === this.expected) {
      // `strictContentLength` throws when everything is with the socket already, and leaves the response without its end.
      this.response.strictContentLength = false;
      this.native.end.call(this.response);
    }
    if (this.doom !== null) process.nextTick(() => this.#meetDoom());
  }

  override get hasHeartbeat(): boolean {
    if (this.settings.heartbeatMs === false || !this.supervisor.enforces) return false;
    return this.committed && this.response._hasBody && isEventStream(this.response._header ?? "");
  }

  override beat(): boolean {
    const { response } = this;
    if (response.finished || this.inert || this.backlog() > 0 || !endsEvent(this.lastChunk)) return false;
    this.native.write.call(response, HEARTBEAT);
    return true;
  }

  release(): void {
    releaseHeld(this);
  }

  // -- what the app does to the connection -----------------------------------------------------------------------

  /** Octets reach the socket past the methods of the response. @returns true where they are Node's own */
  goesPast(): boolean {
    const { response, supervisor } = this;
    if (this.passing) return true;
    if (!followPrototype(response) || response._header === null) return false;
    // Too late to hold this one back: it is watched, and everything on that prototype is guarded from now on.
    this.passing = true;
    this.committed = true;
    this.decidedStatus = response.statusCode;
    supervisor.committed(this);
    supervisor.warn({}, MESSAGES.unknownPrototype);
    return true;
  }

  /** The app writes to the socket itself. @param last - it ends the connection with these octets */
  socketWrite(octets: Buffer, last: boolean): void {
    writeByHand(this, octets, last);
  }

  /** The app ends or destroys the connection. @returns true where the guard takes over */
  closing(how: string, error: unknown): boolean {
    return closeByHand(this, how, error);
  }

  // -- remedies --------------------------------------------------------------------------------------------------

  protected replace(page: Page, failure: Failure): void {
    const { request, response } = this;
    const closes = failure.closes === true || !canPersist(this);
    const { head, octets } = renderHttp1(page, request.method ?? "", closes);
    this.decidedStatus = response.statusCode = page.status;
    response.statusMessage = page.reason;
    this.sent = request.method === "HEAD" ? 0 : page.body.byteLength;
    takeOver(this, octets, head, closes);
  }

  protected tearDown(): void {
    const { response } = this;
    // Without length or chunks an orderly close would be the end of the content (RFC 9112, section 8).
    const endsWithConnection =
      this.streamsRaw ||
      (response._hasBody && !response.chunkedEncoding && !/\r\ncontent-length:/i.test(response._header ?? ""));
    silence(this);
    this.connection.abort(endsWithConnection);
  }

  abandon(): void {
    // Behind a pipelined request that takes longer: not the recipient's fault.
    if (this.response.socket === null && !this.isDetached) {
      this.supervisor.watch(this);
      return;
    }
    this.connection.abort(false);
    // Where Node does not emit `close`, nobody else would tell.
    setImmediate(() => this.settle(false));
  }

  /** The connection is gone. */
  gone(): void {
    // A recipient that has all it was promised may leave before the app has ended its response.
    this.settle(isAllOut(this) && this.backlog() === 0);
  }

  /** `close` has been emitted on the response, by Node or by an app. */
  closed(): void {
    if (!this.settled && this.connection.socket.destroyed) this.connection.closed();
  }
}

/** What most exchanges never set takes no room in any of them. */
Object.assign(Http1Exchange.prototype, {
  lost: null,
  streamsRaw: false,
  interims: 0,
  flooded: false,
  isDetached: false,
  wasOut: false,
  sourceError: undefined,
  lastChunk: undefined,
  veto: undefined,
});
