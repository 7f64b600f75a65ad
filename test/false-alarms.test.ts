import { once } from "node:events";
import { createServer, get, type IncomingMessage, type ServerResponse } from "node:http";
import http2 from "node:http2";
import { type AddressInfo, connect, type Socket } from "node:net";
import { PassThrough, pipeline, Readable } from "node:stream";
import { pipeline as pipelineOf } from "node:stream/promises";
import express from "express";
import express4 from "express4";
import fastify from "fastify";
import Koa from "koa";
import multer from "multer";
import onFinished from "on-finished";
import { stream as undiciStream } from "undici";
import { afterEach, describe, expect, it, vi } from "vitest";
import { rayguard as expressGuard } from "../adapters/express.js";
import fastifyGuard from "../adapters/fastify.js";
import { createGuard } from "../src/index.js";
import { Wire } from "./helpers/wire.js";

type Line = { code?: string; action?: string; outcome?: string; incident?: string; prevented?: unknown };
type Handler = (request: IncomingMessage, response: ServerResponse) => unknown;

const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A log that can be waited for. */
function logOf() {
  const lines: Line[] = [];
  let wake = () => {};
  const take = (line: object) => {
    lines.push(line as Line);
    wake();
  };
  const logger = { info: take, warn: take, error: take, debug: take, fatal: take, trace: take, child: () => logger };
  const requests = async (count: number) => {
    while (lines.filter(({ outcome }) => outcome !== undefined).length < count) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    return lines;
  };
  return { logger, lines, requests };
}

/** A source that never ends by itself, and is slow enough for a client to leave in between. */
function source(): Readable {
  let timer: NodeJS.Timeout | undefined;
  return new Readable({
    read() {
      timer = setTimeout(() => this.push(Buffer.alloc(4_096, "x")), 2);
    },
    destroy(error, done) {
      clearTimeout(timer);
      done(error);
    },
  });
}

function cleaned(response: ServerResponse): Readable {
  const content = source();
  onFinished(response, () => content.destroy());
  return content.pipe(response) && content;
}

const HANDLERS: Record<string, Handler> = {
  "pipe(), cleaned up by on-finished": (_, response) => cleaned(response),
  "pipe(), destroyed with the error of the socket": (request, response) => {
    const content = source();
    content.on("error", () => {});
    request.socket.once("error", (error) => content.destroy(error));
    request.socket.once("end", () => content.destroy());
    content.pipe(response);
  },
  "pipe(), destroyed by `aborted`": (request, response) => {
    const content = source();
    content.on("error", () => {});
    request.once("aborted", () => content.destroy(Object.assign(new Error("aborted"), { code: "ECONNRESET" })));
    content.pipe(response);
  },
  "pipeline() with a callback": (_, response) => pipeline(source(), response, () => {}),
  "a rejected pipeline()": (_, response) => pipelineOf(source(), response),
};

const koa = () => {
  const app = new Koa();
  app.silent = true;
  app.use((context) => {
    context.type = "text";
    context.body = source();
  });
  return app.callback();
};

const APPS: [string, () => Handler][] = [
  ...Object.entries(HANDLERS).map(([name, handler]): [string, () => Handler] => [`node:http, ${name}`, () => handler]),
  ["Koa", koa],
];

async function listening(server: ReturnType<typeof createServer>): Promise<number> {
  await once(server.listen(0, "127.0.0.1"), "listening");
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const CLIENTS = 20;

/** As many clients that leave in the middle of a response. */
async function leave(port: number, how: "FIN" | "RST"): Promise<void> {
  await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      const socket = connect(port, "127.0.0.1").on("error", () => {});
      socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
      for await (const chunk of socket.iterator({ destroyOnReturn: false })) if (chunk.includes("xxxx")) break;
      if (how === "FIN") socket.destroy();
      else socket.resetAndDestroy();
    }),
  );
}

function incidentsIn(lines: readonly Line[]): Line[] {
  return lines.filter(({ code, incident }) => code !== undefined || incident !== undefined);
}

const VERSIONS = [
  ["5", express],
  ["4", express4],
] as [string, typeof express][];

const WAYS = [
  ["FIN", "enforce"],
  ["RST", "enforce"],
  ["FIN", "report"],
  ["RST", "report"],
] as const;

