import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { createSecureServer } from "node:http2";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, connect, type Socket } from "node:net";
import { connect as connectSecurely } from "node:tls";
import fastify from "fastify";
import onFinished from "on-finished";
import { afterEach, describe, expect, it, vi } from "vitest";
import { WebSocketServer } from "ws";
import plugin from "../adapters/fastify.js";
import { createGuard } from "../src/index.js";
import { selfSigned } from "./testing/certificate.js";

// A client that ends its side of the connection before it is answered.

const closing: (() => unknown)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

type Record = { code?: string; outcome?: string };

/** What a client that half-closes sees, and what the guard tells of it. */
async function ask(server: Server, request: string, guarded: "enforce" | "report" | undefined, isSecure = false) {
  const told: Record[] = [];
  const note = (record: object) => void told.push(record as Record);
  if (guarded !== undefined) {
    createGuard({ mode: guarded, logger: { info: note, warn: note, error: note } }).attach(server);
  }
  await once(server.listen(0, "127.0.0.1"), "listening");
  closing.push(() => server.close());
  const { port } = server.address() as AddressInfo;
  const options = { port, host: "127.0.0.1", allowHalfOpen: true, rejectUnauthorized: false };
  const socket = isSecure ? connectSecurely(options) : connect(options);
  closing.push(() => socket.destroy());
  const seen: string[] = [];
  socket.on("data", (octets) => seen.push(octets.toString("latin1").split("\r\n", 1)[0] as string));
  socket.on("end", () => seen.push("end"));
  socket.on("error", (error: NodeJS.ErrnoException) => seen.push(String(error.code)));
  socket.end(request);
  await new Promise<void>((resolve) => socket.once("end", resolve).once("close", () => resolve()));
  return { seen, told };
}

const MODES = ["enforce", "report"] as const;
const UPGRADE =
  "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

describe.each(MODES)("a client that has ended its side, in mode %s", (mode) => {
  it("sees the connection end, and no reset, where nothing is answered", async () => {
    const request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    const server = () => createServer(() => {});
    expect((await ask(server(), request, mode)).seen).toEqual((await ask(server(), request, undefined)).seen);
  });

  it("is told of as bare by what write() says, though it gets what is written", async () => {
    const request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    const written = async (guarded: "enforce" | "report" | undefined) => {
      const said: boolean[] = [];
      const server = createServer((_request, response) => {
        response.once("close", () => {
          said.push(response.write("a"), response.write("b"));
          response.end();
        });
      });
      const { seen } = await ask(server, request, guarded);
      return { seen, said };
    };
    const { seen, said } = await written(mode);
    expect(said).toEqual((await written(undefined)).said);
    if (mode === "enforce") expect(seen).toEqual(["HTTP/1.1 200 OK", "end"]);
  });

  it.each([
    ["in chunks", {}, "part"],
    ["with its length", { "Content-Length": 10 }, "part"],
    ["as a whole, and not ended", { "Content-Length": 4 }, "part"],
  ])("sees its connection end, and no reset, behind an answer that came %s", async (_how, fields, content) => {
    const server = () => createServer((_request, response) => void response.writeHead(200, fields).write(content));
    const request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    const bare = await ask(server(), request, undefined);
    expect(bare.seen).toEqual(["HTTP/1.1 200 OK", "end"]);
    expect((await ask(server(), request, mode)).seen).toEqual(bare.seen);
  });

  it.each([
    [
      "by the app",
      (server: Server) => void server.on("upgrade", (_, socket) => socket.on("end", () => socket.destroy())),
    ],
    [
      "by ws",
      (server: Server) =>
        void new WebSocketServer({
          server,
          verifyClient: ({ req }, accept) => void req.socket.on("end", () => accept(true)),
        }),
    ],
  ])("is let go of %s, and that is no incident", async (_whom, answer) => {
    const server = () => {
      const made = createServer();
      answer(made);
      return made;
    };
    const bare = await ask(server(), UPGRADE, undefined);
    const { seen, told } = await ask(server(), UPGRADE, mode);
    expect(seen).toEqual(bare.seen);
    await expect.poll(() => told.map(({ outcome }) => outcome)).toEqual(["client gone"]);
    expect(told.filter(({ code }) => code !== undefined)).toEqual([]);
  });

  describe.each<[string, () => Server]>([
    ["", () => createHttpsServer(selfSigned())],
    [", on a server of HTTP/2", () => createSecureServer({ ...selfSigned(), allowHTTP1: true }) as never],
  ])("over TLS%s", (_server, make) => {
    it("gets the answer that the app gives it", async () => {
      const server = () =>
        make().on("request", ({ socket }, response) => socket.once("end", () => setImmediate(() => response.end("a"))));
      const request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
      const { seen, told } = await ask(server(), request, mode, true);
      if (mode === "enforce") expect(seen).toEqual(["HTTP/1.1 200 OK", "end"]);
      else expect(seen).toEqual((await ask(server(), request, undefined, true)).seen);
      expect(told.filter(({ code }) => code !== undefined)).toEqual([]);
    });

    it("sees the connection end, and no reset, where nothing is answered", async () => {
      const server = () => make().on("request", () => {});
      const request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
      const { seen, told } = await ask(server(), request, mode, true);
      expect(seen).toEqual((await ask(server(), request, undefined, true)).seen);
      expect(told.filter(({ code }) => code !== undefined)).toEqual([]);
    });

    it("is let go of behind an upgrade that nobody answers", async () => {
      const server = () => make().on("upgrade", (_, socket) => void socket.resume());
      const { seen, told } = await ask(server(), UPGRADE, mode, true);
      expect(seen).toEqual((await ask(server(), UPGRADE, undefined, true)).seen);
      expect(told.filter(({ code }) => code !== undefined)).toEqual([]);
    });
  });

  it("sees a reset where the end of its connection would be that of its answer", async () => {
    const request = "GET / HTTP/1.0\r\n\r\n";
    const server = createServer((_request, response) => void response.writeHead(200).write("part"));
    expect((await ask(server, request, mode)).seen).toEqual([
      "HTTP/1.1 200 OK",
      mode === "enforce" ? "ECONNRESET" : "end",
    ]);
  });

  it("gets the refusal that an app writes to it", async () => {
    const server = createServer().on("upgrade", (_, socket) => {
      socket.on("end", () => socket.end("HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"));
    });
    expect((await ask(server, UPGRADE, mode)).seen).toEqual(["HTTP/1.1 401 Unauthorized", "end"]);
  });
});

