import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse, IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { Exchange, type Supervisor } from "../exchange/exchange.js";
import { hangOn } from "../exchange/exchange-of.js";
import { isWhole, NONE } from "../exchange/framing.js";
import { EVENT_STREAM } from "../exchange/heartbeat.js";
import { PHASES } from "../exchange/state.js";
import type { FieldLine } from "../http/message.js";
import { peerOfSession } from "../http1/connection/peer.js";
import type { RouteSettings } from "../options/options.js";
import { type Failure, lateWrite } from "../report/incidents.js";
import type { Peer } from "../trust/caller.js";
import { NO_ERROR } from "./codes.js";
import { handleOf, isGone, type StreamHandle } from "./internals.js";
import type { Leaving } from "./leaving.js";
import { movementOf } from "./movement.js";
import type { NativeStream } from "./native-stream.js";
import type { Piece } from "./pieces.js";
import { hasContentToCome, StreamRequest } from "./request.js";
import { type Fields, framingOf, type Head, linesOf, plainFields, render, statusOf } from "./section.js";

/** Octets that Node reads of a file at a time. */
const FILE_CHUNK = 65_536;

type Callback = (error?: Error | null) => void;

/**
 * An exchange over HTTP/2: what is known of it, whatever a guard does about it. It goes by the stream, below the
 * compatibility API, so that it holds for apps of the core API alike.
 */
export abstract class Http2Exchange extends Exchange {
  readonly stream: ServerHttp2Stream;
  readonly method: string;
  readonly peer: Peer;
  /** Header section the app has decided. */
  head: Head | null = null;
  /** Content that has not gone out, as the Writable has written it, and what that waits for while it is held. */
  held: Piece[][] | null = null;
  heldOctets = 0;
  heldCallback: Callback | null = null;
  /** The app did not end the stream in the turn in which it wrote that. */
  declare isHeldApart: boolean;
  /** What waits for the write that the session has been given and has not sent. */
  onItsWay: Callback | null = null;
  /** What was held is on its way, and the Writable does not know of it; what it goes on with meanwhile. */
  declare isPassingHeld: boolean;
  declare behindHeld: (() => void) | undefined;
  /** How many writes of it the session has not been given. */
  declare unsentWrites: number;
  /** The app has ended a response without a header section, of which the session has not been told. */
  isFinal = false;
  /** Those of chunks that the session has sent to their end. Of one that is on its way Node tells nothing. */
  left = 0;
  /** Octets of the request's content that the stream has been given. */
  received = 0;
  /** The app has ended its response. */
  ended = false;
  /** Interim responses so far. */
  interims = 0;
  /** Node sends a file. */
  fromFile = false;
  /** The handle to which Node pipes it. */
  declare fileHandle: StreamHandle | undefined;
  /** A CONNECT that was accepted: the stream carries another protocol. */
  isTunnel = false;
  /** The app has ended the stream; it is told so once the answer is out. */
  leaving: Leaving | null = null;
  /** The fallback is on its way, and the stream is to be closed behind it. */
  flushing = false;
  /** Whether what the session has been given leaves although the stream has been broken off. */
  declare leavesYet: boolean | undefined;
  /** The whole answer is out, whatever the app has closed the stream with. */
  hasLeft = false;
  /** Node is closing the stream at this moment. */
  declare isClosing: boolean;
  /** Node has closed it, and resets it once the Writable has finished. */
  declare resetsAtFinish: boolean;
  /** The header section of the app has been replaced in this turn. */
  declare isRefused: boolean;
  /** Set by an adapter that knows better than the app what is about to go wrong, or who catches what Node throws for it. */
  declare veto: ((thrown?: unknown) => Failure | null) | undefined;
  /** What has failed a source that is piped into the response. */
  declare sourceError: { readonly error: unknown } | undefined;
  /** The end of what the app has written, kept only where a heartbeat must know. */
  declare tail: string;
  status = 0;
  readonly #headers: IncomingHttpHeaders;
  #request: IncomingMessage | undefined = undefined;
  #response: Http2ServerResponse | undefined = undefined;

  constructor(
    supervisor: Supervisor,
    settings: RouteSettings,
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    /** The methods that the guard overrides, as they were before. */
    readonly native: NativeStream,
  ) {
    super(supervisor, settings);
    this.stream = stream;
    this.#headers = headers;
    this.method = headers[":method"] ?? "";
    // Now, since a session that has ended no longer knows who was at its other end.
    this.peer = peerOfSession(this);
  }

  closed(): void {
    const { stream } = this;
    const isEnded = this.ended || this.phase.isVoid || this.isTunnel;
    const isBroken = this.outcome === "torn down" || this.leavesYet === false;
    const isOut = isEnded && !isBroken && (this.hasLeft || stream.rstCode === NO_ERROR);
    const { bytesWritten } = this.fileHandle ?? {};
    if (bytesWritten !== undefined && this.framing !== NONE) {
      this.sent = bytesWritten;
      // Of what Node has read last, it does not tell whether it has left.
      this.left = Math.max(0, bytesWritten - FILE_CHUNK);
    }
    // The app may have ended the stream behind its answer: no client has left.
    this.settle(isOut || (isEnded && this.leaving !== null && this.phase === PHASES.ended));
  }

  /** The process ends: nobody comes to the end of the stream. */
  override tellBeforeExit(): void {
    if (!this.phase.isSettled) this.settle(this.stream.state.localClose === 1);
  }

  override settle(complete: boolean): void {
    if (complete && this.outcome !== "torn down") this.left = this.sent;
    super.settle(complete);
  }

