import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { buildRequest } from "./request.js";

/** Opened at a time; below the listen backlog, so that no connection is tried twice. */
const BATCH = 200;

/** Requests that are sent and not answered, one connection each. */
export async function openWaiters(port: number, path: string, count: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  while (sockets.length < count) {
    const from = sockets.length;
    const batch = Array.from({ length: Math.min(BATCH, count - from) }, (_, index) => {
      const socket = connect({ port, host: "127.0.0.1" });
      socket.on("error", () => {});
      socket.resume();
      socket.write(buildRequest(path, from + index));
      return socket;
    });
    await Promise.all(batch.map((socket) => once(socket, "connect")));
    sockets.push(...batch);
  }
  return sockets;
}

export function closeWaiters(sockets: Socket[]): void {
  for (const socket of sockets) socket.destroy();
}
