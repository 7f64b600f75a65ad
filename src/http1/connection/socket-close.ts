import type { Socket } from "node:net";

type Listener = (hadError: boolean) => void;
// biome-ignore lint/complexity/noBannedTypes: as Node types it
type Registered = Function & { readonly listener?: Function };

/** Listeners of the guard's own, which wait for the socket itself. */
const own = new WeakSet<object>();

/** Those of Node, which take a connection apart: their names are asked for in `node-contract.test.ts`. */
const NODES_OWN = new Set([
  "bound socketOnClose",
  "bound socketOnEnd",
  "onReadableStreamEnd",
  "onServerResponseClose",
  "onSocketClose",
  "onSocketCloseDestroySSL",
]);

/** How a socket comes to its end in front of that. */
const ENDS = ["prefinish", "finish", "end"] as const;

/** Makes a listener one of the guard's own, which hears of the socket whatever the app is told. */
export function asOwn<T extends object>(listener: T): T {
  own.add(listener);
  return listener;
}

/** Calls a listener of the guard's own once the socket is closed. @param first - before those that are there already */
export function onceClosed(socket: Socket, listener: Listener, first = false): void {
  asOwn(listener);
  if (first) socket.prependOnceListener("close", listener);
  else socket.once("close", listener);
}

/**
 * Tells an app that its socket is closed, while the guard keeps the connection: to answer on it in the app's place, or in
 * case the client has closed its own side only. Who is told now is not told again.
 * @param closeResponse - done where a listener of Node's own does it, between those of the app
 */
export function tellSocketClosed(socket: Socket, hadError: boolean, closeResponse?: () => void): void {
  for (const listener of socket.rawListeners("close") as Registered[]) {
    if ((listener.listener ?? listener).name === "onServerResponseClose") closeResponse?.();
    if (take(socket, "close", listener)) listener.call(socket, hadError);
  }
  closeResponse?.(); // where Node has taken its listener away
  // Whatever the guard does with the connection from here on, it has come to its end.
  for (const event of ENDS) for (const listener of socket.rawListeners(event)) take(socket, event, listener);
}

/** The same of the end of the side that the app writes to, in front of it. */
export function tellSocketFinished(socket: Socket): void {
  for (const event of ["prefinish", "finish"])
    for (const listener of socket.rawListeners(event)) if (take(socket, event, listener)) listener.call(socket);
}

/** Takes a listener of the app's away. @returns false for any other */
function take(socket: Socket, event: string, listener: Registered): boolean {
  const registered = listener.listener ?? listener;
  if (own.has(registered) || NODES_OWN.has(registered.name) || registered === socket.destroy) return false;
  socket.removeListener(event, listener as Listener);
  return true;
}
