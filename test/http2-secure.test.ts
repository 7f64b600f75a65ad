import { once } from "node:events";
import http2, { type ServerHttp2Stream } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import tls from "node:tls";
import { describe, expect, it } from "vitest";
import { createGuard } from "../src/index.js";
import { seen, send } from "./helpers/http2.js";
import { selfSigned } from "./testing/certificate.js";

const certificate = selfSigned();
const OPTIONS = { logger: false, shutdown: false, crash: false, trust: "loopback" } as const;

/** Ways for the app to end its stream. */
const ENDS: Readonly<Record<string, (stream: ServerHttp2Stream) => unknown>> = {
  "close()": (stream) => stream.close(),
  "close(CANCEL)": (stream) => stream.close(http2.constants.NGHTTP2_CANCEL),
  "destroy()": (stream) => stream.destroy(),
  "an answer, and close(CANCEL)": (stream) => {
    stream.respond();
    stream.end("whole");
    stream.close(http2.constants.NGHTTP2_CANCEL);
  },
};

describe("an app over TLS that ends its stream", () => {
  it.each(Object.keys(ENDS))("is answered for, and its session ends with the client: %s", async (how) => {
    const server = http2.createSecureServer({ ...certificate });
    server.on("stream", (stream) => {
      stream.on("error", () => {});
      setTimeout(() => ENDS[how]?.(stream), 20);
    });
    const guard = createGuard(OPTIONS);
    guard.attach(server);
    const ended = once(server, "session").then(([session]) => once(session, "close"));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const socket = tls.connect({ port, host: "127.0.0.1", ALPNProtocols: ["h2"], rejectUnauthorized: false });
    const client = http2.connect("https://localhost", { createConnection: () => socket }).on("error", () => {});
    expect(await seen(send(client))).toMatchObject({ status: how.includes("answer") ? 200 : 500, complete: true });
    client.destroy();
    socket.destroy();
    await ended;
    await new Promise((resolve) => server.close(resolve));
    guard.close();
  });
});

describe("a connection below TLS that ends while its session is answered", () => {
  it("keeps no exchange, where the app keeps the end of the answer back", async () => {
    const server = http2.createSecureServer({ ...certificate });
    let below: Socket | undefined;
    server.on("connection", (socket: Socket) => {
      below = socket;
    });
    const guard = createGuard(OPTIONS);
    guard.attach(server);
    const asked = new Promise<void>((resolve) => {
      server.on("stream", (stream) => {
        stream.on("error", () => {});
        stream.respond();
        stream.write("text");
        stream.end("end");
        stream.cork();
        stream.session?.destroy(new Error("mine"));
        resolve();
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const socket = tls.connect({ port, host: "127.0.0.1", ALPNProtocols: ["h2"], rejectUnauthorized: false });
    const client = http2.connect("https://localhost", { createConnection: () => socket.on("error", () => {}) });
    client.on("error", () => {});
    client
      .request()
      .on("error", () => {})
      .resume();
    await asked;
    below?.destroy();
    await expect.poll(() => guard.stats().inFlight).toBe(0);
    client.destroy();
    await new Promise((resolve) => server.close(resolve));
    guard.close();
  });
});
