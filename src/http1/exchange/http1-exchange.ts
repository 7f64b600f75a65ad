import type { IncomingMessage } from "node:http";
import { setImmediate } from "../../clock.js";
import { contained } from "../../containment.js";
import { Exchange, type Supervisor } from "../../exchange/exchange.js";
import { isWhole } from "../../exchange/framing.js";
import { EVENT_STREAM } from "../../exchange/heartbeat.js";
import { isFed } from "../../exchange/source.js";
import { PHASES } from "../../exchange/state.js";
import { awaitsContent, type FieldLine } from "../../http/message.js";
import type { RouteSettings } from "../../options/options.js";
import { type Failure, lateWrite } from "../../report/incidents.js";
import { isPiping } from "../../stack.js";
import type { Peer } from "../../trust/caller.js";
import { countNoMore } from "../connection/bytes-written.js";
import type { GuardedConnection } from "../connection/connection.js";
import { isDestroyed } from "../connection/gone-socket.js";
import type { WithResponse } from "../connection/on-connection.js";
import { peerOfConnection } from "../connection/peer.js";
import type { CodedContent } from "../message/coded-content.js";
import { fieldsOf, type RenderingContext } from "../message/header-section.js";
import type { Interims } from "../message/interim.js";
import type { RawContent } from "../message/raw-content.js";
import type { RawResponse, RawStream } from "../message/raw-response.js";
import { callBack, type Piece, writeAfterDestroy } from "../message/write-callbacks.js";
import type { NativeMethods } from "../node/native-methods.js";
import { hasGathered, type NodeResponse, type WriteCallback } from "../node/node-internals.js";

/** An exchange over HTTP/1.x: what is known of it, whatever a guard does about it. */
export abstract class Http1Exchange extends Exchange implements RenderingContext, WithResponse {
  readonly isHttp11: boolean;
  /** False where Node has read in the request that the connection is to close; an app can change Node's own note of it. */
  persists = true;
  /** Next exchange on the same connection, in the order of the requests. */
  declare following: Http1Exchange | null;

  /** `end()` is on the stack. */
  inEnd = false;
  /** Node has emitted `finish`, and will detach the socket. */
  finishing = false;
  /** `end()` is called for its bookkeeping alone: nothing it writes goes out. */
  declare capturing: boolean;
  /** The callback of `end()` that emits `finish`, where it has been kept from the socket. */
  declare finishCallback: WriteCallback;
  /** Content that has not gone out, header section first. */
  declare held: Piece[] | null;
  declare heldOctets: number;
  /** Octets that the app wrote and that never left, framing among them: 0 until that is known. */
  declare lostOctets: number;
  /** Field lines of a header section that was not rendered. */
  declare lost: readonly FieldLine[] | null;
  status = 0;
  /** Status code of the header section, which `status` is once that is committed. */
  decidedStatus = 0;
  /** `commit()` follows in the next tick. */
  declare commitsSoon: boolean;
  /** The rest of a raw response goes out as it comes. */
  declare rawStream: RawStream | null;
  /** Interim responses of this exchange, from the first on. */
  declare interims: Interims | null;
  /** Who has ended the connection, in the app's view; null while it stands. */
  declare goneBy: "client" | "app" | null;
  /** Its turn had not come by then: Node never gets to its end. */
  declare goneInQueue: boolean;
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
  /** The end of what the app has written, kept only where a heartbeat must know. */
  declare tail: string;
  /** Chunks that the app writes itself. */
  declare chunks: RawContent | null;
  /** What the app has written to the socket itself. */
  declare raw: RawResponse | null;
  /** Set by an adapter that knows better than the app what is about to go wrong. */
  declare veto: (() => Failure | null) | undefined;

  constructor(
    supervisor: Supervisor,
    settings: RouteSettings,
    readonly request: IncomingMessage,
    readonly response: NodeResponse,
    /** The methods that the guard overrides, as they were before. */
    readonly native: NativeMethods,
    readonly connection: GuardedConnection,
  ) {
    super(supervisor, settings);
    this.isHttp11 = request.httpVersionMinor === 1 && request.httpVersionMajor === 1;
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
    if (this.isDetached) return this.wasOut || this.rawStream !== null;
    return response.outputData.length === 0 || response.socket !== null;
  }

  isBegun(): boolean {
    return (this.phase.isCommitted && !this.phase.isVoid) || this.heldOctets > 0 || hasGathered(this.response);
  }

