import { once } from "node:events";
import { createServer, type RequestListener, type ServerResponse } from "node:http";
import { connect as connectHttp2, createServer as createHttp2Server } from "node:http2";
import { type AddressInfo, connect, type Socket } from "node:net";
import { describe, expect, it, vi } from "vitest";
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

describe.each(["HTTP/1", "HTTP/2"] as const)("a response under way over %s as its guard is closed", (protocol) => {
  it.each(["enforce", "report"] as const)("goes out as far as it is written, in mode %s", async (mode) => {
    const guard = createGuard({ mode, logger: false });
    const responses: ServerResponse[] = [];
    const listener: RequestListener = (_request, response) => {
      responses.push(response);
      response.write("begun");
      setImmediate(() => guard.close());
    };
    const server = protocol === "HTTP/1" ? createServer(listener) : createHttp2Server(listener as never);
    guard.attach(server);
    await listen(server);
    const { port } = server.address() as AddressInfo;
    const client = protocol === "HTTP/1" ? undefined : connectHttp2(`http://127.0.0.1:${port}`);
    const stream = client?.request({ ":path": "/" }) ?? connect(port, "127.0.0.1");
    if (client === undefined) (stream as Socket).write(GET.replace("1.1", "1.0"));
    let octets = "";
    stream.on("data", (data) => {
      octets += data;
    });
    await vi.waitFor(() => expect(octets).toMatch(/begun$/));
    responses[0]?.end(", and ended");
    await once(stream, "end");
    expect(octets).toMatch(/begun, and ended$/);
    client?.close();
  });
});
