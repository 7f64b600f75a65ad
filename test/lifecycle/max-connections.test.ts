import cluster from "node:cluster";
import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import http2 from "node:http2";
import https from "node:https";
import net, { type AddressInfo } from "node:net";
import { join } from "node:path";
import tls from "node:tls";
import { describe, expect, it, vi } from "vitest";
import { createGuard, type GuardOptions } from "../../src/index.js";
import { parseResponses } from "../../src/parser/parse-response.js";
import { selfSigned } from "../testing/certificate.js";
import { listen } from "../testing/servers.js";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const [MAJOR = 0] = process.versions.node.split(".").map(Number);

/** Answers at once; the connection stays. */
const answers: RequestListener = (_request, response) => void response.end("mine");

function noting(options: GuardOptions = {}) {
  const lines: Record<string, unknown>[] = [];
  const note = (record: object, message: string) => void lines.push({ ...record, message });
  const guard = createGuard({ ...options, logger: { info() {}, warn: note, error: note } });
  return { guard, lines, incidents: () => lines.filter(({ message }) => message === "incident") };
}

/** A connection, over TLS where the server asks for it; `text` grows with what comes back. */
async function connect(server: net.Server, alpn?: string[]) {
  const { port } = server.address() as AddressInfo;
  const isSecure = "setSecureContext" in server;
  const socket = isSecure
    ? tls.connect({ port, host: "127.0.0.1", rejectUnauthorized: false, ...(alpn && { ALPNProtocols: alpn }) })
    : net.connect(port, "127.0.0.1");
  const wire = { socket, text: "", error: undefined as NodeJS.ErrnoException | undefined, ended: false, closed: false };
  socket.on("error", (error) => {
    wire.error = error;
  });
  socket.on("end", () => {
    wire.ended = true;
  });
  socket.on("close", () => {
    wire.closed = true;
  });
  socket.on("data", (octets: Buffer) => {
    wire.text += octets.toString("latin1");
  });
  await once(socket, isSecure ? "secureConnect" : "connect");
  return wire;
}

/** What one connection gets for `octets`, until it is closed. */
async function ask(server: net.Server, octets = GET, method = "GET") {
  const wire = await connect(server);
  wire.socket.write(octets);
  await vi.waitFor(() => expect(wire.closed).toBe(true), { timeout: 4_000, interval: 5 });
  const parsed = parseResponses(Buffer.from(wire.text, "latin1"), { requests: [{ method }] });
  return { ...parsed, status: parsed.responses[0]?.status, error: wire.error };
}

/** A connection that stays, with one answer. */
async function hold(server: net.Server) {
  const wire = await connect(server);
  wire.socket.write(GET);
  await expect.poll(() => wire.text).toContain("mine");
  return wire;
}

const connections = (server: net.Server) =>
  new Promise<number>((resolve) => server.getConnections((_error, count) => resolve(count)));

