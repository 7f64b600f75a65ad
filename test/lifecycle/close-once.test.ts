import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import { connect } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import fastify from "fastify";
import { describe, expect, it } from "vitest";
import rayguard from "../../adapters/fastify.js";
import { createGuard, type Guard } from "../../src/index.js";

const SERVERS = {
  "HTTP/1.1": () => createServer((_request, response) => void response.end()),
  "HTTP/2": () => createHttp2Server() as unknown as Server,
} satisfies Record<string, () => Server>;

type Drain = () => Promise<void>;
/** What an app does as it ends; `drain` is that of its guard, where it has one. */
type Way = (server: Server, drain: Drain, tell: (what: string) => (error?: Error) => void) => Promise<void>;

const WAYS: Record<string, Way> = {
  "behind the drain": async (server, drain, tell) => {
    await drain();
    server.close(tell("called back"));
  },
  "behind the drain, with a listener that it adds then": async (server, drain, tell) => {
    await drain();
    server.once("close", tell("late listener"));
    server.close();
  },
  "while a connection is still open": async (server, drain, tell) => {
    const socket = connect((server.address() as { port: number }).port, "127.0.0.1");
    await once(server, "connection");
    const drained = drain();
    server.close(tell("called back"));
    socket.destroy();
    await drained;
  },
  twice: async (server, drain, tell) => {
    await drain();
    server.close(tell("called back"));
    await wait(20);
    server.close(tell("called back again"));
  },
  "after it has listened again": async (server, drain, tell) => {
    await drain();
    if (server.listening) await new Promise((resolve) => server.close(resolve));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    tell("listens")();
    server.close(tell("called back"));
    await wait(20);
    server.close(tell("called back again"));
  },
};

describe.each(Object.entries(SERVERS))("a server that its app closes, and its guard: %s", (_protocol, create) => {
  it.each(Object.entries(WAYS))("has closed once, %s", async (_way, way) => {
    const told = async (guard: Guard | undefined) => {
      const server = create();
      guard?.attach(server);
      const heard: string[] = [];
      server.on("close", () => heard.push("close"));
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      await way(
        server,
        async () => guard?.drain({ graceMs: 1_000 }),
        (what) => (error) => heard.push(`${what} ${(error as NodeJS.ErrnoException)?.code ?? ""}`),
      );
      await expect.poll(() => heard.length).toBeGreaterThan(1);
      await wait(50);
      guard?.close();
      return heard;
    };
    expect(await told(createGuard({ logger: false, shutdown: false }))).toEqual(await told(undefined));
  });
});

describe.each([false, true])("a server that Fastify closes, over HTTP/2: %s", (http2) => {
  it("has closed once", async () => {
    let times = 0;
    const app = fastify({ http2 } as object);
    await app.register(rayguard, { logger: false, shutdown: false });
    app.server.on("close", () => times++);
    await app.listen({ port: 0, host: "127.0.0.1" });
    await app.close();
    await wait(50);
    expect(times).toBe(1);
  });
});
