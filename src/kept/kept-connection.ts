import type { Exchange } from "../exchange/exchange.js";
import { kindOf } from "../fallback/content.js";
import { encodeMark, STATE } from "../recorder/slots.js";

/** The file in which a keeper finds what this process was about. */
export interface Ledger {
  /** Writes a mark into a slot. */
  mark(slot: number, mark: Uint8Array): void;
  /** Gives a slot back. */
  free(slot: number): void;
  /** Writes down that a request has begun to arrive. @returns its slot, where there is one */
  expect(connection: KeptConnection): number | undefined;
}

interface Entry {
  readonly exchange: Exchange;
  readonly slot: number;
  /** Octets of its final response may be out. */
  isOut: boolean;
}

/** One interim response and no more: the final one may take any form. 101 is the last word of HTTP on its connection. */
const INTERIM = /^HTTP\/1\.1 1(?!01)(?:[^\r]|\r(?!\n\r\n))*\r\n\r\n$/;
const STATUS_AT = "HTTP/1.1 ".length;

/** Asked of every response: nearly all are told by the first digit of their status. */
function isInterim(octets: unknown): boolean {
  return typeof octets === "string" && octets[STATUS_AT] === "1" && INTERIM.test(octets);
}

/**
 * A connection of which the keeper holds a second descriptor. Stands where octets leave for the kernel and where the
 * descriptor is closed, so that the ledger is always a step ahead of what a client can have seen.
 */
export class KeptConnection {
  /** Requests that are under way, in their order. */
  readonly #entries: Entry[] = [];
  #ledger: Ledger | undefined;
  /** Where a request is noted that is arriving. */
  #arriving: { readonly slot: number; readonly ledger: Ledger } | undefined;
  /** Slots that say how the connection is to end, until the keeper has been told that it has. */
  #left: number[] = [];
  /** The one of them that says that nobody but this process can write on it. */
  #opaque: number | undefined;
  #isClosed = false;
  #isForgotten = false;
  /** What was written last, behind a response that is not struck out yet, has not been taken as a whole. */
  #isBehind = false;
  /** It goes back to the keeper as it is. */
  isReleased = false;
  /** A request on it has found no slot: what is out cannot be told from the ledger any more. */
  isUnrecorded = false;
  /** Where requests are noted that begin to arrive. */
  ledgerOfArrivals: Ledger | undefined;

  constructor(
    /** Number that the keeper has given it. */
    readonly id: number /** Told once its descriptor is closed here. */,
    private readonly closed: (connection: KeptConnection, reset: boolean) => void,
  ) {}

  /** Nothing is under way on it, and it can be used again. */
  get isIdle(): boolean {
    return this.#entries.length === 0 && this.#left.length === 0 && this.#arriving === undefined;
  }

  /** The first octet of a request has been read: what is with the kernel now is no start of a message. */
  arrives(ledger: Ledger): void {
    if (this.#arriving !== undefined || this.isUnrecorded || this.#isClosed) return;
    const slot = ledger.expect(this);
    if (slot === undefined) this.isUnrecorded = true;
    else this.#arriving = { slot, ledger };
  }

  /** The slot in which a request has arrived, for what is known of it now. */
  arrived(ledger: Ledger): number | undefined {
    const arriving = this.#arriving;
    if (arriving?.ledger !== ledger) return undefined;
    this.#arriving = undefined;
    return arriving.slot;
  }

  /** A request has its slot. */
  begin(exchange: Exchange, slot: number, ledger: Ledger): void {
    this.#ledger = ledger;
    this.#entries.push({ exchange, slot, isOut: false });
    // Another guard has taken the request than the one that saw it arrive.
    this.#arriving?.ledger.free(this.#arriving.slot);
    this.#arriving = undefined;
  }

  /** Nobody but this process can write on it. */
  occupy(slot: number, ledger: Ledger): void {
    this.#ledger = ledger;
    this.#left.push(slot);
    this.#opaque = slot;
  }

  /** The fate of a request is known. */
  end(exchange: Exchange): void {
    const entries = this.#entries;
    // Nearly always it is the only one.
    const isFirst = entries[0]?.exchange === exchange;
    const at = isFirst ? 0 : entries.findIndex((entry) => entry.exchange === exchange);
    const ended = isFirst ? entries.shift() : at < 0 ? undefined : entries.splice(at, 1)[0];
    const ledger = this.#ledger;
    if (ended === undefined || ledger === undefined) return;
    // Octets of the one behind it may have followed in the same breath.
    const [next] = this.#entries;
    if (at === 0 && next !== undefined && (next.exchange.phase.isCommitted || this.#isBehind)) this.#markOut(next);
    this.#isBehind = false;
    if (this.#isForgotten) return ledger.free(ended.slot);
    if (!this.#isClosed && exchange.afterwards === "idle") {
      ledger.free(ended.slot);
      // A further request has been answered, so the content that was owed has come.
      if (this.#left.length > 0) for (const slot of this.#left.splice(0)) ledger.free(slot);
      return;
    }
    this.#left.push(ended.slot);
    // The keeper ends what was cut as it would have ended it itself, until it knows that this was done.
    if (ended.isOut && (exchange.outcome === "torn down" || exchange.outcome === "client gone")) return;
    const isOpaque = exchange.afterwards === "other";
    if (isOpaque) this.#opaque = ended.slot;
    ledger.mark(ended.slot, encodeMark(STATE[isOpaque ? "opaque" : "answered"], exchange.status));
  }

  /** Octets are about to leave. @returns whether `written()` is to be called behind that */
  writes(octets: unknown): boolean {
    const [head, next] = this.#entries;
    // An answer of Node's own, to a request that nobody has been told of.
    if (head === undefined) this.#arriving?.ledger.mark(this.#arriving.slot, encodeMark(STATE.answering, 0));
    if (head === undefined || (head.isOut && next === undefined)) return false;
    if (head.isOut) return typeof octets !== "string" || isInterim(octets);
    this.#markOut(head);
    return isInterim(octets);
  }

  /** Octets of an interim response have left. @param isTaken - by the kernel, all that was to be written */
  written(isTaken: boolean): void {
    const [head, next] = this.#entries;
    if (head === undefined) return;
    if (next !== undefined && head.exchange.phase.isCommitted) this.#isBehind = !isTaken;
    else if (isTaken) this.#markWaiting(head);
  }

  #markWaiting(entry: Entry): void {
    entry.isOut = false;
    this.#ledger?.mark(entry.slot, encodeMark(STATE.waiting, 0, false, kindOf(entry.exchange.request)));
  }

  #markOut(entry: Entry): void {
    if (entry.isOut) return;
    entry.isOut = true;
    const { status, isDelimited } = entry.exchange;
    this.#ledger?.mark(entry.slot, encodeMark(STATE.answering, status, isDelimited));
  }

  /** Its descriptor is closed here. */
  closes(reset: boolean): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.closed(this, reset);
  }

  /** The process ends by itself, with all that it has written here: nothing is cut short. */
  exits(): void {
    if (this.#opaque !== undefined && !this.#isForgotten)
      this.#ledger?.mark(this.#opaque, encodeMark(STATE.answered, 0));
  }

  /** The keeper knows that it is over. */
  forget(): void {
    this.#isForgotten = true;
    this.#arriving?.ledger.free(this.#arriving.slot);
    this.#arriving = undefined;
    for (const slot of this.#left.splice(0)) this.#ledger?.free(slot);
  }
}
