import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import http2, { type ServerHttp2Stream } from "node:http2";
import { type AddressInfo, connect } from "node:net";
import { Readable } from "node:stream";
import express from "express";
import express4 from "express4";
import { afterEach, describe, expect, it } from "vitest";
import { rayguard } from "../adapters/express.js";
import { createGuard, type Guard } from "../src/index.js";
import { EDGE_EFFECTS, edgeEffectOf } from "../src/validity/edge-effects.js";
import { Http2Wire } from "./helpers/http2-wire.js";
import { endPrograms, Program } from "./zero-code/program.js";

// What is told of a response is the same whether the guard does something about it or not: each code once, and what the
// edge would have shown.

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

type Told = { code: string; prevented: number | null };
type Mode = "enforce" | "report";
type Response = ServerResponse & { readonly stream: ServerHttp2Stream };
type Act = (response: Response, request: IncomingMessage) => unknown;

function optionsOf(mode: Mode, told: Told[]) {
  const note = (record: object) => {
    const { code, prevented } = record as Told;
    told.push({ code, prevented });
  };
  return { mode, logger: { info() {}, warn: note, error: note }, crash: false, shutdown: false } as const;
}

async function start(server: ReturnType<typeof createServer>, guard: Guard): Promise<number> {
  guard.attach(server);
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  closing.push(
    () => guard.close(),
    () => server.close(),
  );
  return (server.address() as AddressInfo).port;
}

