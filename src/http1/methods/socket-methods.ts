import { Socket } from "node:net";
import { nextTick } from "../../clock.js";
import { contained } from "../../containment.js";
import { overrideMethod } from "../../override-method.js";
import { shared } from "../../shared.js";
import { runningFunctions } from "../../stack.js";
import type { GuardedConnection } from "../connection/connection.js";
import { isGone } from "../connection/destroyed-by-node.js";
import { isDestroyed, showEnded } from "../connection/gone-socket.js";
import type { OnConnection, WithoutResponse } from "../connection/on-connection.js";
import { asOwn } from "../connection/socket-close.js";
import { endWithoutError } from "../connection/socket-error.js";
import { goesPast } from "../exchange/bypass.js";
import { awaitAnswer, closeSoon } from "../exchange/tear-down.js";
import { writeAfterDestroy } from "../message/write-callbacks.js";
import {
  methodsBelow,
  type Native,
  type NativeSocketMethods,
  SOCKET_METHODS,
  type SocketMethod,
} from "../node/native-methods.js";
import type { NodeSocket, WriteCallback } from "../node/node-internals.js";

/** What a method does to a socket that is guarded. */
export type Guarded = (connection: GuardedConnection, args: unknown[]) => unknown;

/** Makes a method that finds the connection of its socket. */
type MakeOverride = (method: SocketMethod, native: NativeSocketMethods, guarded: Guarded) => Native;

/**
 * Overrides the methods of a socket: on the prototype of every `net.Socket`, once for the process, since methods
 * of its own would show among the keys of each. Any other stream that stands in for a socket gets its own.
 * @returns the methods below
 */
export function guardSocketMethods(socket: NodeSocket, makeOverride: MakeOverride): NativeSocketMethods {
  if (socket instanceof Socket) return shared("socket", () => guardMethods(Socket.prototype, makeOverride));
  return guardMethods(socket, makeOverride);
}

function guardMethods(target: object, makeOverride: MakeOverride): NativeSocketMethods {
  const native = methodsBelow(target, SOCKET_METHODS) as NativeSocketMethods;
  for (const name of SOCKET_METHODS) {
    // A Duplex has no `destroySoon`, and whoever looks for one must not find it.
    if (typeof native[name] !== "function") continue;
    overrideMethod(target, name, makeOverride(name, native, GUARDED[name]));
  }
  return native;
}

const GUARDED: { readonly [K in SocketMethod]: Guarded } = {
  destroy: (connection, args) => destroy(connection, "destroy", args),
  destroySoon: (connection, args) => destroy(connection, "destroySoon", args),
  resetAndDestroy: (connection, args) => destroy(connection, "resetAndDestroy", args),
  end,
  write,
  push,
};

function destroy(connection: GuardedConnection, how: SocketMethod, args: unknown[]): unknown {
  if (connection.seemsDestroyed && !connection.isOwn) return connection.socket;
  const exchange = upgradeBehind(connection) ?? connection.current();
  if (exchange?.isWatched ?? !connection.enforces) {
    if (exchange !== undefined) watchClosing(connection, exchange, how, how === "destroy" ? args[0] : undefined);
    return connection.call(how, args);
  }
  // Node cannot reset a connection that it is already ending: it would never emit `close`.
  if (how === "resetAndDestroy" && connection.socket.writableEnded) how = "destroy";
  if (
    how === "destroy" &&
    !connection.isOwn &&
    !isOver(connection) &&
    !exchange?.response?.headersSent &&
    isFinalHandler()
  )
    return connection.socket;
  const error = how === "destroy" ? args[0] : undefined;
  if (connection.isOwn || exchange === undefined || exchange.phase.isSettled || isGone(connection, error)) {
    if (how === "destroySoon" && !connection.isOwn && exchange === undefined) {
      closeSoon(connection);
      return undefined;
    }
    return connection.call(how, args);
  }
  if (!exchange.closing(`socket.${how}`, error)) return connection.call(how, args);
  if (how === "destroySoon") showEnded(connection);
  else endWithoutError(connection); // with one that has been told already
  return connection.socket;
}

/** Looks at the end of a connection that comes as it is. */
function watchClosing(connection: GuardedConnection, exchange: OnConnection, how: SocketMethod, error: unknown): void {
  if (connection.isOwn || exchange.phase.isSettled || isGone(connection, error)) return;
  exchange.closing(`socket.${how}`, error);
}

/** An upgrade whose listeners have the socket already, while responses in front of it are under way: those are Node's. */
function upgradeBehind(connection: GuardedConnection): WithoutResponse | null {
  const { waiting, isOwn } = connection;
  if (waiting === null || waiting.request === null || isOwn) return null;
  return /node:_http/.test(runningFunctions()[4] ?? "") ? null : waiting;
}

