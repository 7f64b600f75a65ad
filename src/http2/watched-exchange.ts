import type { Failure } from "../report/incidents.js";
import { failsLength, lookAtContent } from "./content.js";
import { noteBreak } from "./ending.js";
import { watchFields } from "./fields.js";
import { Http2Exchange } from "./http2-exchange.js";
import type { Leaving } from "./leaving.js";
import type { Piece } from "./pieces.js";
import { OVERTAKES } from "./reset.js";
import { byName, type Fields, framingOf, type RespondOptions } from "./section.js";

/** An exchange over HTTP/2 that is only looked at (report mode): what the methods in `watched-stream.ts` do to it. */
export class WatchedHttp2Exchange extends Http2Exchange {
  #hasContent = false;

  /** The header section may have been sent meanwhile, by the app or by Node: looks at what it was. */
  lookAtHead(options?: RespondOptions): void {
    const { stream } = this;
    if (this.head !== null || this.passing || !stream.headersSent) return;
    // Node has tried to send a file, and could not.
    if (stream.sentHeaders === undefined || stream.closed) return;
    const given = { ...stream.sentHeaders } as Fields;
    const head = { fields: byName(given), given, options };
    // What is wrong with it an edge would have refused in place of the response.
    watchFields(this, head);
    this.head = head;
    this.framing = framingOf(head.fields, this.method);
    if (this.fromFile) return this.file(head.fields);
    if (options?.endStream) {
      this.ended = true;
      failsLength(this);
    }
    this.commits(head.fields);
  }

  /** Looks at the first octets of the content. */
  lookAtFirst(piece: Piece | undefined): void {
    if (this.#hasContent || this.head === null) return;
    this.#hasContent = true;
    lookAtContent(this, this.head, piece);
  }

  override endsWith(failure: Failure, _leaving: Leaving, isAtOnce: boolean): boolean {
    this.fail(failure);
    noteBreak(this, !isAtOnce || !OVERTAKES);
    return false;
  }

  // There is nothing to be carried out.
  override closes(): void {}
  override destroys(): void {}
  override leave(): void {}
  override release(): void {}
  override finish(): void {}
  override replace(): void {}
  override tearDown(): void {}
  override abandon(): void {}
}

Object.assign(WatchedHttp2Exchange.prototype, { isWatched: true });
