import { once } from "node:events";
import { createServer, type Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import websocket from "@fastify/websocket";
import express from "express";
import expressWs from "express-ws";
import fastify, { type FastifyInstance } from "fastify";
import { afterEach, describe, expect, it } from "vitest";
import WebSocket, { WebSocketServer } from "ws";
import { rayguard } from "../adapters/express.js";
import plugin from "../adapters/fastify.js";
import { createGuard, type Guard } from "../src/index.js";
import { listen } from "./testing/servers.js";

// Libraries that route an upgrade through the framework, with a response that they make themselves.

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** Codes of the incidents of a guard, and its options. */
function watched(mode: "enforce" | "report" = "enforce") {
  const codes: string[] = [];
  const note = (record: { code?: string }) => void (record.code && codes.push(record.code));
  return {
    codes,
    options: { mode, firstByteDeadlineMs: 200, logger: { info() {}, warn: note, error: note } } as const,
  };
}

/** Opens a WebSocket, has a word echoed, stays for longer than the deadline and closes. @returns what it got, or its status */
async function converse(server: Server, path = "/"): Promise<string> {
  const { port } = server.address() as AddressInfo;
  const client = new WebSocket(`ws://127.0.0.1:${port}${path}`);
  const refused = once(client, "unexpected-response").then(([, response]) => `status ${response.statusCode}`);
  const opened = once(client, "open").then(() => "open");
  client.on("error", () => undefined);
  if ((await Promise.race([opened, refused])) !== "open") return await refused;
  client.send("word");
  const [echo] = await once(client, "message");
  await new Promise((resolve) => setTimeout(resolve, 300)); // past the deadline of whatever was left open
  const { readyState } = client;
  client.close();
  await once(client, "close");
  return readyState === WebSocket.OPEN ? String(echo) : "cut off";
}

async function quiet(guard: Guard): Promise<void> {
  await expect.poll(() => guard.stats().inFlight).toBe(0);
}

describe.each(["enforce", "report"] as const)("@fastify/websocket in mode %s", (mode) => {
  const echo = async (scope: FastifyInstance) => {
    scope.get("/", { websocket: true }, (socket) => {
      socket.on("message", (word) => socket.send(String(word)));
    });
    scope.get(
      "/refused",
      { websocket: true, preValidation: (_request, reply) => void reply.code(401).send("no") },
      () => {},
    );
    scope.get("/throws", { websocket: true, preValidation: () => Promise.reject(new Error("no")) }, () => {});
  };

  async function start(order: "first" | "last") {
    const { codes, options } = watched(mode);
    const app = fastify();
    closing.push(() => app.close());
    if (order === "first") await app.register(plugin, options);
    await app.register(websocket);
    if (order === "last") await app.register(plugin, options);
    await app.register(echo);
    await app.listen({ port: 0, host: "127.0.0.1" });
    return { app, codes };
  }

  it.each(["first", "last"] as const)("opens, echoes and closes, with the guard registered %s", async (order) => {
    const { app, codes } = await start(order);
    expect(await converse(app.server)).toBe("word");
    await quiet(app.rayguard);
    expect(codes).toEqual([]);
  });

  it.each(["first", "last"] as const)("ends promptly with a WebSocket open, the guard registered %s", async (order) => {
    const { app } = await start(order);
    const client = new WebSocket(`ws://127.0.0.1:${(app.server.address() as AddressInfo).port}/`);
    await once(client, "open");
    const closed = once(client, "close");
    await app.close();
    await closed;
  });

  it.each(["before", "after"] as const)("calls a close of the app's own once, %s the guard", async (order) => {
    const app = fastify();
    const { server } = app;
    const calls: string[] = [];
    const own = () => {
      const { close } = server;
      server.close = (callback) => {
        calls.push(`listening ${server.listening}`);
        const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}/`);
        client.on("error", () => undefined).on("open", () => calls.push("open"));
        client.on("unexpected-response", (_request, response) => {
          calls.push(`status ${response.statusCode}`);
          close.call(server, callback);
        });
        return server;
      };
    };
    if (order === "before") own();
    await app.register(plugin, watched(mode).options);
    if (order === "after") own();
    await app.register(websocket);
    await app.register(echo);
    await app.listen({ port: 0, host: "127.0.0.1" });
    const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    await once(client, "open");
    await app.close();
    expect(calls).toEqual(["listening true", "status 503"]);
    expect(server.listening).toBe(false);
  });

  it.each([
    ["/refused", "status 401"],
    ["/throws", "status 500"],
    ["/missing", "status 404"],
  ])("%s gets the answer of its route: %s", async (path, status) => {
    const { app, codes } = await start("first");
    expect(await converse(app.server, path)).toBe(status);
    await quiet(app.rayguard);
    expect(codes).toEqual([]);
  });

  it("injectWS opens a WebSocket", async () => {
    const { app, codes } = await start("first");
    const client = await app.injectWS("/");
    client.send("word");
    const [word] = await once(client, "message");
    expect(String(word)).toBe("word");
    client.terminate();
    await new Promise((resolve) => setTimeout(resolve, 300)); // past the deadline
    await quiet(app.rayguard);
    expect(codes).toEqual([]);
  });
});

describe.each(["enforce", "report"] as const)("express-ws in mode %s", (mode) => {
  it.each([
    ["attached", true],
    ["that is only middleware", false],
  ])("leaves nothing in flight with a guard %s", async (_how, attached) => {
    const { codes, options } = watched(mode);
    const app = express();
    const server = createServer(app);
    const guard = rayguard(options);
    if (attached) guard.attach(server);
    expressWs(app as never, server);
    app.use(guard);
    (app as unknown as { ws(path: string, handler: (socket: WebSocket) => void): void }).ws("/", (socket) => {
      socket.on("message", (word) => socket.send(String(word)));
    });
    await listen(server);
    for (let n = 0; n < 2; n++) expect(await converse(server)).toBe("word");
    await quiet(guard);
    expect(codes).toEqual([]);
  });
});

describe("a response that the app has made itself", () => {
  it("answers an upgrade that is refused, assigned to the socket", async () => {
    const { codes, options } = watched();
    const server = createServer(() => {}).on("upgrade", (request, socket) => {
      const response = new ServerResponse(request);
      response.assignSocket(socket as never);
      response.on("finish", () => socket.end());
      response.writeHead(403).end("no");
    });
    const guard = createGuard(options);
    guard.attach(server);
    await listen(server);
    expect(await converse(server)).toBe("status 403");
    await quiet(guard);
    expect(codes).toEqual([]);
  });

  it("does not count where an app asks itself for a request it has", async () => {
    const { codes, options } = watched();
    const app = express();
    const guard = rayguard(options);
    app.use(guard);
    app.get("/", (request, response) => {
      const inner = new ServerResponse(request);
      inner.on("finish", () => undefined);
      request.url = "/part";
      app(request, inner as never);
      response.send("ok");
    });
    app.get("/part", (_request, response) => void response.write("part"));
    const server = guard.attach(createServer(app));
    await listen(server);
    const { port } = server.address() as AddressInfo;
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("ok");
    await new Promise((resolve) => setTimeout(resolve, 300)); // past the deadline
    expect(codes).toEqual([]);
    expect(guard.stats().inFlight).toBe(0);
  });

  it.each(["enforce", "report"] as const)("ws with noServer opens and closes in mode %s", async (mode) => {
    const { codes, options } = watched(mode);
    const sockets = new WebSocketServer({ noServer: true });
    const server = createServer().on("upgrade", (request, socket, head) => {
      sockets.handleUpgrade(request, socket, head, (client) =>
        client.on("message", (word) => client.send(String(word))),
      );
    });
    const guard = createGuard(options);
    guard.attach(server);
    await listen(server);
    expect(await converse(server)).toBe("word");
    await quiet(guard);
    expect(codes).toEqual([]);
  });
});