function end(connection: GuardedConnection, args: unknown[]): unknown {
  const present = connection.current();
  const exchange = connection.waiting ?? present;
  if (exchange?.isWatched) {
    const octets = connection.isOwn || isGone(connection) ? null : octetsOf(args);
    if (octets !== null && !goesPast(present)) exchange.socketWrite(octets, true);
    watchClosing(connection, exchange, "end", undefined);
    return connection.call("end", args);
  }
  if (connection.toldError && !connection.isOwn) {
    refuse(args);
    return connection.socket;
  }
  if (connection.isOwn || isGone(connection)) return connection.call("end", args);
  if (exchange === undefined || exchange.phase.isSettled) {
    if (exchange !== undefined || !connection.isBetweenResponses) return connection.call("end", args);
    // Between two responses nothing may go out: it would be taken for the next one.
    const done = args.find((argument) => typeof argument === "function");
    return connection.call("end", done === undefined ? [] : [done]);
  }
  const [data, encoding] = args;
  if (typeof data === "string" || ArrayBuffer.isView(data)) {
    const sent = write(connection, [data, typeof encoding === "string" ? encoding : undefined], true);
    if (exchange.phase.isSettled && sent === true) return connection.call("end", []);
  }
  const callback = args.find((argument) => typeof argument === "function") as (() => void) | undefined;
  if (callback !== undefined) connection.socket.once("finish", asOwn(callback));
  if (!exchange.closing("socket.end", undefined)) return connection.call("end", []);
  showEnded(connection);
  return connection.socket;
}

function write(connection: GuardedConnection, args: unknown[], last = false): unknown {
  const present = connection.current();
  if (connection.isOwn || goesPast(present)) return connection.call("write", args);
  if (connection.toldError) return refuse(args);
  if (isDestroyed(connection.socket)) return connection.call("write", args);
  const exchange = connection.waiting ?? present;
  if (exchange === undefined) {
    if (!connection.isBetweenResponses) return connection.call("write", args);
    // Between two responses nobody may speak: the octets would be taken for the start of the next one (MC-7).
    const done = args.find((argument) => typeof argument === "function");
    if (done !== undefined) nextTick(done as () => void);
    return true;
  }
  const octets = octetsOf(args);
  // Nothing to judge. What is no octets either throws as it always did.
  if (octets === null || (octets.byteLength === 0 && connection.waiting === null))
    return connection.call("write", args);
  if (!exchange.socketWrite(octets, last)) return connection.call("write", args);
  const [, encoding, third] = args;
  const callback = (typeof encoding === "function" ? encoding : third) as WriteCallback;
  if (connection.waiting !== null) return connection.waiting.keep(octets.byteLength, callback);
  if (typeof callback === "function") nextTick(callback);
  return true;
}

/**
 * Node tells of the end of the client's side in the tick behind this: the guard comes first, without a listener that an app
 * would find. Only that comes this way, and octets that Node's parser has been made to leave to the app.
 */
function push(connection: GuardedConnection, args: unknown[]): unknown {
  const { socket } = connection;
  if (args[0] === null && connection.enforces) {
    const ended = asOwn(contained(connection.witness, () => awaitAnswer(connection)));
    if (socket.readableLength > 0) socket.prependOnceListener("end", ended);
    else nextTick(ended);
  }
  return connection.call("push", args);
}

/** What is to be written, a copy of it; null where there is nothing that can be. */
function octetsOf([data, encoding]: unknown[]): Buffer | null {
  if (typeof data === "string") {
    return Buffer.from(data, typeof encoding === "string" ? (encoding as BufferEncoding) : "utf8");
  }
  if (!ArrayBuffer.isView(data)) return null;
  return Buffer.from(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

/** Does what a socket that is destroyed does with octets. */
function refuse(args: unknown[]): boolean {
  const done = args.find((argument) => typeof argument === "function");
  if (done !== undefined) nextTick(done as (error: Error) => void, writeAfterDestroy());
  return false;
}

/** Whether all has been said on a connection, and nobody waits to be heard: its end costs no response. */
function isOver({ socket, lingering }: GuardedConnection): boolean {
  return socket.writableFinished && !lingering;
}

/**
 * Express's final handler destroys the socket when a header section is out, even if that response is complete and
 * another request is under way.
 */
function isFinalHandler(): boolean {
  return runningFunctions().some((name) => /[\\/]finalhandler[\\/]index\.js/.test(name));
}