describe.each(WAYS)("a client that leaves in the middle of a response, with %s, in mode %s", (how, mode) => {
  it.each(APPS)("is no incident: %s", async (_name, app) => {
    const { logger, requests } = logOf();
    const guard = createGuard({ logger, mode });
    const handler = app();
    const caught = (request: IncomingMessage, response: ServerResponse) =>
      Promise.resolve(handler(request, response)).catch(() => {});
    // In report mode a rejection goes on its way, which would end this process.
    const server = createServer(guard.listener((mode === "report" ? caught : handler) as never));
    guard.attach(server);
    const port = await listening(server);
    await leave(port, how);
    const lines = await requests(CLIENTS);
    expect(incidentsIn(lines)).toEqual([]);
    expect(lines.map(({ outcome }) => outcome)).toEqual(Array(CLIENTS).fill("client gone"));
  });

  it.each(VERSIONS)("is no incident: Express %s", async (_version, framework) => {
    const { logger, requests } = logOf();
    const guard = expressGuard({ logger, mode });
    const app = framework();
    app.set("env", "test");
    app.use(guard);
    app.get("/", (_request, response) => void cleaned(response));
    const server = createServer(app);
    guard.attach(server);
    const port = await listening(server);
    await leave(port, how);
    expect(incidentsIn(await requests(CLIENTS))).toEqual([]);
  });

  it("is no incident: Fastify", async () => {
    const { logger, requests } = logOf();
    const app = fastify();
    await app.register(fastifyGuard, { logger, mode });
    app.get("/", (_request, reply) => reply.send(source()));
    closing.push(() => app.close());
    await app.listen({ port: 0, host: "127.0.0.1" });
    await leave((app.server.address() as AddressInfo).port, how);
    expect(incidentsIn(await requests(CLIENTS))).toEqual([]);
  });
});

/** What ends its response at once, announced content or not, where the client has left by then. */
const GIVE_UP: Record<string, (wait: Promise<unknown>) => Handler> = {
  Koa: (wait) => {
    const app = new Koa();
    app.silent = true;
    app.use(async (context) => {
      await wait;
      context.body = "an answer";
    });
    return app.callback();
  },
  "node:http": (wait) => async (request, response) => {
    response.setHeader("Content-Length", 9);
    await wait;
    if (request.socket.writable) response.write("an answer");
    response.end();
  },
};

describe.each(WAYS)("a client that leaves before it has an answer, with %s, in mode %s", (how, mode) => {
  it.each(Object.entries(GIVE_UP))("is no incident: %s", async (_name, app) => {
    const { logger, requests } = logOf();
    let answer = () => {};
    const guard = createGuard({ logger, mode });
    const server = createServer(app(new Promise<void>((resolve) => (answer = resolve))));
    guard.attach(server);
    const arrives = once(server, "request");
    const socket = connect(await listening(server), "127.0.0.1").on("error", () => {});
    socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    const [request] = (await arrives) as [IncomingMessage];
    if (how === "FIN") socket.resume().end();
    else socket.resetAndDestroy();
    await new Promise((resolve) => request.once("close", resolve));
    answer();
    const lines = await requests(1);
    expect(incidentsIn(lines)).toEqual([]);
    expect(lines).toMatchObject([{ outcome: "client gone" }]);
  });
});

/** What reads an upload in full, and hands half of one to `next()` as an error. */
const READERS: [string, string, () => express.RequestHandler][] = [
  ["express.json()", "application/json", () => express.json()],
  ["express.raw()", "application/octet-stream", () => express.raw({ type: "*/*" })],
  ["multer", "multipart/form-data; boundary=cut", () => multer().any() as never],
];

