import type { RawResponse } from "../message/raw-response.js";
import { SocketExchange } from "./socket-exchange.js";
import { type WatchedRaw, watchRaw, watchRawClose } from "./watched-raw.js";

/** An exchange for which Node has no response object, and that is only looked at (report mode). */
export class WatchedSocketExchange extends SocketExchange implements WatchedRaw {
  // What is written goes out at once, whatever is under way in front of it.
  override get octets(): number {
    return this.sent;
  }

  override get afterwards(): "other" {
    return "other";
  }

  override socketWrite(octets: Buffer, last: boolean): boolean {
    watchRaw(this, octets, last);
    return false;
  }

  watchInterim(section: string): void {
    this.judgeInterim(section);
  }

  override switches(raw: RawResponse): boolean {
    const status = raw.upgrade();
    if (status !== null) this.status = status;
    return status !== null;
  }

  override closing(how: string, error: unknown): boolean {
    const { connection, raw, rawStream } = this;
    // A client that has ended its side has left, and the app lets go of it.
    const isLeft = raw === null && rawStream?.framing.kind !== "close" && connection.socket.readableEnded;
    if (isLeft) return false;
    watchRawClose(this, how, error);
    this.passOver(); // nothing more can be written
    return false;
  }

  /** From here on the socket is the app's alone, for as long as it lasts: nothing of this is kept with it. */
  override settle(complete: boolean): void {
    const { connection } = this;
    super.settle(complete);
    connection.whenDestroyed = connection.whenDestroyed.filter((act) => act !== this.destroyed);
    if (!this.isQueued) connection.upgraded();
  }

  /** What was under way in front of it is over. */
  override takeTurn(): boolean {
    const isAnswered = super.takeTurn();
    if (this.phase.isSettled) this.connection.upgraded();
    return isAnswered;
  }

  // There is nothing to be carried out.
  override release(): void {}
  override replace(): void {}
  override tearDown(): void {}
  override abandon(): void {}
}

Object.assign(WatchedSocketExchange.prototype, { isWatched: true });
