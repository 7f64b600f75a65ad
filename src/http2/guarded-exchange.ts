import { setImmediate } from "../clock.js";
import { contained } from "../containment.js";
import { endsEvent, HEARTBEAT, isEventStream } from "../exchange/heartbeat.js";
import { PHASES } from "../exchange/state.js";
import type { Page } from "../fallback/page.js";
import type { Failure } from "../report/incidents.js";
import { CANCEL, INTERNAL_ERROR, NO_ERROR } from "./codes.js";
import { commit, dropHeld } from "./content.js";
import { endAs, leaveBehind, noteBreak } from "./ending.js";
import { sendAtOnce } from "./frames.js";
import { Http2Exchange } from "./http2-exchange.js";
import { codeOfBreak, destroyedWith, isSent, type Leaving } from "./leaving.js";
import { destroysBehind, resetsBehind } from "./reset.js";
import { fieldsOf } from "./section.js";
import { endContent } from "./to-session.js";

/** An exchange over HTTP/2 that a guard sees to: what the methods in `overrides.ts` do to it. */
export class GuardedHttp2Exchange extends Http2Exchange {
  /** The guard's answer. */
  declare page: Page | undefined;

  override get hasHeartbeat(): boolean {
    if (this.settings.heartbeatMs === false || !this.phase.isCommitted) return false;
    const { "content-type": type, "content-encoding": coding } = this.head?.fields ?? {};
    return isEventStream(`\r\ncontent-type: ${type}\r\n${coding === undefined ? "" : `content-encoding: ${coding}`}`);
  }

  override beat(): boolean {
    if (this.phase.isVoid || this.ended || this.stream.writableLength > 0 || !endsEvent(this.tail)) return false;
    this.pass(() => this.native.write.call(this.stream, HEARTBEAT as never));
    return true;
  }

  override endsWith(failure: Failure, leaving: Leaving, isAtOnce: boolean): boolean {
    const { stream } = this;
    if (this.phase.isSettled || stream.destroyed) return false;
    this.lookAtFile();
    const isOver = this.phase === PHASES.ended;
    if (!isOver) {
      this.leaving ??= leaving;
      this.fail(failure);
      if (this.flushing && isAtOnce) leaveBehind(this);
    }
    return this.hasLeft || this.flushing || (!stream.writableFinished && !stream.destroyed && !stream.closed);
  }

  override closes(code: unknown, callback?: unknown): void {
    const { stream } = this;
    this.isClosing = true;
    this.resetsAtFinish ||= code === NO_ERROR && stream.writableEnded && !stream.closed;
    try {
      this.native.close.call(stream, ...([code, callback] as never[]));
    } finally {
      this.isClosing = false;
    }
  }

  override destroys(error?: Error, callback?: unknown): void {
    const { stream, native } = this;
    const awaitsReset = this.isClosing || (this.resetsAtFinish && !stream.writableFinished);
    if ((this.fromFile || (stream.closed && awaitsReset)) && !isSent(stream))
      destroysBehind(this, stream.closed && !awaitsReset);
    native.destroy.call(stream, ...([error, callback] as never[]));
  }

  override settle(complete: boolean): void {
    const { page, stream, phase } = this;
    // The process ends, and the session would send it in another turn.
    const isLeaving = (process as { _exiting?: boolean })._exiting === true;
    const isLast = isLeaving && complete && page !== undefined && !phase.isSettled && !stream.destroyed;
    super.settle(
      complete && (!isLast || sendAtOnce(stream, fieldsOf(page), this.method === "HEAD" ? null : page.body)),
    );
  }

  override release(): void {
    if (this.phase.isVoid || this.phase.isCommitted || this.phase.isSettled || this.stream.destroyed) return;
    // The app will uncork when it is done; committing before would commit to nothing.
    if (this.stream.writableCorked > 0) this.supervisor.holdBack(this);
    else if (this.head !== null || this.held !== null) commit(this);
  }

  // -- remedies --------------------------------------------------------------------------------------------------

  override finish(): void {
    this.ended = true;
    this.pass(() => void this.native.end.call(this.stream));
  }

  /**
   * Answers below the Writable of the stream, which the app may have ended, or be in the middle of. Where it gave up the
   * stream, or content is still to come that no reader may take for complete, it is told so as Node would: the stream
   * is closed under it as soon as the answer is out.
   */
  override replace(page: Page): void {
    const { stream, native, isFinal } = this;
    const isHead = this.method === "HEAD";
    const leaves = this.leaving !== null || this.isUploading;
    this.ended = true;
    this.page = page;
    this.status = page.status;
    this.sent = isHead ? 0 : page.body.byteLength;
    this.isFinal = false;
    this.flushing = leaves;
    dropHeld(this);
    const flushed = contained(this.supervisor, () => {
      if (this.flushing) this.leave();
    });
    this.pass(() => {
      try {
        native.respond.call(stream, ...([fieldsOf(page), { endStream: isHead }] as never[]));
        if (isHead) setImmediate(flushed);
        else {
          native._write.call(stream, ...([page.body, "buffer", flushed] as never[]));
          if (isFinal || leaves) endContent(this);
          else native.end.call(stream);
        }
        // Content nobody has begun to read must not hold the stream open.
        if (!leaves && stream.readableFlowing === null) stream.resume();
      } catch {
        this.flushing = false;
        this.closes(INTERNAL_ERROR);
      }
    });
  }

  override leave(): void {
    this.flushing = false;
    if (this.stream.destroyed) return;
    this.hasLeft = true;
    const leaving = this.leaving ?? destroyedWith(undefined);
    // A recipient that is sending could take a code for the fate of the answer (RFC 9113, section 8.1).
    const isCancelled = leaving.code === CANCEL && !this.isUploading && !this.phase.isVoid;
    endAs(this, leaving, isCancelled ? CANCEL : NO_ERROR);
  }

  override tearDown(): void {
    const { leaving } = this;
    noteBreak(this);
    dropHeld(this);
    this.flushing = false;
    if (leaving !== null) return endAs(this, leaving, codeOfBreak(leaving));
    resetsBehind(this);
    this.pass(() => this.closes(INTERNAL_ERROR));
  }

  override abandon(): void {
    this.tearDown();
  }
}

Object.assign(GuardedHttp2Exchange.prototype, { page: undefined });
