import type { IncomingMessage } from "node:http";
import { type Failure, otherLength, rawWrite } from "../../report/incidents.js";
import type { RawResponse } from "../message/raw-response.js";
import { isBypassed } from "./bypass.js";
import { commit } from "./content.js";
import { detached } from "./detached.js";
import { Http1Exchange } from "./http1-exchange.js";
import { watchInterim, watchInterims } from "./interim-gate.js";
import { unendedChunks } from "./own-chunks.js";
import { isSwitching } from "./switching.js";
import { canPersist } from "./take-over.js";
import { type WatchedRaw, watchRaw, watchRawClose } from "./watched-raw.js";
import { tellKeeper } from "./with-kernel.js";

/** An exchange over HTTP/1.x that is only looked at (report mode): what the methods in `watched-methods.ts` do to it. */
export class WatchedExchange extends Http1Exchange implements WatchedRaw {
  override fail(failure: Failure): boolean {
    return super.fail(this.attributed(failure));
  }

  override failSoon(failure: Failure): boolean {
    return this.repaired(failure);
  }

  override ended(): void {
    this.inEnd = false;
    if (!this.phase.isCommitted) isBypassed(this);
    const unended = unendedChunks(this);
    if (unended !== null) super.fail(unended);
    else if (this.framing.length >= 0 && this.sent !== this.framing.length)
      super.fail(otherLength(this.framing.length, this.sent));
    else if (!this.phase.isCommitted) commit(this);
    // Node never sends what is ended without a socket.
    if (!this.isDetached) this.phase = this.phase.after.end;
    if (this.kept !== undefined) tellKeeper(this);
  }

  override flushed(): void {
    if (this.response.socket === null && !this.isDetached) detached(this);
  }

  override socketWrite(octets: Buffer, last: boolean): boolean {
    const { phase } = this;
    if (this.rawStream !== null || !phase.isCommitted) watchRaw(this, octets, last);
    else if (!phase.isSettled && /^HTTP\/1\.[01] 1/.test(octets.toString("latin1", 0, 10))) watchInterims(this, octets);
    else if (octets.byteLength > 0 && !this.isDetached) this.late(rawWrite());
    return false;
  }

  get canPersist(): boolean {
    return canPersist(this);
  }

  watchInterim(section: string): void {
    watchInterim(this, section);
  }

  switches(raw: RawResponse): boolean {
    if (!isSwitching(this, raw)) return false;
    this.status = 101;
    this.connection.upgraded();
    return true;
  }

  override closing(how: string, error: unknown): boolean {
    const { connection, fault } = this;
    // Node answers the end of the client with its own. And a request that could not be parsed has been told.
    const isTold = connection.broken && fault === undefined;
    const isOfNode = isTold || (how === "socket.end" && connection.socket.readableEnded);
    if (!isOfNode) watchRawClose(this, how, error);
    return false;
  }

  override destroyRequest(below: IncomingMessage["destroy"], error?: Error): IncomingMessage {
    const { connection, request } = this;
    if (this.phase.isSettled) return below.call(request, error);
    connection.culprit = this;
    try {
      return below.call(request, error);
    } finally {
      connection.culprit = null;
    }
  }

  // There is nothing to be carried out.
  override release(): void {}
  override finish(): void {}
  override replace(): void {}
  override tearDown(): void {}
  override abandon(): void {}
}

Object.assign(WatchedExchange.prototype, { isWatched: true });