describe.each(["bare", ...MODES] as const)("the socket of a client that has ended its side, %s", (mode) => {
  it("is closed, in the view of the app, with its request and response, and once", async () => {
    const seen: string[] = [];
    const note = (name: string) => () => void seen.push(name);
    let left = () => {};
    const hasLeft = new Promise<void>((resolve) => {
      left = resolve;
    });
    const server = createServer(({ socket }, response) => {
      socket.on("close", note("on"));
      socket.once("close", note("once"));
      onFinished(response, note("on-finished"));
      response.once("close", () => setImmediate(left));
    });
    if (mode !== "bare") createGuard({ mode, logger: false }).attach(server);
    await once(server.listen(0, "127.0.0.1"), "listening");
    closing.push(() => server.close());
    server.once("connection", (socket) => socket.on("close", note("earlier")));
    const client = connect({ port: (server.address() as AddressInfo).port, host: "127.0.0.1", allowHalfOpen: true });
    client.resume().end("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await hasLeft;
    const told = ["earlier", "on", "on-finished", "once"];
    expect(seen.toSorted()).toEqual(told);
    if (!client.closed) await once(client, "close");
    await new Promise((resolve) => server.close(resolve));
    expect(seen.toSorted()).toEqual(told);
  });
});

describe.each(MODES)("a client that has ended its side of a server which allows that, in mode %s", (mode) => {
  it.each(["before", "after"] as const)(
    "is told of as bare, where the app allows it %s the guard is attached",
    async (when) => {
      const run = async (guarded: boolean) => {
        const events: string[] = [];
        const server = createServer((request, response) => {
          for (const name of ["aborted", "close"]) request.on(name, () => events.push(`${request.url} ${name}`));
          for (const name of ["finish", "close"]) response.on(name, () => events.push(`response ${name}`));
          request.socket.once("end", () => setImmediate(() => response.end(request.url)));
          request.socket.once("close", () => events.push("closed"));
        });
        const allow = () => Object.assign(server, { httpAllowHalfOpen: true });
        if (when === "before") allow();
        const told: Record[] = [];
        const note = (record: object) => void told.push(record as Record);
        const guard = guarded ? createGuard({ mode, logger: { info: note, warn: note, error: note } }) : undefined;
        guard?.attach(server);
        if (when === "after") allow();
        await once(server.listen(0, "127.0.0.1"), "listening");
        closing.push(() => server.close());
        const client = connect({
          port: (server.address() as AddressInfo).port,
          host: "127.0.0.1",
          allowHalfOpen: true,
        });
        let octets = "";
        client.on("data", (data) => (octets += data));
        client.end(["/a", "/b"].map((path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`).join(""));
        await once(client, "close");
        await expect.poll(() => events).toContain("closed");
        return { events, octets: octets.replace(/^(?:Date|Keep-Alive): .*$/gm, ""), told };
      };
      const bare = await run(false);
      expect(bare.events).not.toContain("/a aborted");
      const guarded = await run(true);
      expect(guarded.events).toEqual(bare.events);
      expect(guarded.octets).toEqual(bare.octets);
      expect(guarded.told.map(({ outcome }) => outcome)).toEqual(["intact", "intact"]);
    },
  );
});

it.each(MODES)(
  "over TLS, where Node lets no client half-close, one has left in spite of httpAllowHalfOpen: %s",
  async (mode) => {
    const server = createHttpsServer(selfSigned(), (request) => request.resume());
    Object.assign(server, { httpAllowHalfOpen: true });
    const { told } = await ask(server, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", mode, true);
    await expect.poll(() => told.map(({ code, outcome }) => code ?? outcome)).toEqual(["client gone"]);
  },
);

describe("Fastify, whose client leaves while an answer is on its way through a hook", () => {
  it.each([
    ["at once", 0],
    ["turns later", 3],
  ])("answers once, where the handler goes on %s", async (_when, turns) => {
    const app = fastify();
    await app.register(plugin, { logger: false });
    const sends: string[] = [];
    let entered = () => {};
    const isEntered = new Promise<void>((resolve) => {
      entered = resolve;
    });
    let left = () => {};
    const hasLeft = new Promise<void>((resolve) => {
      left = resolve;
    });
    app.addHook("onSend", async (request, reply, payload) => {
      sends.push(String(payload));
      reply.raw.once("close", () => setImmediate(left));
      entered();
      await hasLeft;
      // Whatever the framework makes of the leaving comes before this answer.
      await later(turns + 1);
      return request.body === undefined ? "" : payload;
    });
    app.put("/", async (_request, reply) => {
      reply.send({ hello: "world" });
      if (turns === 0) return reply;
      await hasLeft;
      await later(turns);
    });
    closing.push(() => void app.close());
    await app.listen({ port: 0, host: "127.0.0.1" });
    const socket = connect((app.server.address() as AddressInfo).port, "127.0.0.1");
    socket.write("PUT / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
    await isEntered;
    const ends = new Promise((resolve) => app.server.once("connection", resolve));
    socket.destroy();
    await hasLeft;
    await connectOnce((app.server.address() as AddressInfo).port);
    await ends;
    await later(turns + 10);
    expect(sends).toEqual(['{"hello":"world"}']);
  });
});

async function later(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
}

async function connectOnce(port: number): Promise<void> {
  const socket = connect(port, "127.0.0.1");
  closing.push(() => socket.destroy());
  await once(socket, "connect");
}

describe.each(["connect", "upgrade"] as const)("in front of what a listener for %s has", (event) => {
  it.each<[what: string, act: (socket: Socket) => void]>([
    ["does nothing", () => {}],
    ["answers", (socket) => socket.end("HTTP/1.1 200 OK\r\n\r\n")],
  ])("no request stays in flight once the client has left: it %s", async (_what, act) => {
    const server = createServer(() => {});
    const guard = createGuard({ logger: false, shutdown: false, crash: false });
    guard.attach(server);
    const heard = new Promise<void>((resolve) => {
      server.on(event, (_request: object, socket: Socket) => {
        act(socket.on("error", () => {}));
        resolve();
      });
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    closing.push(() => server.close().closeAllConnections());
    const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
    const method = event === "connect" ? "CONNECT a:1" : "GET /";
    const fields = "Host: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    socket.write(`GET / HTTP/1.1\r\nHost: a\r\n\r\n${method} HTTP/1.1\r\n${fields}`);
    await heard;
    expect(guard.stats().inFlight).toBe(2);
    socket.destroy();
    await vi.waitFor(() => expect(guard.stats().inFlight).toBe(0), { timeout: 4_000 });
  });
});
