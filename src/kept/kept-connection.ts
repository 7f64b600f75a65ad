import { contain } from "../containment.js";
import type { Exchange } from "../exchange/exchange.js";
import { kindOf } from "../fallback/content.js";
import { encodeMark, STATE } from "../recorder/recorder-file.js";

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

/** What libuv has of a connection, as far as this needs it. */
interface Handle {
  /** Octets that the kernel has not taken yet. */
  readonly writeQueueSize?: number;
  [kKept]?: KeptConnection;
}

/** Found from every copy of the package: the app may have one of its own. */
const kKept: unique symbol = Symbol.for("rayguard.kept") as never;

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
    ledger.mark(
      ended.slot,
      encodeMark(STATE[exchange.afterwards === "other" ? "opaque" : "answered"], exchange.status),
    );
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

  /** The keeper knows that it is over. */
  forget(): void {
    this.#isForgotten = true;
    this.#arriving?.ledger.free(this.#arriving.slot);
    this.#arriving = undefined;
    for (const slot of this.#left.splice(0)) this.#ledger?.free(slot);
  }
}

/** Ways for octets to a handle. */
const WRITES = ["writeBuffer", "writev", "writeUtf8String", "writeAsciiString", "writeLatin1String", "writeUcs2String"];

const prototypes = new WeakMap<object, object>();

/** Takes a connection that the keeper has accepted. @param handle - of libuv, before there is a socket for it */
export function keep(
  handle: object,
  id: number,
  closed: (connection: KeptConnection, reset: boolean) => void,
): KeptConnection {
  const kept = new KeptConnection(id, closed);
  (handle as Handle)[kKept] = kept;
  const native = Object.getPrototypeOf(handle) as object;
  let prototype = prototypes.get(native);
  if (prototype === undefined) {
    prototype = prototypeOver(native);
    prototypes.set(native, prototype);
  }
  // Not methods of its own: whoever puts one there, and takes it away again, finds these below.
  Object.setPrototypeOf(handle, prototype);
  return kept;
}

/** What Node has of a parser, as far as this needs it: pooled, and given from one connection to another. */
interface Parser {
  socket?: object | null;
  [kOnMessageBegin]?: (this: Parser) => void;
}

/** Where a parser looks for whom to call at the first octet of a message. */
const kOnMessageBegin = 0;

/** Has a connection know of a request as that begins to arrive. @param ledger - in which it is noted */
export function noteArrivals(handle: object, ledger: Ledger): void {
  const kept = (handle as Handle)[kKept];
  const socket = ownerOf(handle) as { parser?: Parser | null } | undefined;
  if (kept === undefined || !socket?.parser) return;
  kept.ledgerOfArrivals = ledger;
  socket.parser[kOnMessageBegin] = begins;
}

function begins(this: Parser): void {
  const kept = keptOf(this.socket);
  const ledger = kept?.ledgerOfArrivals;
  if (kept !== undefined && ledger !== undefined) contain(undefined, () => kept.arrives(ledger));
}

/** What Node has made of a handle: a server, or a socket. */
export function ownerOf(handle: object): object | undefined {
  for (const symbol of Object.getOwnPropertySymbols(handle))
    if (symbol.description === "owner_symbol") return Reflect.get(handle, symbol) as object;
  return undefined;
}

/** The connection that a socket is on; undefined where nobody keeps it. */
export function keptOf(socket: object | null | undefined): KeptConnection | undefined {
  return (socket as { _handle?: Handle | null } | null | undefined)?._handle?.[kKept];
}

type Method = (this: object, ...args: unknown[]) => unknown;

function prototypeOver(native: object): object {
  const prototype = Object.create(native) as Record<string, Method>;
  const below = native as Record<string, Method | undefined>;
  for (const name of WRITES) {
    const write = below[name];
    if (write === undefined) continue;
    prototype[name] = function (this: Handle, request: unknown, octets: unknown, third: unknown) {
      const kept = this[kKept];
      const tells = kept?.writes(octets);
      const result = write.call(this, request, octets, third);
      if (tells) kept?.written(this.writeQueueSize === 0);
      return result;
    } as Method;
  }
  const { close, reset } = below;
  if (close !== undefined)
    prototype.close = function (this: Handle, ...args: unknown[]) {
      this[kKept]?.closes(false);
      return close.apply(this, args);
    } as Method;
  if (reset !== undefined)
    prototype.reset = function (this: Handle, ...args: unknown[]) {
      this[kKept]?.closes(true);
      return reset.apply(this, args);
    } as Method;
  return prototype;
}
