import type { Server } from "node:net";
import { nextTick } from "../clock.js";
import { contained } from "../containment.js";

type Callback = (error?: Error) => void;

/** What a server that the guard has closed has told of it: listeners for `close`, once it has. */
interface Closed {
  told: ReadonlySet<unknown> | undefined;
}

/** Functions that override `close`. */
const standing = new WeakSet<object>();

/** Servers that had a `close` of the app's own before the guard stood in front of it. */
const replaced = new WeakSet<object>();

/** Servers that the guard has closed, until the app does. */
const closed = new WeakMap<object, Closed>();

/** Whether the app has put a method of its own in the place of `server.close()`. */
export function hasOwnClose(server: object): boolean {
  return Object.hasOwn(server, "close") && (replaced.has(server) || !standing.has((server as Server).close));
}

/**
 * Closes a server in the place of its app. One that does so itself later finds what it would have found without a guard:
 * its server closes then, and says so once.
 */
export function closeInPlace(server: Server): void {
  server.close();
  const state: Closed = { told: undefined };
  closed.set(server, state);
  const isTold = contained(undefined, () => {
    state.told = new Set(server.rawListeners("close"));
  });
  server.once("close", isTold);
}

/**
 * Overrides `server.close()`.
 * @param act - closes a server that listens
 * @returns a function that gives the server its own `close` back
 */
export function standsBeforeClose(server: Server, act: (close: () => void) => void): () => void {
  const { close } = server;
  const own = Object.hasOwn(server, "close");
  const stands = function (this: Server, callback?: Callback): Server {
    const state = closed.get(server);
    closed.delete(server);
    if (server.listening) act(() => close.call(server, callback));
    else if (state === undefined) close.call(server, callback);
    else joinClose(server, state, callback);
    return server;
  };
  standing.add(stands);
  if (own) replaced.add(server);
  Object.defineProperty(server, "close", { value: stands, configurable: true, writable: true });
  return () => {
    replaced.delete(server);
    if (server.close !== stands) return;
    if (own) server.close = close;
    else delete (server as Partial<Server>).close;
  };
}

/** The app closes what the guard has closed: tells whoever has not been told. */
function joinClose(server: Server, state: Closed, callback: Callback | undefined): void {
  if (typeof callback === "function") server.once("close", callback);
  if (state.told === undefined) return;
  const { told } = state;
  nextTick(() => {
    for (const listener of server.rawListeners("close")) if (!told.has(listener)) listener.call(server);
  });
}