const ask: Record<"http1" | "http2", (port: number) => Promise<void>> = {
  async http1(port) {
    const socket = connect(port, "127.0.0.1").on("error", () => {});
    socket.resume().write("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    await new Promise((resolve) => socket.on("close", resolve));
  },
  async http2(port) {
    const wire = await Http2Wire.open(port, false);
    closing.push(() => wire.close());
    wire.send();
    await wire.answers(1);
  },
};

const servers = {
  "HTTP/1.1": (act: Act, mode: Mode, told: Told[]) => {
    const server = createServer((request, response) => void act(response as Response, request));
    return [ask.http1, start(server, createGuard(optionsOf(mode, told)))] as const;
  },
  "HTTP/2": (act: Act, mode: Mode, told: Told[]) => {
    const server = http2.createServer((request, response) => void act(response as never, request as never));
    return [ask.http2, start(server as never, createGuard(optionsOf(mode, told)))] as const;
  },
  "the core of HTTP/2": (act: Act, mode: Mode, told: Told[]) => {
    const server = http2.createServer();
    const asked = start(server as never, createGuard(optionsOf(mode, told)));
    server.on("stream", (stream) => void act(stream.on("error", () => {}) as never, undefined as never));
    return [ask.http2, asked] as const;
  },
  "Express 5": (act: Act, mode: Mode, told: Told[]) => withExpress(express, act, mode, told),
  "Express 4": (act: Act, mode: Mode, told: Told[]) => withExpress(express4 as typeof express, act, mode, told),
};

function withExpress(framework: typeof express, act: Act, mode: Mode, told: Told[]) {
  const guard = rayguard(optionsOf(mode, told));
  const app = framework();
  app.set("env", "test");
  app.use(guard);
  app.use((request, response) => void act(response as never, request));
  return [ask.http1, start(createServer(app as RequestListener), guard)] as const;
}

/** A response of the core, which has the same name for what it does. */
const core = (act: (stream: ServerHttp2Stream) => unknown): Act => act as never;

const CASES: readonly [on: keyof typeof servers, what: string, act: Act, told: Told[]][] = [
  [
    "HTTP/1.1",
    "an answer of a gateway that fails",
    (response) => {
      response.writeHead(502).write("bad");
      setTimeout(() => response.destroy(), 40);
    },
    [
      { code: "GATEWAY_STATUS", prevented: null },
      { code: "MC-2", prevented: null },
    ],
  ],
  [
    "HTTP/1.1",
    "a length that is none",
    (response) => response.setHeader("content-length", 1.5).end("x"),
    [{ code: "FR-2", prevented: 520 }],
  ],
  [
    "HTTP/1.1",
    "a length in other digits",
    (response) => response.setHeader("content-length", "0x10").end("x"),
    [{ code: "FR-2", prevented: 520 }],
  ],
  [
    "HTTP/1.1",
    "a length beyond every number",
    (response) => response.writeHead(200, { "content-length": "100000000000000000000" }).end("x"),
    [{ code: "FR-4", prevented: EDGE_EFFECTS[edgeEffectOf("FR-4")].shows as number | null }],
  ],
  [
    "HTTP/1.1",
    "two lengths that differ",
    (response) => response.setHeader("content-length", ["1", "5"]).end("x"),
    [{ code: "FR-3", prevented: 520 }],
  ],
  [
    "HTTP/1.1",
    "two lengths that agree, and other content",
    (response) => response.setHeader("content-length", ["1", "1"]).end("xyz"),
    [
      { code: "FR-3", prevented: 520 },
      { code: "MC-7", prevented: null },
    ],
  ],
  ...(["end", "destroy"] as const).map((how): (typeof CASES)[number] => [
    "HTTP/1.1",
    `content missing of a response by hand, behind socket.${how}()`,
    (_response, { socket }) => {
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok");
      socket[how]();
    },
    [{ code: "MC-2", prevented: null }],
  ]),
  [
    "HTTP/1.1",
    "the last chunk missing of a response by hand",
    (_response, { socket }) => void socket.end("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"),
    [{ code: "MC-2", prevented: null }],
  ],
  [
    "HTTP/1.1",
    "half a header section by hand",
    (_response, { socket }) => void socket.end("HTTP/1.1 200 OK\r\nContent-Le"),
    [{ code: "RAW_WRITE", prevented: 520 }],
  ],
  [
    "HTTP/1.1",
    "an error of the socket that Node answers",
    (_response, request) => request.socket.emit("error", new Error("boom")),
    [{ code: "CLIENT_ERROR", prevented: null }],
  ],
  [
    "HTTP/1.1",
    "a source that fails, and the response in its stead",
    (response) => {
      const source = new Readable({ read() {} }).on("error", () => setTimeout(() => response.destroy(), 5));
      source.push("x");
      source.pipe(response);
      setTimeout(() => source.destroy(new Error("boom")), 5);
    },
    [{ code: "MC-9", prevented: null }],
  ],
  [
    "Express 5",
    "a throw behind the header section",
    (response) => {
      response.writeHead(200);
      throw new Error("boom");
    },
    [{ code: "HANDLER_ERROR", prevented: 520 }],
  ],
  [
    "Express 4",
    "a throw behind content",
    (response) => {
      response.write("x");
      throw new Error("boom");
    },
    [{ code: "HANDLER_ERROR", prevented: null }],
  ],
  [
    "HTTP/2",
    "content shorter than its length",
    (response) => response.writeHead(200, { "content-length": 5 }).end(),
    [{ code: "MC-5", prevented: null }],
  ],
  [
    "HTTP/2",
    "content longer than its length that the app never ends",
    (response) => {
      response.writeHead(200, { "content-length": 2 }).write("abc");
      setTimeout(() => response.stream.destroy(), 40);
    },
    [{ code: "MC-7", prevented: null }],
  ],
  [
    "HTTP/2",
    "a field that Node lets through",
    (response) => {
      response.setHeader("x-mine", "a\r\nb");
      response.end("x");
    },
    [{ code: "HF-3", prevented: 520 }],
  ],
  [
    "HTTP/2",
    "too many fields",
    (response) => {
      for (let n = 0; n < 300; n++) response.setHeader(`x-${n}`, "1");
      response.end("x");
    },
    [{ code: "HF-20", prevented: 520 }],
  ],
  [
    "the core of HTTP/2",
    "a header section that ends the stream, and has a length",
    core((stream) => stream.respond({ ":status": 200, "content-length": 2 }, { endStream: true })),
    [{ code: "MC-5", prevented: null }],
  ],
  [
    "the core of HTTP/2",
    "a stream that is destroyed behind its header section",
    core((stream) => {
      stream.respond({ ":status": 200 });
      stream.destroy();
    }),
    [{ code: "MC-2", prevented: null }],
  ],
];

describe.each(["enforce", "report"] as const)("mode %s", (mode) => {
  it.each(CASES)("tells, over %s, of %s", async (on, _what, act, expected) => {
    const told: Told[] = [];
    const [request, port] = servers[on](act, mode, told);
    await request(await port);
    await expect.poll(() => told).toEqual(expected);
  });
});

it("has the line of a stream whose error nobody listens for, where the app goes on", async () => {
  const text = `
import http2 from "node:http2";
process.on("uncaughtException", () => {});
const server = http2.createServer().on("stream", (stream) => stream.respondWithFile("/does/not/exist"));
server.listen(0, "127.0.0.1", () => process.send(server.address().port));
`;
  const program = Program.start("app.mjs", text, { env: { RAYGUARD_OPTIONS: '{"mode":"report"}' } });
  closing.push(endPrograms);
  const [port] = (await program.ports()) as [number];
  await ask.http2(port);
  await expect.poll(() => program.lines("request")).toMatchObject([{ status: 0, outcome: "client gone" }]);
});
