import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { contained } from "../containment.js";
import { shared } from "../shared.js";
import { WeakCollection } from "../weak-collection.js";
import { guardsOf, isServer } from "./recognise.js";

/**
 * Attaches a guard that nobody has attached, before the first octet of its server: an upgrade, a CONNECT or what is no
 * request never gets to a listener or a middleware of the guard's. Node tells of every server that begins to listen; those
 * whose request listeners lead to a guard are that guard's.
 */
export interface SelfAttaching {
  readonly state: "serving" | "draining" | "closed";
  readonly isAttached: boolean;
  /** Attaches to a server, unless the guard is ending. */
  attachItself(server: object): void;
}

/** Channel of Node's: a server listens, and nobody can have connected yet. */
export const SERVER_LISTENS = "tracing:net.server.listen:asyncEnd";

/** A server has a connection of which nothing has been read: for listeners that were added after `listen()`. */
const CONNECTED = "net.server.socket";

/** The guards of request listeners and middleware. */
const guardIn = shared("handlers", () => new WeakMap<object, SelfAttaching>());

/** Guards with such a function: one may get a further server at any time. */
const open = new WeakCollection<SelfAttaching>(install);
/** Those of them that have no server yet: until then each connection is looked at. */
const unattached = new WeakCollection<SelfAttaching>(install);

const insides: ((handler: object) => Iterable<unknown>)[] = [];
const heard = new Set<string>();

/** Notes that whatever a handler is called for goes to a guard. */
export function leadsTo(handler: object, guard: SelfAttaching): void {
  if (guard.state === "closed") return;
  guardIn.set(handler, guard);
  open.add(guard);
  if (!guard.isAttached) unattached.add(guard);
  install();
}

/** Has handlers searched for those inside them, as in the router of a framework. Reading must change nothing. */
export function searchInside(handlersIn: (handler: object) => Iterable<unknown>): void {
  insides.push(handlersIn);
}

/** From here on a guard need not look at connections. */
export function isAttached(guard: SelfAttaching): void {
  unattached.delete(guard);
  install();
}

/** From here on a guard is attached to nothing more. */
export function isClosed(guard: SelfAttaching): void {
  open.delete(guard);
  isAttached(guard);
}

/** Listens while there is somebody to listen for. */
function install(): void {
  hear(SERVER_LISTENS, onListens, open);
  hear(CONNECTED, onConnected, unattached);
}

function hear(channel: string, listener: (message: never) => void, guards: WeakCollection<SelfAttaching>): void {
  if (guards.isEmpty !== heard.has(channel)) return;
  if (heard.delete(channel)) {
    unsubscribe(channel, listener as never);
  } else {
    heard.add(channel);
    subscribe(channel, listener as never);
  }
}

const onListens = contained(undefined, ({ server }: { server: object }) => found(server));

const onConnected = contained(undefined, ({ socket }: { socket: { readonly server?: object } }) =>
  found(socket.server),
);

function found(server: unknown): void {
  if (!isServer(server) || guardsOf(server).size > 0) return;
  outermostGuard(server.listeners("request"))?.attachItself(server);
}

/** Whether the request listeners of a server lead to a guard, which is then that guard's. */
export function leadsToGuard(server: { listeners(event: string): readonly unknown[] }): boolean {
  return outermostGuard(server.listeners("request")) !== undefined;
}

/** Whether all requests of a server come to a guard, as far as that can be seen. */
export function isRecognised(server: object, guard: SelfAttaching): boolean {
  return isServer(server) && outermostGuard(server.listeners("request")) === guard;
}

/** A guard inside another one has no server of its own. */
function outermostGuard(listeners: readonly unknown[]): SelfAttaching | undefined {
  const handlers = new Set(listeners); // one that is added while they are gone through has its turn behind the others
  for (const handler of handlers) {
    if (typeof handler !== "function") continue;
    const guard = guardIn.get(handler);
    if (guard !== undefined) return guard;
    for (const handlersIn of insides) for (const inner of handlersIn(handler)) handlers.add(inner);
  }
  return undefined;
}
