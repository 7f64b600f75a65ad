import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout } from "node:timers/promises";
import type { Load } from "./load.js";
import { buildRequest, CONNECTIONS, CONTENT, rayOffset, stampRay } from "./request.js";

/** For what is still to be done about the last of them, in milliseconds. */
const SETTLE_MS = 10;

/** Clients that connect, make one request and leave, in waves like those of `openLoad()`. */
export async function openArrivals(port: number): Promise<Load> {
  let serial = 0;
  return {
    async send(requests) {
      let sent = 0;
      for (; sent < requests; sent += CONNECTIONS)
        await Promise.all(Array.from({ length: CONNECTIONS }, () => arrive(port, serial++)));
      await setTimeout(SETTLE_MS);
      return sent;
    },
    close() {},
  };
}

async function arrive(port: number, serial: number): Promise<void> {
  const request = buildRequest("/", serial);
  stampRay(request, rayOffset(request), serial);
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  socket.write(request);
  let answer = "";
  socket.on("data", (octets) => {
    answer += octets.toString("latin1");
    if (answer.endsWith(CONTENT)) socket.end();
  });
  await once(socket, "close");
  if (!answer.startsWith("HTTP/1.1 200 ") || !answer.endsWith(CONTENT))
    throw new Error(`not the expected answer: ${answer.slice(0, 600)}`);
}