describe.each(WAYS)("a client that leaves in the middle of its upload, with %s, in mode %s", (how, mode) => {
  async function upload(port: number, type: string): Promise<Socket> {
    const socket = connect(port, "127.0.0.1").on("error", () => {});
    const form = '--cut\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\n{';
    socket.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\nContent-Length: 500\r\n\r\n${form}`);
    await once(socket, "connect");
    return socket;
  }

  const WITH = VERSIONS.flatMap(([version, framework]) =>
    READERS.map(([name, type, reader]) => [version, name, type, framework, reader] as const),
  );

  it.each(WITH)("is no incident: Express %s, %s", async (_version, _name, type, framework, reader) => {
    const { logger, requests } = logOf();
    const guard = expressGuard({ logger, mode });
    const app = framework();
    app.set("env", "test");
    app.use(guard, reader(), (_request, response) => void response.send("whole"));
    const server = createServer(app);
    guard.attach(server);
    const arrives = once(server, "request");
    const socket = await upload(await listening(server), type);
    await arrives;
    if (how === "FIN") socket.destroy();
    else socket.resetAndDestroy();
    expect(incidentsIn(await requests(1))).toEqual([]);
  });

  it("is no incident: a reader of its own that rejects", async () => {
    const { logger, requests } = logOf();
    const guard = createGuard({ logger, mode });
    const read = async (request: IncomingMessage) => {
      await new Promise((resolve) => request.once("close", resolve));
      if (!request.complete && mode === "enforce") throw new Error("Unexpected end of form");
    };
    const server = createServer(guard.listener(read));
    guard.attach(server);
    const arrives = once(server, "request");
    const socket = await upload(await listening(server), "text/plain");
    await arrives;
    if (how === "FIN") socket.destroy();
    else socket.resetAndDestroy();
    expect(incidentsIn(await requests(1))).toEqual([]);
  });
});

describe("a client that leaves an app that passes on an upstream", () => {
  const PROXIES: Record<string, (port: number) => Handler> = {
    "pipe()": (port) => (request, response) => {
      const asked = get({ port, host: "127.0.0.1" }, (upstream) => {
        upstream.on("error", () => {});
        response.writeHead(200);
        upstream.pipe(response);
      });
      asked.on("error", () => {});
      request.once("aborted", () => asked.destroy());
      response.once("close", () => asked.destroy());
    },
    "undici.stream()": (port) => (_, response) =>
      undiciStream(`http://127.0.0.1:${port}`, { method: "GET", opaque: response }, () => {
        response.writeHead(200);
        return response;
      }),
  };

  it.each(Object.entries(PROXIES))("is no incident: %s", async (_name, proxy) => {
    const upstream = createServer((_, response) => void cleaned(response));
    const { logger, requests } = logOf();
    const guard = createGuard({ logger });
    const server = createServer(guard.listener(proxy(await listening(upstream))));
    guard.attach(server);
    await leave(await listening(server), "RST");
    expect(incidentsIn(await requests(CLIENTS))).toEqual([]);
  });
});

describe("a source that fails on its own account", () => {
  it.each([
    ["while the client is there", false],
    ["while a client that has closed its side waits", true],
  ])("is MC-9, %s", async (_when, halfCloses) => {
    const { logger, lines, requests } = logOf();
    const guard = createGuard({ logger });
    let content: Readable | undefined;
    const server = createServer(
      guard.listener((_, response) => {
        content = source().on("error", () => {});
        content.pipe(response);
      }),
    );
    guard.attach(server);
    const wire = await Wire.open(await listening(server));
    wire.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await wire.received("xxxx");
    if (halfCloses) wire.halfClose();
    content?.destroy(new Error("the disk is gone"));
    expect(await wire.ended()).toBe(true);
    expect(wire.finish().responses.filter(({ complete }) => complete)).toEqual([]);
    await requests(1);
    expect(lines).toContainEqual(expect.objectContaining({ code: "MC-9", action: "torn down", prevented: null }));
  });
});

/** What programs set: the first in production to save time, the second by source-map-support. */
const STACKS: [string, () => void][] = [
  ["Error.stackTraceLimit is 0", () => Object.assign(Error, { stackTraceLimit: 0 })],
  ["Error.stackTraceLimit is deleted", () => Reflect.deleteProperty(Error, "stackTraceLimit")],
  ["Error.prepareStackTrace hides Node's own frames", () => Object.assign(Error, { prepareStackTrace: () => "mine" })],
];

