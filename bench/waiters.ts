import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout } from "node:timers/promises";
import type { Origin } from "./origin.js";
import { buildRequest, CONTENT } from "./request.js";

/** Opened at a time; below the listen backlog, so that no connection is tried twice. */
const BATCH = 200;

/** How long the server may take to see the last of them, in milliseconds. */
const PATIENCE_MS = 20_000;

/** Sends requests that nobody answers, one connection each, and waits until the server has them all. */
export async function openWaiters(origin: Origin, path: string, count: number): Promise<Socket[]> {
  const expected = (await origin.ask("waiting")) + count;
  const sockets = await openMany(count, (index) => openWaiter(origin.port, path, index));
  for (const from = performance.now(); (await origin.ask("waiting")) < expected; await setTimeout(50)) {
    if (performance.now() - from > PATIENCE_MS) {
      throw new Error(`${await origin.ask("waiting")} of ${expected} requests arrived; is "ulimit -n" above that?`);
    }
  }
  return sockets;
}

/** Opens connections that have each carried one request, and stay open for the next. */
export function openIdle(origin: Origin, count: number): Promise<Socket[]> {
  return openMany(count, async (index) => {
    const socket = await openWaiter(origin.port, "/", index);
    let answer = "";
    for await (const octets of socket.iterator({ destroyOnReturn: false })) {
      answer += String(octets);
      if (answer.endsWith(CONTENT)) return socket.resume();
    }
    throw new Error(`an idle connection was closed after ${JSON.stringify(answer)}`);
  });
}

async function openMany(count: number, open: (index: number) => Promise<Socket>): Promise<Socket[]> {
  const sockets: Socket[] = [];
  while (sockets.length < count) {
    const from = sockets.length;
    const size = Math.min(BATCH, count - from);
    sockets.push(...(await Promise.all(Array.from({ length: size }, (_, i) => open(from + i)))));
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
  if (path !== "/") socket.resume();
  socket.write(buildRequest(path, index));
  return socket;
}
