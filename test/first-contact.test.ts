import { hasSubscribers } from "node:diagnostics_channel";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type RequestListener, type Server, type ServerResponse } from "node:http";
import { createSecureServer } from "node:http2";
import { createServer as createHttpsServer } from "node:https";
import { connect, createServer as createTcpServer, type Server as TcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import express from "express";
import express4 from "express4";
import { afterEach, describe, expect, it } from "vitest";
import { rayguard } from "../adapters/express.js";
import { createGuard, type Guard, type GuardOptions } from "../src/index.js";
import { selfSigned } from "./testing/certificate.js";

type Listening = { guard: Guard; server: Server; listening: TcpServer; tls?: boolean };
type Prepare = (server: Server) => void;
/** Opens a server whose requests go to a guard. */
type Way = (options: GuardOptions, prepare: Prepare) => Promise<Listening>;

const app: RequestListener = (_request, response) => void response.end("app");
const closing: (() => void)[] = [];
const certificate = selfSigned();

afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function listen<S extends TcpServer>(server: S, guard?: Guard): Promise<S> {
  closing.push(() => {
    guard?.close();
    server.close();
    (server as unknown as Partial<Server>).closeAllConnections?.();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

function guarded(create: (listener: RequestListener) => Server, tls = false): Way {
  return async (options, prepare) => {
    const guard = createGuard(options);
    const server = create(guard.listener(app));
    prepare(server);
    return { guard, server, listening: await listen(server, guard), tls };
  };
}

/** @param mount - puts the guard where requests find it; called when the server listens, where `late` */
function expressApp(
  framework: typeof express,
  mount: (root: express.Express, guard: never) => void,
  late = false,
): Way {
  return async (options, prepare) => {
    const root = framework();
    const guard = rayguard(options);
    const use = () => {
      mount(root, guard as never);
      root.use(app as never);
    };
    if (!late) use();
    const server = createServer(root);
    prepare(server);
    await listen(server, guard);
    if (late) use();
    return { guard, server, listening: server };
  };
}

const MOUNTS = {
  "app.use()": (root, guard) => void root.use(guard),
  "app.use() with a path": (root, guard) => void root.use("/", guard),
} satisfies Record<string, (root: express.Express, guard: never) => void>;

const inRouter = (framework: typeof express) => (root: express.Express, guard: never) => {
  const router = framework.Router();
  router.use(guard);
  const outer = framework.Router();
  outer.use(router);
  root.use(outer);
};

const WAYS: Record<string, Way> = {
  "guard.listener()": guarded(createServer),
  "guard.listener() over TLS": guarded((listener) => createHttpsServer(certificate, listener), true),
  "guard.listener() of a server for HTTP/2 and 1.1": guarded(
    (listener) => createSecureServer({ ...certificate, allowHTTP1: true }, listener as never) as never,
    true,
  ),
  "guard.listener() around Express": async (options, prepare) => {
    const guard = createGuard(options);
    const root = express();
    root.use(app as never);
    const server = createServer(guard.listener(root));
    prepare(server);
    return { guard, server, listening: await listen(server, guard) };
  },
  "guard.listener() added after listen()": async (options, prepare) => {
    const server = createServer();
    await listen(server);
    const guard = createGuard(options);
    closing.push(guard.close.bind(guard));
    server.on("request", guard.listener(app));
    prepare(server);
    return { guard, server, listening: server };
  },
  'a server that gets its connections through emit("connection")': async (options, prepare) => {
    const guard = createGuard(options);
    const server = createServer(guard.listener(app));
    prepare(server);
    const listening = createTcpServer((socket) => void server.emit("connection", socket));
    return { guard, server, listening: await listen(listening, guard) };
  },
};
for (const [name, framework] of [
  ["Express 4", express4 as unknown as typeof express],
  ["Express 5", express],
] as const) {
  for (const [how, mount] of Object.entries(MOUNTS)) WAYS[`${name}, ${how}`] = expressApp(framework, mount);
  WAYS[`${name}, a router in a router`] = expressApp(framework, inRouter(framework));
  WAYS[`${name}, app.use() after listen()`] = expressApp(framework, MOUNTS["app.use()"], true);
}

/** The same server, attached before it has a connection. */
function attached(way: Way): Way {
  return async (options, prepare) => {
    const listening = await way(options, prepare);
    listening.guard.attach(listening.server);
    return listening;
  };
}

type First = { octets: string; on?: Record<string, (...args: never[]) => void>; halfCloses?: boolean };

const answerByHand = (_request: never, socket: import("node:stream").Duplex) => {
  socket.on("error", () => undefined).end("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
};
const answer = (_request: never, response: ServerResponse) => void response.end("listener");
const UPGRADE = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";
const CONNECT = "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n";
const expecting = (what: string) =>
  `POST / HTTP/1.1\r\nHost: a\r\nExpect: ${what}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`;
const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;

const FIRSTS: Record<string, First> = {
  "an upgrade": { octets: UPGRADE, on: { upgrade: answerByHand } },
  "a CONNECT": { octets: CONNECT, on: { connect: answerByHand } },
  "an expectation of 100": { octets: expecting("100-continue"), on: { checkContinue: answer } },
  "another expectation": { octets: expecting("x"), on: { checkExpectation: answer } },
};

/** Beside those, what the guard has to do for every other one. */
const MORE: Record<string, First> = {
  "a request": { octets: get("/") },
  "a health check": { octets: get("/health") },
  "half of a connection": { octets: get("/"), halfCloses: true },
  "octets that are no request": { octets: "nonsense\r\n\r\n" },
  "octets that are no request, for a listener": {
    octets: "nonsense\r\n\r\n",
    on: { clientError: (_error: never, socket: import("node:net").Socket) => void socket.destroy() },
  },
  "an upgrade whose listener throws": {
    octets: UPGRADE,
    on: {
      upgrade: () => {
        throw new Error("upgrade");
      },
    },
  },
  "a CONNECT nobody listens for": { octets: CONNECT },
  "an expectation whose listener throws": {
    octets: expecting("100-continue"),
    on: {
      checkContinue: () => {
        throw new Error("expectation");
      },
    },
  },
};

/** What the first octets of a server come to: what was called, what came back, what the guard has counted. */
async function contact(way: Way, options: GuardOptions, { octets, on = {}, halfCloses }: First) {
  const called: string[] = [];
  const { guard, server, listening, tls } = await way({ logger: false, ...options }, (prepared) => {
    for (const [event, listener] of Object.entries(on)) {
      prepared.on(event, (...args: unknown[]) => {
        called.push(event);
        listener(...(args as never[]));
      });
    }
  });
  const { port } = listening.address() as { port: number };
  const socket = tls
    ? connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] })
    : connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  let received = "";
  socket.on("data", (chunk) => (received += chunk)).on("error", () => undefined);
  socket.write(octets);
  if (halfCloses) socket.end();
  socket.once("end", () => socket.end());
  await once(socket, "close");
  const { incidents, requests, refused, inFlight } = guard.stats() as never as Record<string, unknown>;
  const { keepAliveTimeout, httpAllowHalfOpen } = server as unknown as Record<string, unknown>;
  return {
    called,
    received: received.replace(/^date: .*$/im, "").replace(/"timestamp":"[^"]*"/, ""),
    stats: { incidents, requests, refused, inFlight },
    server: { keepAliveTimeout, httpAllowHalfOpen },
  };
}

describe.each(Object.entries(WAYS))("the first octets of a server nobody has attached, with %s", (_name, way) => {
  it.each(Object.entries(FIRSTS))(
    'are refused to nobody\'s listener, with direct: "reject": %s',
    async (_what, first) => {
      const { called, received, stats } = await contact(way, { direct: "reject" }, first);
      expect(called).toEqual([]);
      expect(received).toMatch(/^HTTP\/1\.1 403 /);
      expect(stats.incidents).toEqual({ DIRECT: 1 });
    },
  );

  describe.each<GuardOptions>([{ direct: "reject" }, {}, { mode: "report", direct: "reject" }])("%j", (options) => {
    it.each(Object.entries({ ...FIRSTS, ...MORE }))("are treated as if it were attached: %s", async (what, first) => {
      // A listener that throws where the guard only reports ends the process, as it should.
      if (options.mode === "report" && /throws/.test(what)) return;
      expect(await contact(way, options, first)).toEqual(await contact(attached(way), options, first));
    });
  });
});

/** What attaching sets on every server. */
const isAttached = (server: Server) => server.keepAliveTimeout > 900_000;
const CHANNELS = ["tracing:net.server.listen:asyncEnd", "net.server.socket"] as const;
const heard = () => CHANNELS.filter((channel) => hasSubscribers(channel));

describe("a guard that nobody has attached", () => {
  const open = (options: GuardOptions = {}) => {
    const guard = createGuard({ logger: false, ...options });
    closing.push(() => guard.close());
    return guard;
  };
  const expressGuard = () => {
    const guard = rayguard({ logger: false });
    closing.push(() => guard.close());
    return guard;
  };

  it("attaches itself to every server of its app", async () => {
    const root = express().use(expressGuard() as never);
    const servers = [createServer(root), createHttpsServer(certificate, root), createServer(root)];
    for (const server of servers) await listen(server);
    expect(servers.map(isAttached)).toEqual([true, true, true]);
  });

  it("attaches itself to a server on a Unix socket", async () => {
    const directory = await mkdtemp(join(tmpdir(), "rayguard-"));
    const server = createServer(open().listener(app));
    server.listen(join(directory, "socket"));
    await once(server, "listening");
    expect(isAttached(server)).toBe(true);
    await new Promise((resolve) => server.close(resolve));
    await rm(directory, { recursive: true });
  });

  it("leaves every other server alone", async () => {
    const listener = open().listener(app);
    const others = [createServer(app), createServer(express()), createServer((...args) => listener(...args))];
    for (const server of others) await listen(server);
    for (const server of others) {
      const socket = connect((server.address() as { port: number }).port, "127.0.0.1");
      await once(server, "connection");
      socket.destroy();
    }
    expect(others.map(isAttached)).toEqual([false, false, false]);
    expect(others.map((server) => Object.hasOwn(server, "emit"))).toEqual([false, false, false]);
  });

  it("leaves a server alone that cannot listen", async () => {
    const taken = await listen(createServer());
    const server = createServer(open().listener(app));
    server.listen((taken.address() as { port: number }).port, "127.0.0.1");
    await once(server, "error");
    expect(isAttached(server)).toBe(false);
    await listen(server);
    expect(isAttached(server)).toBe(true);
  });

  it("leaves a server alone that another guard has been attached to", async () => {
    const server = await listen(open().attach(createServer(app)));
    server.on("request", open().listener(app));
    const socket = connect((server.address() as { port: number }).port, "127.0.0.1");
    await once(server, "connection");
    socket.destroy();
    expect(heard()).toEqual(CHANNELS); // it has no server yet
  });

  it("has the work done by the guard it is mounted in", async () => {
    const [outer, inner] = [expressGuard(), expressGuard()];
    const router = express.Router().use(inner as never);
    const root = express()
      .use(router)
      .use(outer as never);
    const server = await listen(createServer(root));
    expect(isAttached(server)).toBe(true);
    outer.close();
    expect(isAttached(server)).toBe(false);
  });

  it.each([
    ["Express 4", express4 as unknown as typeof express],
    ["Express 5", express],
  ])("does not attach itself for a part of the app: %s", async (_name, framework) => {
    const router = framework.Router().use(expressGuard() as never);
    const root = framework()
      .use("/a", expressGuard() as never)
      .use("/b", router);
    expect(isAttached(await listen(createServer(root)))).toBe(false);
  });

  it.each([
    ["Express 4", express4 as unknown as typeof express],
    ["Express 5", express],
  ])("does not make a router, nor deprecation errors, by looking for one: %s", async (_name, framework) => {
    expressGuard();
    const root = framework();
    const server = await listen(createServer(root));
    root.set("strict routing", true); // taken into account by the first route, and by none after it
    root.get("/strict/", app as never);
    const { port } = server.address() as { port: number };
    expect((await fetch(`http://127.0.0.1:${port}/strict`)).status).toBe(404);
    expect((await fetch(`http://127.0.0.1:${port}/strict/`)).status).toBe(200);
  });

  it("looks at connections until it is attached, and at servers until it is closed", async () => {
    expect(heard()).toEqual([]);
    const guard = createGuard({ logger: false });
    expect(heard()).toEqual([]); // nothing of it has been given to any server
    const server = createServer(guard.listener(app));
    expect(heard()).toEqual(CHANNELS);
    await listen(server);
    expect(heard()).toEqual([CHANNELS[0]]);
    guard.close();
    expect(heard()).toEqual([]);
    createGuard({ logger: false }).close();
    const unused = createGuard({ logger: false });
    unused.listener(app);
    unused.close();
    expect(heard()).toEqual([]);
  });

  it("attaches itself to nothing once it is closed", async () => {
    const guard = createGuard({ logger: false });
    const listener = guard.listener(app);
    guard.close();
    guard.listener(app);
    expect(heard()).toEqual([]);
    expect(isAttached(await listen(createServer(listener)))).toBe(false);
  });
});
