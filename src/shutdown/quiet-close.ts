import type { Server } from "node:http";
import type { Socket } from "node:net";
import { setImmediate as nextTurn, setTimeout as wait } from "node:timers/promises";
import { performance } from "../clock.js";
import { containPromise } from "../containment.js";
import { isGivenConnections, socketsOf, withoutIdleSockets } from "../http1/connection/connection-lists.js";
import { isDestroyed } from "../http1/connection/gone-socket.js";
import { closeSoon } from "../http1/exchange/tear-down.js";
import { connectionOf } from "../http1/methods/connection-of.js";
import { arrivingAt } from "./arriving.js";
import { standsBeforeClose } from "./close-method.js";
import { awaitSuccessor } from "./successor.js";

/**
 * How long a connection must have been quiet before it is closed, in milliseconds. A request may be on its way on an
 * idle one, and would meet a closed door: the time covers the way from the edge and back.
 */
export const QUIET_MS = 250;

/** Time between two looks at what is left, in milliseconds. */
const LOOK_MS = 20;

/** Servers whose connections are to end, each behind its last response. */
export type ClosingServers = Set<object>;

/**
 * Lets the connections of a server end without losing a request: responses announce it, and an idle connection is closed
 * once it has been quiet; one on which a request has begun to arrive is not idle. Where the app has put another server
 * in its place, that one is to get the next request, so idle connections end at once. Goes on until the server no longer
 * listens and its last connection is gone, or until the app has it listen again: all is as before then.
 * @param left - where it listened, if it does no more
 */
export async function closeQuietly(
  server: Server,
  closing: ClosingServers,
  left: ReturnType<Server["address"]> = null,
): Promise<void> {
  if (closing.has(server)) return;
  closing.add(server);
  const seen = new WeakMap<Socket, { bytesRead: number; since: number }>();
  const mayGetMore = () => server.listening || isGivenConnections(server) || mayShakeHands(server);
  let quietMs = QUIET_MS;
  let listensAgain = false;
  const found = () => {
    quietMs = 0;
    closeQuiet(server, seen, quietMs);
  };
  const waitNoMore = awaitSuccessor(server, left, found, () => {
    listensAgain = true;
    closing.delete(server);
  });
  while (!listensAgain && closing.has(server) && (closeQuiet(server, seen, quietMs) > 0 || mayGetMore())) {
    await wait(LOOK_MS, undefined, { ref: false });
    // What has arrived is read before this turn of the loop goes on.
    await nextTurn();
  }
  waitNoMore();
  // It may have been closed once more since.
  if (!listensAgain) closing.delete(server);
}

/** Whether a connection may be at its TLS handshake: it is in no list of connections before that is complete. */
export function mayShakeHands(server: Server & { readonly _connections?: number }): boolean {
  return "setSecureContext" in server && server._connections !== 0;
}

/** @returns how many connections are left */
function closeQuiet(
  server: Server,
  seen: WeakMap<Socket, { bytesRead: number; since: number }>,
  quietMs: number,
): number {
  const now = performance.now();
  const sockets = socketsOf(server).filter((socket) => !isDestroyed(socket));
  const arriving = arrivingAt(server);
  for (const socket of sockets) {
    const connection = connectionOf(socket);
    const last = seen.get(socket);
    if (last === undefined || last.bytesRead !== socket.bytesRead || !connection.isIdle || arriving.has(socket))
      seen.set(socket, { bytesRead: socket.bytesRead, since: now });
    else if (now - last.since >= quietMs && !connection.lingering) closeSoon(connection);
  }
  return sockets.length;
}

/**
 * Overrides `server.close()`, which destroys idle connections at once, and with them requests that are on their
 * way. `node:cluster` calls it when a worker is let go, and most apps do on a signal.
 * @returns a function that gives the server its own `close` back
 */
export function closesQuietly(server: Server, closing: ClosingServers): () => void {
  const undo = standsBeforeClose(server, (close) => {
    // `closeIdleConnections()`, which it calls, may be the app's own, and is called all the same.
    const left = server.address();
    withoutIdleSockets(server, close);
    containPromise(undefined, closeQuietly(server, closing, left));
  });
  return () => {
    closing.delete(server);
    undo();
  };
}
