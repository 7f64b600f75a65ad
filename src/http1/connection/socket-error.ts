import { nextTick, setImmediate } from "../../clock.js";
import { runningFunctions } from "../../stack.js";
import type { GuardedConnection } from "./connection.js";
import { isDestroyed, showGone } from "./gone-socket.js";
import { leaveServer } from "./leave-server.js";
import { tellSocketClosed } from "./socket-close.js";

/** What tells an app that a socket is destroyed. */
const SHOWN = ["destroyed", "writable"] as const;

/**
 * The socket is destroyed with an error, as far as the app knows, and the guard still answers on it: tells what Node
 * would tell at once, `clientError` and `error`, and sees that it closes with that error.
 */
export function endWithError(connection: GuardedConnection, error: unknown): void {
  // Node tells of the first error alone.
  if (!error || connection.error !== undefined) return;
  connection.error = error;
  const { socket } = connection;
  showGone(connection);
  // From Node 24 on a response is not finished on a socket that has an error, and the next one never gets its turn.
  const get = () => (/node:_http_outgoing/.test(runningFunctions()[1] ?? "") ? null : error);
  Reflect.defineProperty(socket, "errored", { get, configurable: true });
  // Whatever a listener throws reaches the process, as without a guard.
  nextTick(() => {
    if (isDestroyed(socket)) return; // Node tells
    connection.toldError = true;
    if (socket.listenerCount("error") > 0) asDestroyed(connection, () => socket.emit("error", error));
    tellClosedLater(connection);
  });
}

/** The same of a socket that is destroyed without an error. */
export function endWithoutError(connection: GuardedConnection): void {
  showGone(connection);
  tellClosedLater(connection);
}

/** Behind the `close` of a response that has just been finished, as Node first waits for its handle. */
function tellClosedLater(connection: GuardedConnection): void {
  setImmediate(tellClosed, connection);
}

/** Tells of the end of a connection on which no request is under way whose own end comes with it. */
function tellClosed(connection: GuardedConnection): void {
  const { socket, bare } = connection;
  if (isDestroyed(socket) || (connection.current() ?? bare) !== bare || [...connection].length > 0) return;
  leaveServer(socket);
  tellSocketClosed(socket, Boolean(socket.errored));
}

/** Runs listeners for whom the socket is destroyed: what they write goes nowhere. */
function asDestroyed(connection: GuardedConnection, run: () => void): void {
  const { socket } = connection;
  connection.seemsDestroyed = true;
  const before = SHOWN.map((name) => Object.getOwnPropertyDescriptor(socket, name));
  for (const name of SHOWN) Reflect.defineProperty(socket, name, { value: name === "destroyed", configurable: true });
  try {
    run();
  } finally {
    for (const [i, name] of SHOWN.entries()) restore(socket, name, before[i]);
    connection.seemsDestroyed = false;
  }
}

function restore(socket: object, name: string, before: PropertyDescriptor | undefined): void {
  if (before === undefined) Reflect.deleteProperty(socket, name);
  else Reflect.defineProperty(socket, name, before);
}