  /** The compatibility API has made its objects of the stream. */
  link(request: Http2ServerRequest, response: Http2ServerResponse): void {
    this.#request = request as unknown as IncomingMessage;
    this.#response = response;
    hangOn(response, this);
    hangOn(request, this);
  }

  override get session(): object | null {
    return this.stream.session ?? null;
  }

  get request(): IncomingMessage {
    this.#request ??= new StreamRequest(this.stream, this.#headers) as unknown as IncomingMessage;
    return this.#request;
  }

  /** Response of the compatibility API; made here where nobody but the guard is going to answer. */
  get response(): Http2ServerResponse {
    if (this.#response === undefined) {
      // Loaded by whoever has made the server; to everybody else it would cost several milliseconds.
      const http2 = process.getBuiltinModule("node:http2");
      const request = new http2.Http2ServerRequest(this.stream, this.#headers, {}, []);
      this.link(request, new http2.Http2ServerResponse(this.stream));
    }
    return this.#response as unknown as Http2ServerResponse;
  }

  get octets(): number {
    return this.left;
  }

  override get knownLength(): number | undefined {
    return this.ended ? this.sent : undefined;
  }

  get isOut(): boolean {
    return this.phase.isCommitted;
  }

  isBegun(): boolean {
    // Without the guard the session would have the header section since `respond()`.
    const hasHead = this.phase.isCommitted || (this.head !== null && !this.isRefused);
    return (hasHead && !this.phase.isVoid) || this.heldOctets > 0;
  }

  get isWhole(): boolean {
    const { head, framing, sent, fromFile } = this;
    return head !== null && !fromFile && isWhole(framing, sent);
  }

  override fail(failure: Failure): boolean {
    this.lookAtFile();
    return super.fail(failure);
  }

  /** Node does not tell when the last of a file has been handed to the session. */
  lookAtFile(): void {
    if (this.fromFile && this.stream.state.localClose === 1) this.phase = this.phase.after.end;
  }

  backlog(): number {
    // Of a file Node does not tell.
    if (this.fromFile) return 1;
    // What the app keeps corked is no recipient's fault.
    return this.stream.writableCorked > 0 ? 0 : this.stream.writableLength;
  }

  /** The Writable has given the session all of the response. */
  get isHandedOver(): boolean {
    const { _writableState: state } = this.stream as never as { _writableState: { bufferedRequestCount: number } };
    return state.bufferedRequestCount === 0 && this.unsentWrites === 0 && this.behindHeld === undefined;
  }

  override get isSent(): boolean {
    return this.outcome !== "torn down" && this.stream.state.localClose === 1;
  }

  override get isLeft(): boolean {
    return isGone(this.stream);
  }

  override get isUploading(): boolean {
    return hasContentToCome(this.stream);
  }

  movement(): number {
    return movementOf(this);
  }

  lostFields(): readonly FieldLine[] {
    return linesOf(this.head?.fields ?? plainFields(this.#response?.getHeaders()));
  }

  override get streamsEvents(): boolean {
    return this.phase.isCommitted && EVENT_STREAM.test(`\r\ncontent-type: ${this.head?.fields["content-type"]}`);
  }

  /** The header section has gone to the session. */
  commits(fields: Fields): void {
    this.phase = this.phase.after.commit;
    this.status = statusOf(fields);
    this.framing = framingOf(fields, this.method);
    // Node ends a stream with such a header section itself.
    if (this.framing === NONE) this.ended = true;
    if (this.method === "CONNECT" && this.status < 300) {
      this.isTunnel = true;
      this.settings = { ...this.settings, idleDeadlineMs: false };
    }
    this.supervisor.committed(this);
    this.supervisor.rendered?.(this, render(fields));
    if (this.ended && !this.fromFile) this.phase = this.phase.after.end;
  }

  /** Node has opened a file and sends it. */
  file(headers: Fields): void {
    this.ended = true;
    this.fileHandle = handleOf(this.stream);
    this.commits(headers);
    this.sent = Math.max(0, this.framing.length);
  }

  /** Whatever the app does to its response has no effect, and nobody has told it so. */
  get isVoid(): boolean {
    return this.phase.isVoid && !this.hasLeft;
  }

  wroteLate(): void {
    if (this.isRefused) return;
    this.late(lateWrite(this.status));
  }

  /** All of it has been handed over. */
  ends(): void {
    this.ended = true;
    if (this.phase.isCommitted) this.phase = this.phase.after.end;
  }

  /**
   * The app ends the session, and the stream with it.
   * @param isAtOnce - the stream is at its end in this very turn
   * @returns whether something of its response is still to leave
   */
  abstract endsWith(failure: Failure, leaving: Leaving, isAtOnce: boolean): boolean;
  /** Has Node close the stream. */
  abstract closes(code: unknown, callback?: unknown): void;
  /** Has Node destroy the stream. */
  abstract destroys(error?: Error, callback?: unknown): void;
  /** Closes the stream behind a response that is out, and tells the app what it has asked for. */
  abstract leave(): void;
}

/** What most exchanges never set takes no room in any of them. */
Object.assign(Http2Exchange.prototype, {
  isRefused: false,
  isClosing: false,
  resetsAtFinish: false,
  sourceError: undefined,
  veto: undefined,
  tail: "",
  isHeldApart: false,
  isPassingHeld: false,
  behindHeld: undefined,
  fileHandle: undefined,
  leavesYet: undefined,
  unsentWrites: 0,
});
