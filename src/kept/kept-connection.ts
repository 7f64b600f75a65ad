import type { Exchange } from "../exchange.js";
import { encodeMark, STATE } from "../lifecycle/recorder-file.js";

/** The file in which a keeper finds what this process was about. */
export interface Ledger {
  /** Writes a mark into a slot. */
  mark(slot: number, mark: Uint8Array): void;
  /** Gives a slot back. */
  free(slot: number): void;
}

interface Entry {
  readonly exchange: Exchange;
  readonly slot: number;
  /** Octets of its final response may be out. */
  isOut: boolean;
}

/** What libuv has of a connection, as far as this needs it. */
interface Handle {
  [kKept]?: KeptConnection;
}

const kKept: unique symbol = Symbol("kept");

/** An interim response: the final one may still take any form. 101 is the last word of HTTP on its connection. */
const INTERIM = /^HTTP\/1\.1 1(?!01)/;

/**
 * A connection of which the keeper holds a second descriptor. Stands where octets leave for the kernel and where the
 * descriptor is closed, so that the ledger is always a step ahead of what a client can have seen.
 */
export class KeptConnection {
  /** Number that the keeper has given it. */
  readonly id: number;
  /** Told once its descriptor is closed here. */
  readonly #closed: (connection: KeptConnection, reset: boolean) => void;
  /** Requests that are under way, in their order. */
  readonly #entries: Entry[] = [];
  #ledger: Ledger | undefined;
  /** Slots that say how the connection is to end, until the keeper has been told that it has. */
  #left: number[] = [];
  #isClosed = false;
  #isForgotten = false;
  /** It goes back to the keeper as it is. */
  isReleased = false;

  constructor(id: number, closed: (connection: KeptConnection, reset: boolean) => void) {
    this.id = id;
    this.#closed = closed;
  }

  /** Nothing is under way on it, and it can be used again. */
  get isIdle(): boolean {
    return this.#entries.length === 0 && this.#left.length === 0;
  }

  /** A request has its slot. */
  begin(exchange: Exchange, slot: number, ledger: Ledger): void {
    this.#ledger = ledger;
    this.#entries.push({ exchange, slot, isOut: false });
  }

  /** Nobody but this process can write on it. */
  occupy(slot: number, ledger: Ledger): void {
    this.#ledger = ledger;
    this.#left.push(slot);
  }

  /** The fate of a request is known. */
  end(exchange: Exchange): void {
    const at = this.#entries.findIndex((entry) => entry.exchange === exchange);
    const [ended] = at < 0 ? [] : this.#entries.splice(at, 1);
    const ledger = this.#ledger;
    if (ended === undefined || ledger === undefined) return;
    // Octets of the one behind it may have followed in the same breath.
    if (at === 0 && this.#entries[0]?.exchange.committed) this.#markOut(this.#entries[0]);
    if (this.#isForgotten) return ledger.free(ended.slot);
    if (!this.#isClosed && exchange.afterwards === "idle") {
      ledger.free(ended.slot);
      // A further request has been answered, so the content that was owed has come.
      for (const slot of this.#left.splice(0)) ledger.free(slot);
      return;
    }
    ledger.mark(
      ended.slot,
      encodeMark(STATE[exchange.afterwards === "other" ? "opaque" : "answered"], exchange.status),
    );
    this.#left.push(ended.slot);
  }

  /** Octets are about to leave. */
  writes(octets: unknown): void {
    const [head] = this.#entries;
    if (head === undefined || head.isOut || (typeof octets === "string" && INTERIM.test(octets))) return;
    this.#markOut(head);
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
    this.#closed(this, reset);
  }

  /** The keeper knows that it is over. */
  forget(): void {
    this.#isForgotten = true;
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
      this[kKept]?.writes(octets);
      return write.call(this, request, octets, third);
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
