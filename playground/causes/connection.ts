import type { Socket } from "node:net";
import { type Cause, delay } from "./cause.js";

/** `keepAliveTimeout` of every origin server here: Node's 5 s and the edge's 900 s would make the demonstration long. */
export const KEEP_ALIVE_MS = 500;
/** Node closes an idle connection this much later than it says. */
const KEEP_ALIVE_BUFFER_MS = 1_000;
/** When a connection is closed while idle, counted from the last answer on it. */
export const IDLE_CLOSE_MS = KEEP_ALIVE_MS + KEEP_ALIVE_BUFFER_MS;

/** A `clientError` listener found in many apps: the client of a bad request gets no answer. */
export function dropClient(_error: Error, socket: Socket): void {
  socket.destroy();
}

/** The connection ends when nobody should end it. */
export const connectionCauses: readonly Cause[] = [
  {
    name: "empty",
    title: "empty response: no header section, no content",
    handler: (request) => request.socket.end(),
  },
  {
    name: "dropped",
    title: "connection dropped without a response",
    handler: (request) => request.socket.resetAndDestroy(),
  },
  {
    name: "premature-close",
    title: "premature close in mid-content",
    async handler(_request, response) {
      response.setHeader("Content-Length", 1_000);
      response.write("the first part, ");
      await delay(5);
      response.destroy();
    },
  },
  {
    name: "idle",
    title: "idle connection closed as the edge reuses it",
    probe: "idle",
    handler(_request, response) {
      response.end("the connection is idle now");
      // Node looks at timers before it reads: after a busy stretch it closes a connection with a request waiting on it.
      // Busy in the phase after reading, as the handler of another request would be.
      setTimeout(() => setImmediate(stayBusy, 500), IDLE_CLOSE_MS - 250);
    },
  },
  {
    name: "upgrade",
    title: "protocol mismatch: Upgrade, socket destroyed",
    probe: "upgrade",
    server: (server) => server.on("upgrade", (_request, socket) => socket.destroy()),
  },
  {
    name: "expect",
    title: "protocol mismatch: Expect, never answered",
    probe: "expect",
    waits: true,
    server: (server) => server.on("checkContinue", () => {}),
  },
  {
    name: "request-head",
    title: "request cookies over 16 KiB, socket destroyed",
    probe: "large",
    // Fastify has a listener of its own and takes this one as an option.
    server: (server) => {
      if (server.listenerCount("clientError") === 0) server.on("clientError", dropClient);
    },
  },
];

function stayBusy(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}
