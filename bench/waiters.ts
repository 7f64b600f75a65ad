import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout } from "node:timers/promises";
import type { Origin } from "./origin.js";
import { buildRequest } from "./request.js";

/** Opened at a time; below the listen backlog, so that no connection is tried twice. */
const BATCH = 200;

/** How long the server may take to see the last of them, in milliseconds. */
const PATIENCE_MS = 20_000;

/** Sends requests that nobody answers, one connection each, and waits until the server has them all. */
export async function openWaiters(origin: Origin, path: string, count: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  const expected = (await origin.ask("waiting")) + count;
  while (sockets.length < count) {
    const from = sockets.length;
    const size = Math.min(BATCH, count - from);
    sockets.push(
      ...(await Promise.all(Array.from({ length: size }, (_, i) => openWaiter(origin.port, path, from + i)))),
    );
  }
  for (const from = performance.now(); (await origin.ask("waiting")) < expected; await setTimeout(50)) {
    if (performance.now() - from > PATIENCE_MS) {
      throw new Error(`${await origin.ask("waiting")} of ${expected} requests arrived; is "ulimit -n" above that?`);
    }
  }
  return sockets;
}

export function closeWaiters(sockets: Socket[]): void {
  for (const socket of sockets) socket.destroy();
}

async function openWaiter(port: number, path: string, index: number): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1" });
  await once(socket, "connect");
  socket.on("error", () => {}); // one that goes wrong shows in the count
  socket.resume();
  socket.write(buildRequest(path, index));
  return socket;
}
