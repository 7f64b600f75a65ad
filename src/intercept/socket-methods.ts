import type { GuardedConnection } from "./connection.js";
import type { Http1Exchange } from "./http1-exchange.js";
import type { NodeSocket } from "./node-internals.js";

/** Methods of a socket that the guard stands in front of. */
export const SOCKET_METHODS = ["destroy", "destroySoon", "resetAndDestroy", "end", "write"] as const;

export type SocketMethod = (typeof SOCKET_METHODS)[number];

export type NativeSocketMethods = { [K in SocketMethod]: (...args: unknown[]) => unknown };

const natives = new WeakMap<object, NativeSocketMethods>();

/** The socket's own methods: nearly always those of its prototype, which all connections share. */
export function nativeMethods(socket: NodeSocket): NativeSocketMethods {
  const prototype = Object.getPrototypeOf(socket) as object;
  const isInstrumented = SOCKET_METHODS.some((name) => Object.hasOwn(socket, name));
  const known = isInstrumented ? undefined : natives.get(prototype);
  if (known !== undefined) return known;
  const native = Object.fromEntries(
    SOCKET_METHODS.map((name) => [name, socket[name]]),
  ) as unknown as NativeSocketMethods;
  if (!isInstrumented) natives.set(prototype, native);
  return native;
}

/** Methods to be put in front of a socket's own: shared by every socket, so that a connection costs no closure. */
export function standIns(connectionOf: (socket: object) => GuardedConnection): PropertyDescriptorMap {
  const methods: { [K in SocketMethod]: (this: NodeSocket, ...args: unknown[]) => unknown } = {
    destroy(...args) {
      return destroy(connectionOf(this), "destroy", args);
    },
    destroySoon(...args) {
      return destroy(connectionOf(this), "destroySoon", args);
    },
    resetAndDestroy(...args) {
      return destroy(connectionOf(this), "resetAndDestroy", args);
    },
    end(...args) {
      return end(connectionOf(this), args);
    },
    write(...args) {
      return write(connectionOf(this), args);
    },
  };
  return Object.fromEntries(
    SOCKET_METHODS.map((name) => [
      name,
      { value: methods[name], configurable: true, writable: true, enumerable: false },
    ]),
  );
}

function destroy(connection: GuardedConnection, how: SocketMethod, args: unknown[]): unknown {
  // Node cannot reset a connection that it is already ending: it would never emit `close`.
  if (how === "resetAndDestroy" && connection.socket.writableEnded) how = "destroy";
  const exchange = connection.current();
  if (
    how === "destroy" &&
    !connection.isOwn &&
    isFinalHandler() &&
    !(exchange as Http1Exchange | undefined)?.response?.headersSent
  )
    return connection.socket;
  const error = how === "destroy" ? args[0] : undefined;
  if (connection.isOwn || exchange === undefined || exchange.settled || connection.isGone(error)) {
    if (how === "destroySoon" && !connection.isOwn && exchange === undefined) {
      connection.closeSoon();
      return undefined;
    }
    return connection.call(how, args);
  }
  return exchange.closing(`socket.${how}`, error) ? connection.socket : connection.call(how, args);
}

function end(connection: GuardedConnection, args: unknown[]): unknown {
  const exchange = connection.current();
  if (connection.isOwn || connection.isGone(undefined)) return connection.call("end", args);
  if (exchange === undefined || exchange.settled) {
    if (exchange !== undefined || !connection.isBetweenResponses) return connection.call("end", args);
    // Between two responses nothing may go out: it would be taken for the next one.
    const done = args.find((argument) => typeof argument === "function");
    return connection.call("end", done === undefined ? [] : [done]);
  }
  // Without half-open connections Node answers the end of the client with its own.
  if (!exchange.supervisor.enforces && connection.socket.readableEnded) return connection.call("end", args);
  const [data, encoding] = args;
  if (typeof data === "string" || data instanceof Uint8Array) {
    const sent = write(connection, [data, typeof encoding === "string" ? encoding : undefined], true);
    if (exchange.settled && sent === true) return connection.call("end", []);
  }
  const callback = args.find((argument) => typeof argument === "function") as (() => void) | undefined;
  if (callback !== undefined) connection.socket.once("finish", callback);
  return exchange.closing("socket.end", undefined) ? connection.socket : connection.call("end", []);
}

function write(connection: GuardedConnection, args: unknown[], last = false): unknown {
  const exchange = connection.current();
  if (connection.isOwn || exchange?.goesPast() || connection.socket.destroyed) return connection.call("write", args);
  if (exchange === undefined) {
    if (!connection.isBetweenResponses) return connection.call("write", args);
    // Between two responses nobody may speak: the octets would be taken for the start of the next one (MC-7).
    const done = args.find((argument) => typeof argument === "function");
    if (done !== undefined) process.nextTick(done as () => void);
    return true;
  }
  if (!exchange.supervisor.enforces) return connection.call("write", args);
  const [data, encoding, third] = args;
  const octets =
    typeof data === "string"
      ? Buffer.from(data, typeof encoding === "string" ? (encoding as BufferEncoding) : "utf8")
      : data instanceof Uint8Array
        ? Buffer.from(data)
        : null;
  if (octets === null) return connection.call("write", args); // throws as it always did
  exchange.socketWrite(octets, last);
  const callback = typeof encoding === "function" ? encoding : third;
  if (typeof callback === "function") process.nextTick(callback as () => void);
  return true;
}

/**
 * Express's final handler destroys the socket when a header section is out, even if that response is complete and
 * another request is under way.
 */
function isFinalHandler(): boolean {
  return /[\\/]finalhandler[\\/]index\.js/.test(new Error().stack ?? "");
}