describe("a connection over maxConnections", () => {
  it("of a bare server is reset, or closed without an answer", async () => {
    const server = await listen(createServer(answers));
    server.maxConnections = 1;
    await hold(server);
    expect((await ask(server)).status).toBeUndefined();
  });

  it.each<[string, string, string]>([
    ["GET", "GET", GET],
    ["HEAD", "HEAD", "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"],
    ["GET of HTTP/1.0", "GET", "GET / HTTP/1.0\r\n\r\n"],
    ["POST with content", "POST", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"],
    [
      "POST whose content waits",
      "POST",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n",
    ],
    ["upgrade", "GET", "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"],
    ["CONNECT", "CONNECT", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"],
    ["half a header section", "GET", "GET / HTTP/1.1\r\nHo"],
  ])("gets a complete 503 and its close: %s", async (_what, method, octets) => {
    const { guard } = noting();
    const server = await listen(guard.attach(createServer(answers)));
    server.maxConnections = 1;
    await hold(server);
    const { status, problems, responses, error } = await ask(server, octets, method);
    expect({ status, problems, error }).toEqual({ status: 503, problems: [], error: undefined });
    expect(responses).toHaveLength(1);
    expect(responses[0]?.field("retry-after")).toBe("5");
    expect(responses[0]?.field("connection")).toBe("close");
    expect(responses[0]?.field("cache-control")).toBe("no-store");
  });

  it("is unseen by the app, but for what Node tells it", async () => {
    const observe = async (attach: (server: Server) => Server) => {
      const server = await listen(attach(createServer(answers)));
      server.maxConnections = 1;
      const told: unknown[] = [];
      for (const event of ["connection", "request", "clientError", "close", "drop"])
        server.on(event, (data) => told.push([event, data instanceof net.Socket ? "" : event === "drop" ? data : ""]));
      const held = await connect(server);
      held.socket.write(GET);
      await expect.poll(() => held.text).toContain("mine");
      const { port } = server.address() as AddressInfo;
      const second = net.connect({ port, host: "127.0.0.1" });
      second.on("error", () => undefined);
      await once(second, "connect");
      const { localPort } = second;
      second.write(GET);
      second.resume();
      await once(second, "close");
      expect([server.maxConnections, await connections(server)]).toEqual([1, 1]);
      return JSON.stringify(told).replaceAll(String(localPort), "LOCAL").replaceAll(String(port), "PORT");
    };
    const bare = await observe((server) => server);
    const guarded = await observe((server) => noting().guard.attach(server));
    expect(guarded).toBe(bare);
    expect(bare).toContain('"drop"');
  });

  it("leaves nothing behind, and a place that becomes free is used", async () => {
    const { guard } = noting();
    const server = await listen(guard.attach(createServer(answers)));
    server.maxConnections = 2;
    const held = [await hold(server), await hold(server)];
    const fates = await Promise.all(Array.from({ length: 60 }, () => ask(server)));
    expect(fates.map(({ status }) => status)).toEqual(Array(60).fill(503));
    expect(guard.stats()).toMatchObject({ inFlight: 0, shed: 60, incidents: { OVERLOAD: 60 } });
    held[0]?.socket.destroy();
    await expect.poll(() => connections(server)).toBe(1);
    await hold(server);
    expect(guard.stats().outcomes).toMatchObject({ intact: 3, replaced: 60 });
  });

  it("is told in two lines: the first says why, the last how many", async () => {
    const { guard, lines, incidents } = noting({ overload: { retryAfterS: 9 } });
    const server = await listen(guard.attach(createServer(answers)));
    server.maxConnections = 1;
    await hold(server);
    const first = await ask(server);
    expect(first.responses[0]?.field("retry-after")).toBe("9");
    await ask(server);
    expect(incidents()).toMatchObject([
      {
        code: "OVERLOAD",
        status: 503,
        prevented: 520,
        reason: expect.stringMatching(/1 connections.*maxConnections is 1/),
      },
    ]);
    await expect
      .poll(() => lines.at(-1), { timeout: 4_000 })
      .toMatchObject({ code: "OVERLOAD", refused: { connections: 2 } });
  });

  it("may still ask for the health of the process", async () => {
    const { guard } = noting();
    const server = await listen(guard.attach(createServer(answers)));
    server.maxConnections = 1;
    await hold(server);
    const { status, problems, responses } = await ask(server, "GET /health HTTP/1.1\r\nHost: a\r\n\r\n");
    expect({ status, problems }).toEqual({ status: 200, problems: [] });
    expect(responses[0]?.field("connection")).toBe("close");
  });

  it("that says nothing is closed after a moment", async () => {
    const server = await listen(noting().guard.attach(createServer(answers)));
    server.maxConnections = 1;
    await hold(server);
    expect(await ask(server, "")).toMatchObject({ status: undefined, error: undefined });
  });

  it.each<[unknown, number]>([
    [undefined, 200],
    [null, 200],
    [Number.POSITIVE_INFINITY, 200],
    [5, 200],
    ["1", 503],
    [0, MAJOR < 22 ? 200 : 503],
  ])("is what Node says it is: %j", async (limit, status) => {
    const server = await listen(noting().guard.attach(createServer(answers)));
    await hold(server);
    server.maxConnections = limit as number;
    expect((await ask(server, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).status).toBe(status);
    expect(server.maxConnections).toBe(limit);
  });

  it("over TLS gets its 503, with the certificate of the server", async () => {
    const secured = vi.fn();
    const server = await listen(noting().guard.attach(https.createServer(selfSigned(), answers)));
    server.maxConnections = 1;
    await hold(server);
    server.on("secureConnection", secured);
    const { status, problems } = await ask(server);
    expect({ status, problems }).toEqual({ status: 503, problems: [] });
    expect(secured).not.toHaveBeenCalled();
  });

  it.each(["h2", "h2c"])("over HTTP/2 gets its 503, and the end of the session: %s", async (kind) => {
    const seen = vi.fn();
    const server = kind === "h2" ? http2.createSecureServer(selfSigned()) : http2.createServer();
    server.on("request", (_request: unknown, response: http2.Http2ServerResponse) => void response.end("mine"));
    noting().guard.attach(server);
    await listen(server as unknown as net.Server);
    (server as unknown as net.Server).maxConnections = 1;
    const url = `${kind === "h2" ? "https" : "http"}://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const sessions = [http2.connect(url, { rejectUnauthorized: false })];
    const get = async (session: http2.ClientHttp2Session) => {
      const stream = session.request({ ":path": "/" });
      stream.resume();
      const [headers] = (await once(stream, "response")) as [http2.IncomingHttpHeaders & { ":status": number }];
      await once(stream, "close");
      return headers;
    };
    expect((await get(sessions[0] as http2.ClientHttp2Session))[":status"]).toBe(200);
    server.on("session", seen);
    const second = http2.connect(url, { rejectUnauthorized: false });
    second.on("error", () => undefined);
    const closed = once(second, "close");
    expect(await get(second)).toMatchObject({ ":status": 503, "retry-after": "5" });
    await closed;
    expect(seen).not.toHaveBeenCalled();
    expect((await get(sessions[0] as http2.ClientHttp2Session))[":status"]).toBe(200);
    sessions[0]?.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  it("is Node's affair in report mode, and told", async () => {
    const { guard, lines } = noting({ mode: "report" });
    const server = await listen(guard.attach(createServer(answers)));
    await hold(server);
    server.maxConnections = 1;
    expect((await ask(server)).status).toBeUndefined();
    expect(lines).toMatchObject([{ maxConnections: 1 }]);
  });

  it("is Node's affair again after close()", async () => {
    const { guard } = noting();
    const server = await listen(guard.attach(createServer(answers)));
    server.maxConnections = 1;
    guard.close();
    await hold(server);
    expect((await ask(server)).status).toBeUndefined();
  });

  // Without dropMaxConnection a worker that is full passes connections on, and the primary finds another one.
  it.runIf(MAJOR >= 24)("gets its 503 from a worker of a cluster that drops it", async () => {
    cluster.setupPrimary({
      exec: join(import.meta.dirname, "full-worker.ts"),
      execArgv: ["--import", "tsx"],
      args: ["drop"],
      silent: true,
    });
    const worker = cluster.fork();
    const [port] = (await once(worker, "message")) as [number];
    const server = { address: () => ({ port }) } as unknown as net.Server;
    await hold(server);
    expect(await ask(server)).toMatchObject({ status: 503, problems: [], error: undefined });
    worker.process.kill("SIGKILL");
    await once(worker, "exit");
  });

  it("is answered by a server that listens anew, too", async () => {
    const server = await listen(noting().guard.attach(createServer(answers)));
    server.close();
    await once(server, "close");
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    server.maxConnections = 1;
    await hold(server);
    expect((await ask(server)).status).toBe(503);
  });
});

describe("a connection that is gone, as far as the app knows", () => {
  /** Says when the app has been told, of a request that waits for its answer. */
  const waits = (told: (value: unknown) => void, act: (request: IncomingMessage) => void): RequestListener => {
    return (request, response) => {
      if (request.url !== "/waits") return void response.end("mine");
      request.socket.once("close", told);
      act(request);
    };
  };
  const leaves = (wire: { socket: net.Socket }) => setTimeout(() => wire.socket.destroy(), 20);

  it.each<[string, string, (wire: { socket: net.Socket }) => void, (request: IncomingMessage) => void]>([
    ["whose client has left before its answer", "GET", leaves, () => undefined],
    ["whose client has left in mid-upload", "POST", leaves, () => undefined],
    ["that the app has destroyed", "GET", () => undefined, ({ socket }) => void socket.destroy()],
  ])("leaves its place to another: one %s", async (_which, method, client, app) => {
    const found = async (make: (listener: RequestListener) => Server, attach: (server: Server) => Server) => {
      let told: (value: unknown) => void = () => undefined;
      const isTold = new Promise((resolve) => {
        told = resolve;
      });
      const server = await listen(attach(make(waits(told, app))));
      server.maxConnections = 1;
      const wire = await connect(server);
      wire.socket.write(
        `${method} /waits HTTP/1.1\r\nHost: a\r\n${method === "POST" ? "Content-Length: 9\r\n" : ""}\r\n`,
      );
      client(wire);
      await isTold;
      await new Promise(setImmediate); // Node tells of it before the count is due, where a handle closes
      const open = await connections(server);
      const { status } = await ask(server, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
      await new Promise((resolve) => server.close(resolve));
      return { open, status, left: await connections(server) };
    };
    for (const make of [createServer, (listener: RequestListener) => https.createServer(selfSigned(), listener)]) {
      const bare = await found(make, (server) => server);
      expect(bare).toEqual({ open: 0, status: 200, left: 0 });
      expect(await found(make, (server) => noting().guard.attach(server))).toEqual(bare);
    }
  });
});
