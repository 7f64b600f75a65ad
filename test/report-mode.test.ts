import { once } from "node:events";
import { createServer, type RequestListener, ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import express from "express";
import express4 from "express4";
import fastify from "fastify";
import { describe, expect, it } from "vitest";
import { rayguard } from "../adapters/express.js";
import fastifyGuard from "../adapters/fastify.js";
import { createGuard, type GuardOptions } from "../src/index.js";
import { exchange } from "../src/testing/index.js";
import { listen } from "./testing/servers.js";

/** From Node 25 on `end()` meets an assertion of Node's own behind a `write()` to an object that inherits from the response. */
const ENDS_WHAT_INHERITS = Number.parseInt(process.versions.node, 10) < 25;

type Options = Parameters<typeof exchange>[2];

/** Octets received, without what the clock decides. */
async function octetsOf(
  listener: RequestListener,
  request: string,
  guarded: GuardOptions | undefined,
  exchanging: Options,
) {
  const incidents: { code: string; action: string }[] = [];
  const note = (record: object) => incidents.push(record as { code: string; action: string });
  const server = createServer(listener);
  if (guarded !== undefined)
    createGuard({ ...guarded, mode: "report", logger: { info() {}, warn: note, error: note } }).attach(server);
  const { octets, end } = await exchange(await listen(server), request, exchanging);
  return { octets: octets.toString("latin1").replace(/\r\nDate: [^\r]+/g, "\r\nDate: now"), end, incidents };
}

interface Case {
  readonly what: string;
  readonly listener: RequestListener;
  readonly request?: string;
  readonly codes: readonly string[];
  readonly options?: GuardOptions;
  readonly exchanging?: Options;
}

const OK = "HTTP/1.1 200 OK\r\n";
const EARLY = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n";

/** What an app writes to the socket itself. */
const BY_HAND: readonly [what: string, listener: RequestListener, codes: string[]][] = [
  ["whole", ({ socket }) => socket.end(`${OK}Content-Length: 2\r\n\r\nok`), []],
  [
    "whole and destroyed",
    ({ socket }) => void socket.write(`${OK}Content-Length: 2\r\n\r\nok`, () => socket.destroy()),
    [],
  ],
  ["behind an interim response", ({ socket }) => socket.end(`${EARLY}${OK}Content-Length: 2\r\n\r\nok`), []],
  [
    "behind half an interim response",
    ({ socket }) => {
      socket.write(EARLY.slice(0, 20));
      setTimeout(() => socket.end(`${EARLY.slice(20)}${OK}Content-Length: 2\r\n\r\nok`), 20);
    },
    [],
  ],
  [
    "behind an interim response with a malformed field",
    ({ socket }) => socket.end(`HTTP/1.1 103 Early Hints\r\nA b: c\r\n\r\n${OK}Content-Length: 2\r\n\r\nok`),
    ["IR-4"],
  ],
  [
    "to the end of the connection",
    ({ socket }) => {
      socket.write(`${OK}\r\n`);
      setTimeout(() => socket.end("ok"), 20);
    },
    [],
  ],
  [
    "in chunks",
    ({ socket }) => {
      socket.write(`${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nok`);
      setTimeout(() => socket.end("\r\n0\r\n\r\n"), 20);
    },
    [],
  ],
  [
    "of a megabyte",
    ({ socket }) => {
      socket.write(`${OK}Content-Length: 1000000\r\n\r\n`);
      socket.end("x".repeat(1_000_000));
    },
    [],
  ],
  ["with LF alone", ({ socket }) => socket.end("HTTP/1.1 200 OK\nContent-Length: 2\n\nok"), ["HF-6"]],
  ["with content missing", ({ socket }) => socket.end(`${OK}Content-Length: 9\r\n\r\nok`), ["MC-2"]],
  ["with more content than announced", ({ socket }) => socket.end(`${OK}Content-Length: 1\r\n\r\nok`), ["MC-7"]],
  [
    "with a chunk that goes wrong",
    ({ socket }) => {
      socket.write(`${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nok`);
      setTimeout(() => socket.end("2\r\n0\r\n\r\n"), 20);
    },
    ["RAW_WRITE"],
  ],
  ["that is none", ({ socket }) => socket.end("ok\r\n"), ["RAW_WRITE"]],
];

describe("mode: report", () => {
  const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

  it.each<Case>([
    { what: "a valid response", listener: (_, r) => r.end("ok"), codes: [] },
    {
      what: "two chunks",
      listener: (_, r) => {
        r.write("a");
        setImmediate(() => r.end("b"));
      },
      codes: [],
    },
    {
      what: "octets to the socket between two chunks",
      listener: ({ socket }, r) => {
        r.write("a");
        socket.write("garbage");
        r.end("b");
      },
      codes: ["RAW_WRITE"],
    },
    {
      what: "a second response by hand, behind the first one",
      listener: ({ socket }, r) => {
        r.end("a");
        socket.write(`${OK}Content-Length: 0\r\n\r\n`);
      },
      codes: ["RAW_WRITE"],
    },
    ...["hello\r\n", "5\r\nhello\r\n"].map((octets) => ({
      what: `chunks turned off behind the header section, and ${JSON.stringify(octets)}`,
      listener: ((_, r) => {
        r.flushHeaders();
        r.chunkedEncoding = false;
        r.end(octets);
      }) as RequestListener,
      codes: [octets.startsWith("5") ? "MC-6" : "FR-18"],
      exchanging: { timeoutMs: 100 },
    })),
    ...(["end", "write"] as const).map((method) => ({
      what: `a whole response by hand, and ${method}() of the one that Node has made`,
      listener: (({ socket }, r) => {
        socket.write(`${OK}Content-Length: 2\r\n\r\nok`);
        r[method]("x");
      }) as RequestListener,
      codes: ["LATE_WRITE"],
      exchanging: { timeoutMs: 100 },
    })),
    {
      what: "an answer to a client that has left",
      listener: (q, r) => {
        q.socket.destroy();
        setTimeout(() => r.end("x"), 20);
      },
      codes: ["MC-2"],
    },
    {
      what: "the end of the socket with octets of its own in the middle of the content",
      listener: ({ socket }, r) => {
        r.write("a");
        setTimeout(() => socket.end("garbage"), 20);
      },
      codes: ["RAW_WRITE", "MC-2"],
    },
    {
      what: "no octets to the socket between two chunks",
      listener: ({ socket }, r) => {
        r.write("a");
        socket.write("");
        r.end("b");
      },
      codes: [],
    },
    {
      what: "the octets of another protocol behind a 101",
      request: "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
      listener: ({ socket }, r) => {
        r.writeHead(101, { connection: "upgrade", upgrade: "x" }).flushHeaders();
        socket.write("x");
      },
      codes: [],
      exchanging: { timeoutMs: 100 },
    },
    {
      what: "a response of the app's own making on the socket of the first one",
      listener: (q, r) => {
        const { socket } = q;
        r.detachSocket(socket);
        const other = new ServerResponse(q);
        other.assignSocket(socket);
        other.end("other");
      },
      codes: [],
      exchanging: { timeoutMs: 100 },
    },
    { what: "a closed connection", listener: (q) => q.socket.destroy(), codes: ["MC-2"] },
    {
      what: "a Proxy of a response, for which Node has no socket",
      listener: (_, r) => void new Proxy(r, {}).writeHead(201).end("never sent"),
      codes: [],
      exchanging: { timeoutMs: 100 },
    },
    ...(ENDS_WHAT_INHERITS
      ? [
          {
            what: "an object that inherits from a response",
            listener: (_: unknown, r: ServerResponse) => {
              Object.create(r).write("a");
              r.end("b");
            },
            codes: [],
          },
        ]
      : []),
    ...BY_HAND.map(([what, listener, codes]): Case => ({ what: `a response by hand, ${what}`, listener, codes })),
    {
      what: "a destroyed response",
      listener: (_, r) => {
        r.destroy();
      },
      codes: ["MC-2"],
    },
    {
      what: "a destroyed request",
      listener: (q) => {
        q.destroy();
      },
      codes: ["MC-2"],
    },
    {
      what: "contradicting framing",
      listener: (_, r) => {
        r.writeHead(200, { "Content-Length": "2", "Transfer-Encoding": "chunked" }).end("ok");
      },
      codes: ["FR-1"],
    },
    {
      what: "content after its length",
      listener: (_, r) => {
        r.writeHead(200, { "Content-Length": 2 });
        r.write("abc");
        r.end();
      },
      codes: ["MC-7"],
    },
    {
      what: "less content than its length",
      listener: (_, r) => {
        r.writeHead(200, { "Content-Length": 9 }).end("abc");
      },
      codes: ["MC-5"],
      exchanging: { timeoutMs: 100 },
    },
    {
      what: "a status nobody knows",
      listener: (_, r) => {
        r.writeHead(999).end("x");
      },
      codes: ["SL-1"],
    },
    {
      what: "content with 205",
      listener: (_, r) => {
        r.writeHead(205).write("a");
        r.end("b");
      },
      codes: ["FR-13"],
    },
    {
      what: "content of a known length with 205",
      listener: (_, r) => {
        r.writeHead(205, { "Content-Length": 1 }).end("a");
      },
      codes: ["FR-13"],
    },
    {
      what: "a 502",
      listener: (_, r) => {
        r.writeHead(502).end("x");
      },
      codes: ["GATEWAY_STATUS"],
    },
    {
      what: "too large a header section",
      listener: (_, r) => {
        r.setHeader("X-Big", "x".repeat(600)).end("x");
      },
      codes: ["HF-18"],
      options: { maxHeaderSectionOctets: 512 },
    },
    {
      what: "no answer",
      listener: () => {},
      codes: ["MC-10"],
      options: { firstByteDeadlineMs: 30 },
      exchanging: { timeoutMs: 120 },
    },
    {
      what: "a hand-written answer",
      listener: (q) => {
        q.socket.end("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
      },
      codes: [],
    },
    {
      what: "octets on the socket",
      listener: (q) => {
        q.socket.end("garbage");
      },
      codes: ["RAW_WRITE"],
    },
    {
      what: "a forbidden trailer",
      listener: (_, r) => {
        r.write("a");
        r.addTrailers({ "Set-Cookie": "a=1" });
        r.end();
      },
      codes: ["TR-2"],
    },
    {
      what: "an interim response to HTTP/1.0",
      request: "GET / HTTP/1.0\r\n\r\n",
      listener: (_, r) => {
        r.writeProcessing();
        r.end("x");
      },
      codes: ["SL-7"],
    },
    { what: "a malformed request", request: "nonsense\r\n\r\n", listener: (_, r) => r.end("x"), codes: [] },
    {
      what: "an upgrade nobody answers",
      request: "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
      listener: (_, r) => r.end("x"),
      codes: [],
    },
    {
      what: "a CONNECT nobody answers",
      request: "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
      listener: (_, r) => r.end("x"),
      codes: ["MC-2"],
    },
    {
      what: "a client that half-closes",
      listener: (_, r) => void setTimeout(() => r.end("x"), 20),
      codes: [],
      exchanging: { halfClose: true },
    },
    {
      what: "an answer behind the loss of its socket",
      listener: (q, r) => {
        r.detachSocket(q.socket);
        r.end("ok");
      },
      codes: [],
      exchanging: { timeoutMs: 100 },
    },
    { what: "two pipelined requests", request: get + get, listener: (_, r) => r.end("ok"), codes: [] },
  ])(
    "changes no octet of $what, and reports it",
    async ({ listener, request = get, codes, options = {}, exchanging = {} }) => {
      const bare = await octetsOf(listener, request, undefined, exchanging);
      const guarded = await octetsOf(listener, request, options, exchanging);
      expect(guarded.octets).toBe(bare.octets);
      expect(guarded.end).toBe(bare.end);
      expect(guarded.incidents.map(({ code }) => code)).toEqual(codes);
      expect(guarded.incidents.every(({ action }) => action === "reported")).toBe(true);
    },
  );

  it("lets errors through to whoever caught them before", async () => {
    const guard = createGuard({ mode: "report", logger: false });
    const caught: unknown[] = [];
    const server = createServer();
    const { emit } = server;
    server.emit = function (this: typeof server, event: string, ...args: unknown[]) {
      try {
        return Reflect.apply(emit, this, [event, ...args]) as boolean;
      } catch (error) {
        caught.push(error);
        return true;
      }
    } as typeof emit;
    const error = new Error("x");
    server.on("request", () => {
      throw error;
    });
    await listen(guard.attach(server));
    await exchange(server, { path: "/" }, { timeoutMs: 100 });
    expect(caught).toEqual([error]);
  });

  it("leaves the settings of the server alone", () => {
    const bare = createServer();
    const server = createGuard({ mode: "report", logger: false }).attach(createServer());
    for (const name of ["keepAliveTimeout", "headersTimeout", "requestTimeout", "httpAllowHalfOpen"] as const) {
      expect((server as never)[name], name).toBe((bare as never)[name]);
    }
  });

  it("still answers health checks", async () => {
    const guard = createGuard({ mode: "report", logger: false });
    const server = await listen(guard.attach(createServer((_request, response) => response.end("app"))));
    expect((await exchange(server, { path: "/health" })).responses[0]?.text()).toContain("healthy");
  });

  it("counts no error of the edge as prevented, and no outcome as changed", async () => {
    const guard = createGuard({ mode: "report", logger: false });
    const server = await listen(guard.attach(createServer((_request, response) => response.writeHead(502).end("x"))));
    await exchange(server, { path: "/" });
    expect(guard.stats()).toMatchObject({
      incidents: { GATEWAY_STATUS: 1 },
      outcomes: { intact: 1 },
      prevented: { "520": 0, "522": 0, "524": 0 },
    });
  });
});

describe("the line of a request that is only looked at", () => {
  const beginning =
    (then: RequestListener): RequestListener =>
    (q, r) => {
      r.writeHead(200, { "Content-Length": 200_000 });
      r.write("é".repeat(50_000));
      r.write("b");
      then(q, r);
    };

  it.each<[what: string, status: number, listener: RequestListener]>([
    ["destroyed in the tick of its first content", 0, beginning((_, r) => void r.destroy())],
    ["reset in the tick of its first content", 0, beginning(({ socket }) => void socket.resetAndDestroy())],
    [
      "destroyed in the tick of its content, behind its header section",
      200,
      (_, r) => {
        r.flushHeaders();
        setImmediate(() => {
          for (let n = 0; n < 200; n++) r.write("a");
          r.destroy();
        });
      },
    ],
    [
      "destroyed behind its header section",
      200,
      (_, r) => {
        r.flushHeaders();
        setImmediate(() => r.destroy());
      },
    ],
  ])("has the status of what has left: %s", async (_what, status, listener) => {
    for (const pipeline of [false, true]) {
      const seen: { url: string; status: number; octets: number }[] = [];
      const logger = { info: (line: object) => void seen.push(line as never), warn() {}, error() {} };
      const server = createServer((request, response) => {
        if (request.url === "/first") response.end("ok");
        else listener(request, response);
      });
      createGuard({ mode: "report", logger }).attach(server);
      const requests = [{ path: "/first" }, { path: "/" }];
      const { responses } = await exchange(await listen(server), requests, { pipeline, timeoutMs: 200 });
      const received = responses[1]?.status ?? 0;
      // In front of its turn, from Node 24 on, a response is not destroyed.
      if (!pipeline) expect(received).toBe(status);
      await expect.poll(() => seen.length).toBe(2);
      expect(seen[1]).toMatchObject({ url: "/", status: received, ...(received === 0 ? { octets: 0 } : {}) });
    }
  });
});

describe("mode: report on a framework", () => {
  const request = { path: "/", headers: { Accept: "text/plain" } };
  const plain = (octets: Buffer) => octets.toString("latin1").replace(/\r\nDate: [^\r]+/g, "");

  it("leaves Express its own error page", async () => {
    const seen: string[] = [];
    for (const guarded of [false, true]) {
      const app = express();
      app.set("env", "test"); // keeps Express from printing the error
      const guard = rayguard({ mode: "report", logger: false });
      if (guarded) app.use(guard);
      app.get("/", (_request, response) => {
        response.set("Content-Encoding", "gzip").set("ETag", '"x"');
        throw Object.assign(new Error("boom"), { stack: "Error: boom" }); // Express shows the stack
      });
      if (guarded) app.use(guard.errorHandler);
      seen.push(plain((await exchange(await listen(createServer(app)), request)).octets));
    }
    expect(seen[1]).toBe(seen[0]);
  });

  it("leaves Fastify its own error answer", async () => {
    const seen: string[] = [];
    for (const guarded of [false, true]) {
      const app = fastify();
      if (guarded) await app.register(fastifyGuard, { mode: "report", logger: false });
      app.get("/", (_request, reply) => {
        reply.header("etag", '"x"').header("cache-control", "public");
        throw new Error("boom");
      });
      await app.listen({ port: 0, host: "127.0.0.1" });
      seen.push(plain((await exchange(app.server, request)).octets));
      await app.close();
    }
    expect(seen[1]).toBe(seen[0]);
  });
});

it.each([
  ["whole", "Content-Length: 2\r\n\r\nok"],
  ["in chunks", "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"],
])(
  "mode: report waits for nothing behind a response by hand, %s, on a connection that stays open",
  async (_what, rest) => {
    const codes: unknown[] = [];
    const note = ({ code }: { code?: string }) => void codes.push(code);
    const guard = createGuard({
      mode: "report",
      logger: { info() {}, warn: note, error: note },
      firstByteDeadlineMs: 100,
    });
    const server = createServer(({ socket }) => void socket.write(`${OK}${rest}`));
    guard.attach(server);
    await listen(server);
    const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
    client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await once(client, "data");
    await expect.poll(() => guard.stats().inFlight).toBe(0);
    await wait(400);
    expect(codes).toEqual([]);
    client.destroy();
    guard.close();
  },
);

describe.each([{}, { forceCloseConnections: true }])("mode: report as an app of Fastify closes, %j", (options) => {
  async function close(guarded: boolean) {
    const app = fastify(options);
    const notes: string[] = [];
    if (guarded) await app.register(fastifyGuard, { mode: "report", logger: false });
    let answer = () => {};
    app.get("/", (_request, reply) => {
      answer = () => void reply.send("answered");
      reply.raw.on("close", () => notes.push("response closed"));
    });
    await app.listen({ port: 0, host: "127.0.0.1" });
    const socket = connect((app.server.address() as AddressInfo).port, "127.0.0.1");
    let octets = "";
    socket.on("data", (chunk) => {
      octets += chunk;
    });
    const ended = once(socket, "close");
    socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await once(app.server, "request");
    await wait(20);
    const closed = app.close().then(() => notes.push("app closed"));
    await wait(50);
    answer();
    await wait(100);
    socket.end("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    await Promise.all([ended, closed]);
    return { octets: octets.replaceAll(/^date: .*$/gim, "date"), notes };
  }

  it("answers what is under way, and what follows on its connection, as without the guard", async () => {
    expect(await close(true)).toEqual(await close(false));
  });
});

it("mode: report tells the streams of events of an app of Fastify that it closes, and runs the hooks behind them", async () => {
  const app = fastify();
  await app.register(fastifyGuard, { mode: "report", logger: false });
  const notes: string[] = [];
  app.rayguard.onDrained(() => void notes.push("drained"));
  app.get("/", (request, { raw }) => {
    raw.writeHead(200, { "Content-Type": "text/event-stream" });
    raw.write("data: 1\n\n");
    request.rayguard.signal.addEventListener("abort", () => {
      notes.push("told");
      raw.end();
    });
  });
  await app.listen({ port: 0, host: "127.0.0.1" });
  const socket = connect((app.server.address() as AddressInfo).port, "127.0.0.1");
  socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  await once(socket, "data");
  const ended = once(socket.resume(), "close");
  await app.close();
  await ended;
  await expect.poll(() => notes).toEqual(["told", "drained"]);
});

describe("mode: report on a socket", () => {
  /** What a server shows of its first connection, bare and guarded: octets, and what the socket tells meanwhile. */
  async function both(listener: RequestListener, sends: readonly string[]): Promise<string[][]> {
    const shown: string[][] = [];
    for (const isGuarded of [false, true]) {
      const seen: string[] = [];
      const server = createServer(listener);
      const guard = createGuard({ mode: "report", logger: false });
      if (isGuarded) guard.attach(server);
      const closed = new Promise((resolve) =>
        server.once("connection", (socket) => {
          for (const event of ["end", "finish", "close"])
            socket.on(event, () => seen.push(`${event}, ${socket.listenerCount("finish")}`));
          socket.on("error", () => {}).once("close", resolve);
        }),
      );
      await listen(server);
      const client = connect({ port: (server.address() as AddressInfo).port, host: "127.0.0.1", allowHalfOpen: true });
      client.on("error", () => {});
      const got: Buffer[] = [];
      for (const octets of sends) {
        client.write(octets);
        got.push(...((await Promise.race([once(client, "data"), once(client, "end")])) as Buffer[]));
      }
      const isOver = await Promise.race([closed.then(() => true), wait(500, false)]);
      seen.push(
        Buffer.concat(got.filter(Buffer.isBuffer))
          .toString()
          .replace(/Date: .*/g, ""),
        `closed ${isOver}`,
      );
      shown.push([...seen]);
      client.destroy();
      guard.close();
    }
    return shown;
  }

  it("closes when Node does, behind an answer to a request whose content is still to come", async () => {
    const answer: RequestListener = (_request, response) => response.setHeader("Connection", "close").end("early");
    const [bare, guarded] = await both(answer, ["POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab"]);
    expect(bare).toContain("closed true");
    expect(guarded).toEqual(bare);
  });

  it("is destroyed by the final handler of Express behind an answer, whatever else is under way", async () => {
    const app = express();
    app.set("env", "test");
    let fail = () => {};
    app.get("/", (_request, response, next) => {
      response.send("ok");
      fail = () => next(new Error("late"));
    });
    app.get("/second", () => fail());
    const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
    const [bare, guarded] = await both(app, [get("/"), get("/second")]);
    expect(bare).toContain("closed true");
    expect(guarded).toEqual(bare);
  });

  it("is ended with a callback as Node ends it", async () => {
    const called: unknown[] = [];
    const answer: RequestListener = ({ socket }) => {
      socket.end(`${OK}Content-Length: 2\r\n\r\nok`, () => called.push(socket.listenerCount("finish")));
      called.push(socket.listenerCount("finish"));
    };
    const [bare, guarded] = await both(answer, ["GET / HTTP/1.1\r\nHost: a\r\n\r\n"]);
    expect(guarded).toEqual(bare);
    expect(called.slice(2)).toEqual(called.slice(0, 2));
  });
});

it("mode: report leaves a promise that Express 4 does not look at to the app", async () => {
  const before = process.listeners("unhandledRejection");
  const escaped: unknown[] = [];
  process.removeAllListeners("unhandledRejection").on("unhandledRejection", (error) => escaped.push(error));
  const rejects = (what: string) => async () => {
    throw what;
  };
  const app = (express4 as unknown as typeof express)();
  app.use(rayguard({ mode: "report", logger: false }));
  app.get("/handler", rejects("handler"));
  app.param("id", rejects("param"));
  app.get("/param/:id", (_request, response) => void response.end("x"));
  app.get("/error", (_request, _response, next) => next("thrown"));
  app.use(((_error, _request, _response, _next) => rejects("error handler")()) as express.ErrorRequestHandler);
  const server = await listen(createServer(app));
  for (const path of ["/handler", "/param/1", "/error"])
    expect((await exchange(server, { path }, { timeoutMs: 100 })).octets.toString()).toBe("");
  process.removeAllListeners("unhandledRejection");
  for (const listener of before) process.on("unhandledRejection", listener);
  expect(escaped).toEqual(["handler", "param", "error handler"]);
});

it("mode: report leaves a rejection that the app has caught at that", async () => {
  const before = process.listeners("unhandledRejection");
  const escaped: unknown[] = [];
  const note = (error: unknown) => escaped.push(error);
  process.removeAllListeners("unhandledRejection").on("unhandledRejection", note);
  const handler: RequestListener = (_request, response) => {
    const work = Promise.reject(new Error("x"));
    work.catch(() => response.end("caught"));
    return work;
  };
  const guard = createGuard({ mode: "report", logger: false });
  for (const server of [guard.attach(createServer(handler)), createServer(guard.listener(handler))])
    expect((await exchange(await listen(server), { path: "/" })).responses[0]?.text()).toBe("caught");
  await wait(10);
  process.removeListener("unhandledRejection", note);
  for (const listener of before) process.on("unhandledRejection", listener);
  expect(escaped).toEqual([]);
});
