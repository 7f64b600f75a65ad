import type { Server } from "node:net";
import { setImmediate as nextTurn, setTimeout as wait } from "node:timers/promises";
import { performance } from "../clock.js";
import { contained } from "../containment.js";
import { AcceptQueue } from "./accept-queue.js";
import { closeInPlace } from "./close-method.js";
import { takeLastPlace } from "./last-place.js";

/**
 * What becomes of the listeners: closed once nobody waits at the door, or left to the app. `"at once"` is for clients
 * that are being sent away already and come back: the door is made narrow before it is closed. `"untouched"` leaves
 * connections alone as well: requests are told, and waited for.
 */
export type Closing = "in a quiet moment" | "at once" | "by the app" | "untouched";

export function leavesListeners(closing: Closing): boolean {
  return closing === "by the app" || closing === "untouched";
}

/** How long it takes until the door is made narrow where somebody waits at it all the time, in milliseconds. */
const NARROW_MS = 250;

/** How often an empty queue is met until it has to do. */
const MOST_ATTEMPTS = 5;

/** Longest turn of the event loop in which hardly anybody can have connected since the system was asked, in milliseconds. */
const SHORT_TURN_MS = 0.3;

/** How long it takes until a longer turn has to do, in milliseconds. */
const ANY_TURN_MS = 250;

/**
 * Closes listeners without losing a connection: those that the system has accepted and the process has not would be reset.
 * @param until - when they are closed at the latest, whoever waits
 * @param isAlone - no other process has them, whoever has opened them
 */
export async function closeListeners(
  servers: readonly Server[],
  closing: Closing,
  until: number,
  isAlone = false,
): Promise<void> {
  if (leavesListeners(closing)) return;
  const narrowAt = closing === "at once" ? 0 : performance.now() + NARROW_MS;
  await Promise.all(servers.map((server) => closeListener(server, narrowAt, until, isAlone)));
}

function waitUntil(ms: number): Promise<void> {
  return wait(Math.max(0, ms - performance.now()), undefined, { ref: false });
}

async function closeListener(server: Server, narrowAt: number, until: number, isAlone: boolean): Promise<void> {
  if (!server.listening) return;
  const { _handle: handle } = server as { _handle?: { letLastIn?(): Promise<void> } | null };
  // The keeper has the socket.
  if (handle?.letLastIn !== undefined) await Promise.race([handle.letLastIn(), waitUntil(until)]);
  const queue = AcceptQueue.of(server as object, isAlone);
  await (queue === undefined ? shortTurn(server, until) : emptied(server, queue, narrowAt, until));
  if (server.listening) closeInPlace(server);
}

/** Waits until nobody is in the queue, and keeps everybody out of it until the listener is closed. */
async function emptied(server: Server, queue: AcceptQueue, narrowAt: number, until: number): Promise<void> {
  let isNarrow = false;
  let attempts = 0;
  while (server.listening && performance.now() < until) {
    const isEmpty = (queue.length() ?? 0) === 0;
    if (!isNarrow && (isEmpty || performance.now() >= narrowAt)) isNarrow = narrow(server);
    if (isEmpty) {
      const { socket, taken } = await takeLastPlace(server);
      const isAlone = queue.length() === 1;
      socket.destroy();
      // Where nobody can connect from inside, an empty queue has to do.
      if ((taken && isAlone) || ++attempts === MOST_ATTEMPTS) return;
    }
    await nextTurn();
  }
}

/**
 * Has the system take no new connection while one is waiting. A client that it does not take asks again after a second,
 * and is refused by then, or taken by another process.
 */
function narrow(server: Server): true {
  (server as { _handle?: { listen?(backlog: number): number } | null })._handle?.listen?.(0);
  return true;
}

/** Waits for a short turn in which nobody has connected, where the system does not tell how many wait. */
async function shortTurn(server: Server, until: number): Promise<void> {
  let connected = true;
  const onConnection = contained(undefined, () => {
    connected = true;
  });
  server.on("connection", onConnection);
  const startedAt = performance.now();
  for (let now = startedAt; server.listening && now < until; ) {
    connected = false;
    await nextTurn();
    const turn = performance.now() - now;
    now += turn;
    if (!connected && (turn < SHORT_TURN_MS || now > startedAt + ANY_TURN_MS)) break;
  }
  server.removeListener("connection", onConnection);
}
