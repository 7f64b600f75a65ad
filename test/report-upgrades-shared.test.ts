import { once } from "node:events";
import { createServer, IncomingMessage, type Server } from "node:http";
import { createSecureServer } from "node:http2";
import { type AddressInfo, connect, Socket } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import proxy from "@fastify/http-proxy";
import websocket from "@fastify/websocket";
import express from "express";
import expressWs from "express-ws";
import fastify from "fastify";
import { afterEach, describe, expect, it } from "vitest";
import WebSocket, { WebSocketServer } from "ws";
import { rayguard } from "../adapters/express.js";
import plugin from "../adapters/fastify.js";
import { createGuard, type GuardOptions } from "../src/index.js";
import { collector, type Mode } from "./helpers/upgrades.js";
import { selfSigned } from "./testing/certificate.js";
import { listen } from "./testing/servers.js";

// Upgrades that are not one server's alone, in report mode: libraries, other servers and other guards have them, too.

const UPGRADE = "GET /up HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";
const CONNECT = "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n";
const SWITCHES = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";
const NO = "HTTP/1.1 403 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

function guardOf(mode: Mode, given: GuardOptions = {}) {
  const { logger, ...told } = collector();
  const options = {
    mode: mode === "bare" ? "report" : mode,
    logger,
    firstByteDeadlineMs: 100,
    shutdown: false,
  } as const;
  return { options: { ...options, ...given }, ...told };
}

/** Sends octets, and returns what came back by the end of the connection. */
async function ask(server: Server, octets: string): Promise<string> {
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
  let received = "";
  client.on("data", (chunk) => (received += chunk.toString("latin1"))).on("error", () => {});
  client.write(octets);
  await once(client, "close");
  return received.replace(/\r\nDate: [^\r]+/g, "");
}

