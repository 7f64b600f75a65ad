import { contain } from "../containment.js";
import { KeptConnection, type Ledger } from "./kept-connection.js";

/** What libuv has of a connection, as far as this needs it. */
interface Handle {
  /** Octets that the kernel has not taken yet. */
  readonly writeQueueSize?: number;
  [kKept]?: KeptConnection;
}

/** Found from every copy of the package: the app may have one of its own. */
const kKept: unique symbol = Symbol.for("rayguard.kept") as never;

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

/** The process that has a connection ends by itself: what the kernel has taken by now is all there is. */
export function exits(handle: object): void {
  const { writeQueueSize, [kKept]: kept } = handle as Handle;
  if (writeQueueSize === 0) kept?.exits();
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
