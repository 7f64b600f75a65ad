import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import { createGuard } from "../src/index.js";
import { Wire } from "./helpers/wire.js";
import { listen } from "./testing/servers.js";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

const ANSWERS: Record<string, RequestListener> = {
  "as a whole": (_request, response) => void response.end("ok"),
  "in pieces": (_request, response) => {
    response.write("o");
    setImmediate(() => response.end("k"));
  },
  "that closes": (request, response) => {
    if (request.headers.connection === "close") response.setHeader("Connection", "close");
    response.end("ok");
  },
};

/** What Node leaves to listeners, which write to the socket themselves. */
const LEFT: Record<string, [octets: string, answer: string]> = {
  "an upgrade": [GET.replace("\r\n\r\n", "\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"), "HTTP/1.1 101 Mine\r\n\r\n"],
  "a CONNECT": ["CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 Mine\r\n\r\n"],
  "octets that are no request": ["GARBAGE\r\n\r\n", "HTTP/1.1 400 Mine\r\n\r\n"],
};

describe.each(["enforce", "report"] as const)("a connection that outlives its guard, in mode %s", (mode) => {
  it.each(Object.entries(ANSWERS))("goes on to carry responses: one %s", async (_what, listener) => {
    const guard = createGuard({ mode, logger: false });
    const server = createServer(listener);
    guard.attach(server);
    await listen(server);
    const wire = await Wire.open((server.address() as AddressInfo).port);
    wire.send(GET);
    await wire.answers(1);
    guard.close();
    wire.send(GET);
    await wire.answers(2);
    wire.send(GET.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
    expect(await wire.ended()).toBe(true);
    const { responses, problems } = wire.finish();
    expect(problems).toEqual([]);
    expect(responses.map(({ content }) => content.toString())).toEqual(["ok", "ok", "ok"]);
  });

  it.each(Object.entries(LEFT))("lets the app answer %s", async (_what, [octets, answer]) => {
    const guard = createGuard({ mode, logger: false });
    const server = createServer((_request, response) => void response.end("ok"));
    const write = (_first: unknown, socket: { end(octets: string): void }) => void socket.end(answer);
    server.on("upgrade", write).on("connect", write).on("clientError", write);
    guard.attach(server);
    await listen(server);
    const wire = await Wire.open((server.address() as AddressInfo).port);
    wire.send(GET);
    await wire.answers(1);
    guard.close();
    wire.write(octets);
    expect(await wire.ended()).toBe(true);
    expect(wire.finish().octets.toString("latin1")).toContain(answer);
  });
});