describe("a WebSocket", () => {
  const echo = (socket: WebSocket) => void socket.on("message", (word) => socket.send(String(word)));
  type Started = { server: Server; lines: { url: string }[]; incidents: object[] };

  const LIBRARIES: Record<string, (mode: Mode) => Promise<Started>> = {
    "ws, which listens itself": async (mode) => {
      const { options, ...told } = guardOf(mode);
      const server = createServer();
      if (mode !== "bare") createGuard(options).attach(server);
      new WebSocketServer({ server, verifyClient: ({ req }: { req: IncomingMessage }) => req.url !== "/no" }).on(
        "connection",
        echo,
      );
      return { server: await listen(server), ...told };
    },
    "ws, which is handed upgrades": async (mode) => {
      const { options, ...told } = guardOf(mode);
      const sockets = new WebSocketServer({ noServer: true });
      const server = createServer().on("upgrade", async (request, socket, head) => {
        await turn();
        if (request.url === "/no") socket.end(NO);
        else sockets.handleUpgrade(request, socket, head, echo);
      });
      if (mode !== "bare") createGuard(options).attach(server);
      return { server: await listen(server), ...told };
    },
    "express-ws": async (mode) => {
      const { options, ...told } = guardOf(mode);
      const app = express();
      const server = createServer(app);
      const guard = rayguard(options);
      if (mode !== "bare") {
        guard.attach(server);
        app.use(guard);
      }
      expressWs(app as never, server);
      (app as unknown as { ws(path: string, handler: typeof echo): void }).ws("/", echo);
      return { server: await listen(server), ...told };
    },
    "@fastify/websocket": async (mode) => {
      const { options, ...told } = guardOf(mode);
      const app = fastify();
      closing.push(() => app.close());
      if (mode !== "bare") await app.register(plugin, options);
      await app.register(websocket);
      await app.register(async (scope) => void scope.get("/", { websocket: true }, echo));
      await app.listen({ port: 0, host: "127.0.0.1" });
      return { server: app.server, ...told };
    },
    "@fastify/http-proxy": async (mode) => {
      const { server: behind } = await (LIBRARIES["ws, which is handed upgrades"] as () => Promise<Started>)();
      const { port } = behind.address() as AddressInfo;
      const { options, ...told } = guardOf(mode);
      const app = fastify();
      closing.push(() => app.close());
      if (mode !== "bare") await app.register(plugin, options);
      await app.register(proxy, { upstream: `http://127.0.0.1:${port}`, websocket: true });
      await app.listen({ port: 0, host: "127.0.0.1" });
      return { server: app.server, ...told };
    },
  };

  /** What a client finds that has two words echoed. */
  async function converse(server: Server, path: string): Promise<string[]> {
    const seen: string[] = [];
    const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}${path}`);
    const over = new Promise((resolve) => client.once("close", resolve));
    client.on("error", ({ message }) => seen.push(message));
    client.on("upgrade", ({ statusCode, headers }) => seen.push(`${statusCode} ${Object.keys(headers)}`));
    client.on("open", () => client.send("word"));
    client.on("message", (word) => {
      seen.push(String(word));
      if (seen.length < 3) client.send("another");
      else client.close(4001, "done");
    });
    client.on("close", (code, reason) => seen.push(`closed ${code} ${reason}`));
    await over;
    return seen;
  }

  it.each(Object.entries(LIBRARIES))("of %s goes on as ever, and has its line", async (_name, start) => {
    const bare = await start("bare");
    const report = await start("report");
    const expected = await converse(bare.server, "/");
    expect(expected).toContain("another");
    expect(await converse(report.server, "/")).toEqual(expected);
    await expect.poll(() => report.lines).toMatchObject([{ method: "GET", url: "/", status: 101, outcome: "intact" }]);
    expect(report.incidents).toEqual([]);
  });

  it.each(["ws, which listens itself", "ws, which is handed upgrades"])("of %s is refused as ever", async (name) => {
    const start = LIBRARIES[name] as (mode: Mode) => Promise<Started>;
    const [bare, report] = [await start("bare"), await start("report")];
    expect(await converse(report.server, "/no")).toEqual(await converse(bare.server, "/no"));
    const status = name.endsWith("itself") ? 401 : 403;
    await expect.poll(() => report.lines).toMatchObject([{ url: "/no", status, outcome: "intact" }]);
    expect(report.incidents).toEqual([]);
  });
});

describe("an upgrade that another server hands on", () => {
  it.each(["report", "enforce"] as const)("is told once, by guards in mode %s", async (mode) => {
    const { options, lines, incidents } = guardOf(mode);
    const inner = createGuard(options).attach(createServer().on("upgrade", (_, socket) => void socket.end(NO)));
    const outer = createServer().on("upgrade", (...args) => void inner.emit("upgrade", ...args));
    createGuard(options).attach(outer);
    await listen(outer);
    expect(await ask(outer, UPGRADE)).toContain(" 403 ");
    await expect.poll(() => lines).toMatchObject([{ status: 403, outcome: "intact" }]);
    expect(incidents).toEqual([]);
  });

  it("is told once where two guards are attached", async () => {
    const { options, lines } = guardOf("report");
    const server = createServer().on("upgrade", (_, socket) => void socket.end(NO));
    createGuard(options).attach(server);
    createGuard(options).attach(server);
    await listen(server);
    expect(await ask(server, UPGRADE)).toBe(NO);
    await expect.poll(() => lines).toHaveLength(1);
  });
});

describe("an event that is emitted by hand", () => {
  const ODD: Record<string, unknown[]> = {
    nothing: [],
    "no request": [{}, {}, Buffer.alloc(0)],
    "a request without a socket": [new IncomingMessage(null as never), {}, Buffer.alloc(0)],
    "a request of no connection": [new IncomingMessage(new Socket()), new Socket(), Buffer.alloc(0)],
  };

  it.each(
    Object.entries(ODD).flatMap(([what, args]) => ["upgrade", "connect"].map((event) => [event, what, args] as const)),
  )("%s, with %s, reaches whoever listens", (event, _what, args) => {
    const { options, incidents } = guardOf("report");
    const server = createServer();
    const guard = createGuard(options);
    guard.attach(server);
    expect(server.emit(event, ...args)).toBe(false);
    const heard: unknown[][] = [];
    server.on(event, (...given) => void heard.push(given));
    expect(server.emit(event, ...args)).toBe(true);
    expect(heard).toEqual([args]);
    expect(heard[0]?.every((arg, at) => arg === args[at])).toBe(true);
    guard.close();
    expect(incidents).toEqual([]);
  });

  it("destroys no socket where nobody listens", async () => {
    const { options } = guardOf("report");
    const server = createServer((request, response) => {
      expect(server.emit("connect", request, request.socket, Buffer.alloc(0))).toBe(false);
      response.setHeader("Connection", "close").end("ok");
    });
    createGuard(options).attach(server);
    await listen(server);
    expect(await ask(server, UPGRADE)).toMatch(/ok$/);
  });
});

it("tells a server that asks for its listeners how many there are", async () => {
  const server = createServer();
  const { options } = guardOf("report");
  createGuard(options).attach(server);
  await listen(server);
  const count = () => [server.listenerCount("connect"), server.listenerCount("upgrade"), server.eventNames().length];
  const before = count();
  await ask(server, CONNECT);
  expect(count()).toEqual(before);
  expect(before.slice(0, 2)).toEqual([0, 0]);
});

describe("a server of HTTP/2 that speaks HTTP/1.1 as well", () => {
  const certificate = selfSigned();

  async function told(mode: Mode, octets: string, on?: [string, (...args: never[]) => void]) {
    const { options, lines, incidents } = guardOf(mode);
    const server = createSecureServer({ ...certificate, allowHTTP1: true });
    if (mode !== "bare") createGuard(options).attach(server);
    if (on !== undefined) server.on(on[0] as "request", on[1] as never);
    await listen(server);
    const client = connectTls({
      port: (server.address() as AddressInfo).port,
      host: "127.0.0.1",
      rejectUnauthorized: false,
    });
    let received = "";
    client.on("data", (chunk) => (received += chunk.toString("latin1"))).on("error", () => {});
    client.write(octets);
    await once(client, "close");
    return { received, lines, codes: incidents.map(({ code }) => code) };
  }

  it("tells of an upgrade, and changes nothing", async () => {
    const on = ["upgrade", (_: unknown, socket: Socket) => void socket.end(NO)] as never;
    const [bare, report] = [await told("bare", UPGRADE, on), await told("report", UPGRADE, on)];
    expect(report.received).toBe(bare.received);
    await expect.poll(() => report.lines).toMatchObject([{ url: "/up", status: 403 }]);
    expect(report.codes).toEqual([]);
  });

  it("tells of a CONNECT that nobody listens for, and answers it in mode enforce", async () => {
    expect(await told("report", CONNECT)).toMatchObject({ received: "", codes: ["MC-2"] });
    expect(await told("enforce", CONNECT)).toMatchObject({
      received: expect.stringContaining("HTTP/1.1 501 "),
      codes: ["MC-2"],
    });
  });
});

it.runIf("shouldUpgradeCallback" in createServer()).each([
  ["report", ""],
  ["enforce", " 500 "],
] as const)("tells an upgrade that is asked for and that nobody listens for, in mode %s", async (mode, shows) => {
  const { options, incidents } = guardOf(mode);
  const server = createServer({ shouldUpgradeCallback: () => true } as object);
  createGuard(options).attach(server);
  await listen(server);
  const received = await ask(server, UPGRADE);
  if (shows === "") expect(received).toBe("");
  else expect(received).toContain(shows);
  expect(incidents).toMatchObject([{ code: "MC-2" }]);
});

describe("an `emit` of somebody else's in front of the server's", () => {
  it("sees what it would see, and what a listener throws", async () => {
    const seen: Record<string, string[]> = {};
    for (const mode of ["bare", "report"] as const) {
      const events: string[] = [];
      seen[mode] = events;
      const server = createServer().on("upgrade", (_, socket) => {
        socket.end(NO);
        throw new Error("x");
      });
      const { emit } = server;
      server.emit = function (this: Server, event: string, ...args: unknown[]) {
        try {
          events.push(`${event} ${args.length}`);
          return Reflect.apply(emit, this, [event, ...args]) as boolean;
        } catch (error) {
          events.push(String(error));
          return true;
        }
      } as typeof emit;
      const { options } = guardOf(mode);
      if (mode !== "bare") createGuard(options).attach(server);
      await listen(server);
      events.push(await ask(server, UPGRADE), await ask(server, CONNECT));
    }
    expect(seen.report).toEqual(seen.bare);
  });
});

describe("a guard that is closed", () => {
  it.each(["before it is answered", "once it is"])("leaves an upgrade alone: %s", async (when) => {
    const { options, lines, incidents } = guardOf("report");
    const server = createServer();
    const guard = createGuard(options);
    guard.attach(server);
    server.on("upgrade", async (_, socket) => {
      if (when === "once it is") socket.write(SWITCHES);
      guard.close();
      await turn();
      if (when !== "once it is") socket.write(SWITCHES);
      socket.end("octets");
    });
    await listen(server);
    expect(await ask(server, UPGRADE)).toBe(`${SWITCHES}octets`);
    expect(lines).toMatchObject([{ status: 101, outcome: "intact" }]);
    expect(incidents).toEqual([]);
  });

  it("waits in a drain for no WebSocket, and ends none", async () => {
    const { options } = guardOf("report");
    const server = createServer().on("upgrade", (_, socket) => {
      socket.write(SWITCHES);
      socket.on("data", (data) => socket.end(data));
    });
    const guard = createGuard(options);
    guard.attach(server);
    await listen(server);
    const client = connect((server.address() as AddressInfo).port, "127.0.0.1").on("error", () => {});
    client.write(UPGRADE);
    await once(client, "data");
    expect(guard.stats()).toMatchObject({ inFlight: 0, requests: 1 });
    client.write("word");
    expect(String((await once(client, "data"))[0])).toBe("word");
    guard.close();
  });
});

it.each([
  ["report", "", "reported"],
  ["enforce", "HTTP/1.1 500 ", "replaced"],
] as const)(
  "looks at requests in a tunnel that its server takes for a connection, in mode %s",
  async (mode, shows, action) => {
    const { options, incidents } = guardOf(mode);
    const server = createServer((request) => void request.socket.destroy());
    server.on("connect", (_, socket) => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      server.emit("connection", socket);
    });
    createGuard(options).attach(server);
    await listen(server);
    const client = connect((server.address() as AddressInfo).port, "127.0.0.1").on("error", () => {});
    client.write(CONNECT);
    await once(client, "data");
    let received = "";
    client.on("data", (chunk) => (received += chunk.toString("latin1")));
    client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await once(client, "close");
    expect(received.slice(0, shows.length || undefined)).toBe(shows);
    expect(incidents).toMatchObject([{ code: "MC-2", action, url: "/" }]);
  },
);

it("keeps nothing of a request for as long as its WebSocket lasts", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const { logger, lines } = collector();
  const requests: WeakRef<object>[] = [];
  const server = createServer().on("upgrade", (request, socket) => {
    requests.push(new WeakRef(request));
    socket.write(SWITCHES);
    socket.on("data", () => {}).on("error", () => {});
  });
  const guard = createGuard({ mode: "report", logger });
  closing.push(() => guard.close());
  guard.attach(server);
  await listen(server);
  const clients: Socket[] = [];
  for (let n = 0; n < 10; n++) {
    const client = connect((server.address() as AddressInfo).port, "127.0.0.1").on("error", () => {});
    clients.push(client);
    client.write(UPGRADE);
    await once(client, "data");
  }
  expect(lines).toHaveLength(10);
  const left = () => {
    collect();
    return requests.filter((request) => request.deref() !== undefined).length;
  };
  // The last one may still be on the stack, or with the parser.
  await expect.poll(left, { timeout: 5_000 }).toBeLessThan(2);
  for (const client of clients) client.destroy();
});

it("says of an upgrade that nobody vouches for what it says of any other request", async () => {
  const { options, incidents, lines } = guardOf("report", { direct: "reject", trust: "cloudflare" });
  const server = createServer().on("upgrade", (_, socket) => void socket.end(NO));
  const guard = createGuard(options);
  guard.attach(server);
  await listen(server);
  expect(await ask(server, UPGRADE)).toBe(NO);
  await expect.poll(() => lines).toMatchObject([{ status: 403, incident: "DIRECT" }]);
  expect([incidents, guard.stats().incidents]).toEqual([[], { DIRECT: 1 }]);
});
