import type { Socket } from "node:net";

type Listener = (hadError: boolean) => void;

/** Listeners of the guard's own, which wait for the socket itself. */
const own = new WeakSet<object>();

/** Those of Node, which take a connection apart: their names are asked for in `node-contract.test.ts`. */
const NODES_OWN = new Set(["bound socketOnClose", "onServerResponseClose", "onSocketClose", "onSocketCloseDestroySSL"]);

/** Calls a listener of the guard's own once the socket is closed. @param first - before those that are there already */
export function onceClosed(socket: Socket, listener: Listener, first = false): void {
  own.add(listener);
  if (first) socket.prependOnceListener("close", listener);
  else socket.once("close", listener);
}

/**
 * Tells an app that its socket is closed, while the guard keeps the connection: to answer on it in the app's place, or in
 * case the client has closed its own side only. Who is told now is not told again.
 * @param closeResponse - done where a listener of Node's own does it, between those of the app
 */
export function tellSocketClosed(socket: Socket, hadError: boolean, closeResponse?: () => void): void {
  for (const listener of socket.rawListeners("close") as (Listener & { readonly listener?: Listener })[]) {
    const registered = listener.listener ?? listener;
    if (registered.name === "onServerResponseClose") closeResponse?.();
    if (own.has(registered) || NODES_OWN.has(registered.name)) continue;
    socket.removeListener("close", listener);
    listener.call(socket, hadError);
  }
  closeResponse?.(); // where Node has taken its listener away
}