describe.each(STACKS)("with stack traces that tell nothing: %s", (_how, set) => {
  function keepStacks() {
    const before = ["stackTraceLimit", "prepareStackTrace"].map(
      (name) => [name, Object.getOwnPropertyDescriptor(Error, name)] as const,
    );
    set();
    const now = before.map(([name]) => Object.getOwnPropertyDescriptor(Error, name));
    closing.push(() => {
      const after = before.map(([name]) => Object.getOwnPropertyDescriptor(Error, name));
      for (const [name, descriptor] of before) {
        Reflect.deleteProperty(Error, name);
        if (descriptor !== undefined) Object.defineProperty(Error, name, descriptor);
      }
      expect(after).toEqual(now);
    });
  }

  it("a client that resets its connection while the app works is no incident", async () => {
    const { logger, requests } = logOf();
    const guard = createGuard({ logger });
    const server = createServer(guard.listener(() => {}));
    guard.attach(server);
    const port = await listening(server);
    keepStacks();
    const socket = connect(port, "127.0.0.1");
    socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await once(server, "request");
    socket.resetAndDestroy();
    expect(incidentsIn(await requests(1))).toEqual([]);
  });

  it("a client that resets a stream of HTTP/2 is no incident", async () => {
    const { logger, requests } = logOf();
    const guard = createGuard({ logger });
    const server = http2.createServer(guard.listener(() => {}) as never);
    guard.attach(server as never);
    await once(server.listen(0, "127.0.0.1"), "listening");
    keepStacks();
    const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    closing.push(
      () => server.close(),
      () => client.destroy(),
    );
    const stream = client.request().on("error", () => {});
    await once(server, "stream");
    stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
    expect(incidentsIn(await requests(1))).toEqual([]);
  });

  it("an app that destroys the socket with the error of its upstream is answered for", async () => {
    const { logger, lines } = logOf();
    const guard = createGuard({ logger });
    const reset = Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET", syscall: "read", errno: -104 });
    const server = createServer(guard.listener((request) => void request.socket.destroy(reset)));
    guard.attach(server);
    const wire = await Wire.open(await listening(server));
    keepStacks();
    wire.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await wire.answers(1);
    expect(wire.finish().responses.map(({ status }) => status)).toEqual([500]);
    expect(lines).toContainEqual(expect.objectContaining({ code: "MC-2", action: "replaced" }));
  });
});

describe.each(["enforce", "report"] as const)("a field value that is an object, in mode %s", (mode) => {
  const VALUES: [string, () => unknown, string][] = [
    ["URL", () => new URL("https://example.org/a?b"), "https://example.org/a?b"],
    ["Date", () => new Date(0), new Date(0).toString()],
    ["boxed string", () => new String("text"), "text"],
    ["boxed number", () => new Number(7), "7"],
    ["list in a list", () => ["a", ["b"]], "a"],
    ["object with a text", () => ({ toString: () => "own" }), "own"],
  ];

  it.each(VALUES)("goes out as its text and is no incident: %s", async (_what, value, text) => {
    const { logger, requests } = logOf();
    const guard = createGuard({ logger, mode });
    const server = createServer(
      guard.listener((_, response) => {
        response.setHeader("X-Value", value() as string);
        response.end("ok");
      }),
    );
    guard.attach(server);
    const wire = await Wire.open(await listening(server));
    wire.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    await wire.answers(1);
    expect(wire.finish().octets.toString("latin1")).toContain(`X-Value: ${text}\r\n`);
    expect(await requests(1)).toEqual([expect.objectContaining({ outcome: "intact" })]);
  });
});

const CUTS: [string, string, (socket: Socket) => unknown][] = [
  ["its end", "Content-Length: 500\r\n\r\n{", (socket) => socket.end()],
  ["no chunk", "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", (socket) => socket.write("ZZ\r\n")],
];

describe.each(["enforce", "report"] as const)("an app that answers an upload cut short, in mode %s", (mode) => {
  it.each(CUTS)("writes nothing late: %s", async (_what, head, cut) => {
    const { logger, lines, requests } = logOf();
    const guard = createGuard({ logger, mode });
    const answered: Promise<unknown>[] = [];
    const server = createServer((request, response) => {
      const answer = async () => {
        await pipelineOf(request, new PassThrough().resume()).catch(() => {});
        await new Promise((resolve) => setImmediate(resolve));
        response.writeHead(400);
        response.end("incomplete");
      };
      answered.push(answer());
    });
    guard.attach(server);
    const arrives = once(server, "request");
    const socket = connect(await listening(server), "127.0.0.1").on("error", () => {});
    socket.write(`POST / HTTP/1.1\r\nHost: x\r\n${head}`);
    await arrives;
    cut(socket.resume());
    await Promise.all(answered);
    await requests(1);
    expect(lines.filter(({ code }) => code === "LATE_WRITE")).toEqual([]);
  });
});

describe("a mistake of the code itself", () => {
  it("is told, though its client has left in the middle of an upload", async () => {
    const { logger, lines } = logOf();
    const guard = createGuard({ logger });
    const server = createServer(
      guard.listener(async (request) => {
        await new Promise((resolve) => request.once("close", resolve));
        throw new TypeError("not a function");
      }),
    );
    guard.attach(server);
    const arrives = once(server, "request");
    const socket = connect(await listening(server), "127.0.0.1").on("error", () => {});
    socket.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{");
    await arrives;
    socket.destroy();
    await vi.waitFor(() =>
      expect(lines).toContainEqual(expect.objectContaining({ code: "LATE_ERROR", action: "ignored" })),
    );
  });
});