  get isWhole(): boolean {
    return !this.isDetached && isWhole(this.framing, this.sent);
  }

  /** Every octet that the header section announced is out. */
  get isAllOut(): boolean {
    const { phase } = this;
    if (!phase.isCommitted || phase.isVoid || phase.isSettled) return false;
    return this.isOut && this.isWhole;
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

  /** What is written now may come from where nobody catches what that throws. */
  get isUnattended(): boolean {
    return this.unattended > 0 || isFed(this, isPiping);
  }

  lostFields(): readonly FieldLine[] {
    if (this.lost !== null) return this.lost;
    return fieldsOf(this.response);
  }

  /** The app's response cannot be saved; answers as soon as no method of it is on the stack. @returns whether it will */
  abstract failSoon(failure: Failure): boolean;
  /** `end()` has returned. */
  abstract ended(): void;
  /** `finish` has been emitted: Node has detached the socket, if only past a method that is no longer in its place. */
  abstract flushed(): void;
  abstract socketWrite(octets: Buffer, last: boolean): boolean;
  abstract closing(how: string, error: unknown): boolean;
  /** The app destroys its request. @returns what `below`, the method to do so, does */
  abstract destroyRequest(below: IncomingMessage["destroy"], error?: Error): IncomingMessage;

  /** Node is about to say that the client has left; where it does not, nobody else would. */
  override failsBehindClient(): void {
    setImmediate(contained(this.supervisor, () => this.gone()));
  }

  /** The failure as it is told: once, what has ended the connection says more than what comes of that. */
  protected attributed(failure: Failure): Failure {
    const { fault } = this;
    if (fault === undefined) return failure;
    this.fault = undefined;
    return { ...fault, err: failure.err ?? fault.err };
  }

  wroteLate(err?: unknown): void {
    this.late(lateWrite(this.response.statusCode, err));
  }

  /** Listeners for `clientError` may have answered it. */
  protected override get isCutShort(): boolean {
    return super.isCutShort || (this.connection.broken && !this.request.complete);
  }

  override get streamsEvents(): boolean {
    return this.phase.isCommitted && EVENT_STREAM.test(this.response._header ?? "");
  }

  override get isFirst(): boolean {
    return !this.connection.hasAnswered;
  }

  protected override noteLost(): void {
    const { response, sent } = this;
    let lost = this.connection.unsent;
    for (const { data, encoding } of response.outputData)
      lost += typeof data === "string" ? Buffer.byteLength(data, encoding as BufferEncoding) : data.byteLength;
    this.lostOctets = this.isOut ? lost : sent;
    // What is written in one tick leaves behind that: if the socket is destroyed by then, the header section is lost as well.
    const section = this.rawStream === null ? response._header : null;
    if (!this.isOut || (section && lost >= section.length + sent)) this.status = 0;
  }

  override tellBeforeExit(): void {
    if (!this.isQueued && this.connection.unsent === 0) this.gone();
  }

  /** The connection is gone. */
  gone(): void {
    // A recipient that has all it was promised may leave before the app has ended its response, or Node has said so.
    this.#dropHeld();
    const isWhole = this.phase.isVoid ? this.outcome === "replaced" : this.isAllOut || this.phase === PHASES.ended;
    // One that waits for its turn is with nobody but Node.
    this.settle(isWhole && !this.isQueued && this.connection.unsent === 0);
  }

  /** Forgets what is held, since nobody is left to send it to. Node tells nobody of a response that has not had its turn. */
  #dropHeld(): void {
    const { held, connection } = this;
    if (held === null || this.isQueued) return;
    this.held = null;
    countNoMore(connection.socket);
    callBack(held, connection.socket.errored ?? writeAfterDestroy());
  }

  /** `close` has been emitted on the response, by Node or by an app, before its fate was known. */
  closed(): void {
    if (isDestroyed(this.connection.socket)) this.connection.closed();
  }
}

/** What most exchanges never set takes no room in any of them. */
Object.assign(Http1Exchange.prototype, {
  hasNodeResponse: true,
  following: null,
  held: null,
  heldOctets: 0,
  commitsSoon: false,
  capturing: false,
  finishCallback: null,
  raw: null,
  chunks: null,
  lost: null,
  lostOctets: 0,
  goneBy: null,
  goneInQueue: false,
  reopened: false,
  rawStream: null,
  interims: null,
  coded: null,
  isDetached: false,
  wasOut: false,
  tail: "",
  veto: undefined, // an adapter asks whether there can be one
});
