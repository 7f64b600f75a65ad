import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import { createGuard } from "../src/index.js";
import { listen } from "./testing/servers.js";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const REQUESTS = 20_000;

/** Nobody answers what follows the first request, and the first request takes its time. */
const ORIGINS: Readonly<Record<string, (server: Server, listener: RequestListener) => Server>> = {
  "over maxRequestsPerSocket": (server, listener) => {
    server.maxRequestsPerSocket = 1;
    return server.on("request", listener);
  },
  "behind one whose socket the app has taken": (server, listener) =>
    server.on("request", (request, response) => {
      response.detachSocket(request.socket);
      listener(request, response);
    }),
};

it.each(Object.entries(ORIGINS))("a flood of requests %s is not read", async (_what, origin) => {
  const sockets: Socket[] = [];
  const server = origin(createServer(), (request) => sockets.push(request.socket));
  createGuard({ logger: false, shutdown: false, crash: false }).attach(server);
  await listen(server);
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1").on("error", () => {});
  client.write(GET.repeat(REQUESTS));
  await once(server, "request");
  const [socket] = sockets as [Socket];
  let read = -1;
  while (socket.bytesRead !== read) {
    read = socket.bytesRead;
    await delay(100);
  }
  // What came in one piece, and a little more.
  expect(read).toBeLessThan((REQUESTS * GET.length) / 2);
  client.destroy();
});
