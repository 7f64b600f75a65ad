import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { expect, it } from "vitest";
import { createGuard } from "../src/index.js";
import { Wire } from "./helpers/wire.js";
import { listen } from "./testing/servers.js";

const PART = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n";

const WAYS: Record<string, (request: IncomingMessage, response: ServerResponse, told: () => void) => void> = {
  "a request, whose socket is destroyed": (request, _response, told) => {
    request.setTimeout(50, () => {
      told();
      request.socket.destroy();
    });
  },
  "a response, which is destroyed": (_request, response, told) => {
    response.setTimeout(50, () => {
      told();
      response.destroy();
    });
  },
  "a socket, whose request is destroyed": (request, _response, told) => {
    request.socket.setTimeout(50, () => {
      told();
      request.destroy();
    });
  },
};

it.each(Object.entries(WAYS))(
  "the timeout of %s is told once, while the client reads the answer",
  async (_way, way) => {
    let times = 0;
    const sockets: Socket[] = [];
    const server = createServer((request, response) => way(request, response, () => times++));
    createGuard({ logger: false, shutdown: false }).attach(server);
    server.on("connection", (socket) => sockets.push(socket));
    await listen(server);
    const wire = await Wire.open((server.address() as AddressInfo).port);
    wire.send(PART);
    // The client keeps its side open: the guard goes on reading for far longer than the timeout.
    expect(await wire.answers(1)).toBe(true);
    // As long as the socket stays open, and the timeout could come again.
    await new Promise((resolve) => sockets[0]?.once("close", resolve));
    expect(wire.finish().responses.map(({ status }) => status)).toEqual([500]);
    expect(times).toBe(1);
  },
);
