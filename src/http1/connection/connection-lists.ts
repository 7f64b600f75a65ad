import { Server as NetServer, type Socket } from "node:net";
import { Server } from "../../node-http.js";

/** What Node keeps of the connections of a server: by `all`, `idle` and other names. */
type Lists = Record<string, () => { socket?: Socket | null }[]>;

/** Of servers that have never listened: Node makes none before that. */
const given = new WeakMap<object, Lists>();

const fronts = new WeakMap<object, Set<NetServer>>();

/** Connections of a server that speak HTTP/1.x. */
export function socketsOf(server: object): Socket[] {
  return listOf(server, "all");
}

/** Those of them that have been used, and on which nothing of a next request has arrived. */
export function idleSocketsOf(server: object): Socket[] {
  return listOf(server, "idle");
}

/** The listeners that have accepted connections for a server, as far as they are in this process. */
export function frontsOf(server: object): Iterable<NetServer> {
  return fronts.get(server) ?? [];
}

/** Whether a server has got connections that somebody else has accepted, and may get more. */
export function isGivenConnections(server: object): boolean {
  return given.has(server);
}

/** Runs `act` while Node finds none of them: it destroys them as it closes the server. */
export function withoutIdleSockets(server: object, act: () => void): void {
  const lists = listsOf(server);
  if (lists !== undefined) Object.defineProperty(lists, "idle", { value: () => [], configurable: true });
  try {
    act();
  } finally {
    if (lists !== undefined) Reflect.deleteProperty(lists, "idle");
  }
}

/**
 * Runs `act`, in which Node gets to know a connection. That of a server which has never listened comes into a list as
 * well, which the server itself does not see: its `closeIdleConnections()` does nothing, as ever.
 */
export function withList<T>(server: object, socket: unknown, act: () => T): T {
  if ((server as Server).listening || listsOf(server) !== undefined) return act();
  if (!given.has(server)) given.set(server, newLists());
  const front = (socket as { readonly server?: unknown } | undefined)?.server;
  if (front instanceof NetServer && front !== server) {
    const known = fronts.get(server);
    if (known === undefined) fronts.set(server, new Set([front]));
    else known.add(front);
  }
  const own = server as Record<symbol, Lists | undefined>;
  if (kConnections === undefined) return act();
  own[kConnections] = given.get(server);
  try {
    return act();
  } finally {
    delete own[kConnections];
  }
}

let kConnections: symbol | undefined;

/** A server makes its lists as it begins to listen. */
function newLists(): Lists {
  const server = new Server();
  server.emit("listening");
  server.close(); // stops the timer that it has begun to look at them with
  kConnections ??= listSymbol(server);
  return listsOf(server) ?? {};
}

function listOf(server: object, which: "all" | "idle"): Socket[] {
  return [listsOf(server), given.get(server)].flatMap((lists) =>
    (lists?.[which]?.() ?? []).flatMap(({ socket }) => (socket ? [socket] : [])),
  );
}

function listsOf(server: object): Lists | undefined {
  const symbol = listSymbol(server);
  return symbol === undefined ? undefined : (server as Record<symbol, Lists | undefined>)[symbol];
}

function listSymbol(server: object): symbol | undefined {
  return Object.getOwnPropertySymbols(server).find(({ description }) => description === "http.server.connections");
}
