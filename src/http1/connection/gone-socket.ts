import { Duplex } from "node:stream";
import { runningFunctions } from "../../stack.js";
import type { NodeSocket } from "../node/node-internals.js";

/** What an app finds in a socket that is destroyed and closed. */
const GONE = {
  destroyed: true,
  closed: true,
  readable: false,
  writable: false,
  readyState: "closed",
  errored: null,
} as const;

/** What Node takes from the handle of a socket, and knows no more, or only if it was asked before, once that is closed. */
const OF_HANDLE = [
  "pending",
  "localAddress",
  "localFamily",
  "localPort",
  "remoteAddress",
  "remoteFamily",
  "remotePort",
] as const;

type Name = keyof typeof GONE | (typeof OF_HANDLE)[number];

/** A connection whose socket an app may find otherwise than it is. */
interface Shown {
  readonly socket: NodeSocket;
  /** It does: only then is there a property of its own to look past. */
  looksGone: boolean;
}

/** Shows the side of a socket that the app writes to as ended, while the guard keeps it open. */
export function showEnded(connection: Shown): void {
  show(connection, ["writable"]);
}

/**
 * Shows a socket as one that is destroyed, while the guard keeps it. Frameworks ask it long after they were told: whether
 * to answer at all, whether a response is finished.
 */
export function showGone(connection: Shown): void {
  show(connection, [...(Object.keys(GONE) as Name[]), ...OF_HANDLE]);
}

function show(connection: Shown, names: readonly Name[]): void {
  const { socket } = connection;
  // A stand-in for a socket, of an app's own making, says what it likes.
  if (!(socket instanceof Duplex)) return;
  connection.looksGone = true;
  for (const name of names) {
    if (!Object.hasOwn(socket, name)) Reflect.defineProperty(socket, name, accessor(name));
  }
}

/** Node's own code goes on to see how it stands: it writes what is still to go out. */
function accessor(name: Name): PropertyDescriptor {
  return {
    get(this: object): unknown {
      if (/\bnode:/.test(runningFunctions()[1] ?? "")) return asItIs(this, name);
      return name in GONE ? GONE[name as keyof typeof GONE] : withoutHandle(this, name);
    },
    set(this: object, value: unknown) {
      Reflect.set(Object.getPrototypeOf(this) as object, name, value, this);
    },
    configurable: true,
  };
}

/** Whether a socket is destroyed, whatever the app is shown. */
export function isDestroyed(socket: { readonly destroyed: boolean }): boolean {
  return Object.hasOwn(socket, "destroyed") ? Boolean(asItIs(socket, "destroyed")) : socket.destroyed;
}

/** Whether the app finds a socket closed that the guard keeps: behind `close` it is told of no `error`. */
export function looksClosed(socket: object): boolean {
  return Object.hasOwn(socket, "closed");
}

/** Whether octets can be written to a socket, whatever the app is shown. */
export function isWritable(socket: { readonly writable: boolean }): boolean {
  return Object.hasOwn(socket, "writable") ? Boolean(asItIs(socket, "writable")) : socket.writable;
}

function withoutHandle(socket: object, name: Name): unknown {
  return Reflect.get(
    Object.getPrototypeOf(socket) as object,
    name,
    Object.create(socket, { _handle: { value: null } }),
  );
}

function asItIs(socket: object, name: Name): unknown {
  const own = Object.getOwnPropertyDescriptor(socket, name);
  if (own === undefined || "value" in own || !(socket instanceof Duplex)) return Reflect.get(socket, name);
  return Reflect.get(Object.getPrototypeOf(socket) as object, name, socket);
}
