import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { createSecureServer } from "node:http2";
import net, { type AddressInfo } from "node:net";
import fastify from "fastify";
import { afterEach, describe, expect, it, vi } from "vitest";
import fastifyGuard from "../../adapters/fastify.js";
import { createGuard, type GuardOptions } from "../../src/index.js";
import { parseResponses } from "../../src/parser/parse-response.js";
import { MESSAGES } from "../../src/report/log.js";
import { exchange } from "../../src/testing/index.js";
import { listen } from "../testing/servers.js";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const TIMEOUTS = ["keepAliveTimeout", "headersTimeout", "requestTimeout"] as const;
const timeoutsOf = (server: Server) => TIMEOUTS.map((name) => server[name]);

/** A guard that writes its lines into `lines`. */
function noting(options: GuardOptions = {}) {
  const lines: { message: string; code?: string; [name: string]: unknown }[] = [];
  const note = (record: object, message: string) => void lines.push({ ...record, message });
  const guard = createGuard({ ...options, logger: { info() {}, warn: note, error: note } });
  const of = (message: string) => lines.filter((line) => line.message === message);
  return { guard, lines, of };
}

/** Opens a connection; `text` grows with what comes back. */
async function connect(server: net.Server) {
  const socket = net.connect((server.address() as AddressInfo).port, "127.0.0.1");
  socket.on("error", () => undefined);
  const wire = { socket, text: "", closed: once(socket, "close") };
  socket.on("data", (octets) => {
    wire.text += octets.toString("latin1");
  });
  await once(socket, "connect");
  return wire;
}

const uncaught = vi.fn();
process.on("uncaughtException", uncaught);
afterEach(() => {
  const errors = uncaught.mock.calls.splice(0);
  expect(errors).toEqual([]);
});

/** A connection with one answer, and a request over a limit that was lowered before anybody could be told. */
async function overTheLimit(server: Server): ReturnType<typeof connect> {
  server.maxRequestsPerSocket = 5;
  const wire = await connect(server);
  wire.socket.write(GET);
  await expect.poll(() => wire.text).toContain("mine");
  server.maxRequestsPerSocket = 1;
  wire.socket.write(GET);
  return wire;
}

describe("an attached server", () => {
  it("lets no timeout of Node end a connection before the pool of the edge does", () => {
    const server = createGuard({ logger: false }).attach(createServer());
    expect(timeoutsOf(server)).toEqual([905_000, 60_000, 300_000]);
  });

  it("for HTTP/2 does so for the clients that speak HTTP/1.1, with a version of Node that ends their connections", () => {
    const server = createSecureServer({ allowHTTP1: true }) as unknown as Server;
    const before = timeoutsOf(server);
    const guard = createGuard({ logger: false });
    guard.attach(server);
    const [keepAliveTimeout, ...others] = before;
    expect(timeoutsOf(server)).toEqual([keepAliveTimeout === undefined ? undefined : 905_000, ...others]);
    guard.close();
    expect(timeoutsOf(server)).toEqual(before);
    expect(timeoutsOf(createGuard({ logger: false }).attach(createSecureServer()) as unknown as Server)).toEqual(
      TIMEOUTS.map(() => undefined),
    );
  });

  it("follows the profile of a Tunnel, and never lowers", () => {
    const server = createGuard({ logger: false, edge: "cloudflared" }).attach(createServer());
    expect(timeoutsOf(server)).toEqual([95_000, 95_000, 300_000]);
  });

  it.each([0, 2_000_000])("keeps what the user has set to %d", (ms) => {
    const server = createServer({ keepAliveTimeout: ms, headersTimeout: ms, requestTimeout: ms });
    const { guard, lines } = noting();
    expect(timeoutsOf(guard.attach(server))).toEqual([ms, ms, ms]);
    expect(lines).toEqual([]);
  });

  it("keeps a limit of the user on how long a request takes, and warns once with the numbers", () => {
    const { guard, of } = noting({ edge: "cloudflared" });
    const server = createServer({ headersTimeout: 5_000, requestTimeout: 10_000 });
    guard.attach(server);
    guard.attach(server);
    expect(timeoutsOf(server)).toEqual([95_000, 5_000, 10_000]);
    expect(of(MESSAGES.requestTimeoutShort)).toEqual([
      expect.objectContaining({ headersTimeout: 5_000, requestTimeout: 10_000, unusedMs: 95_000 }),
    ]);
    const alone = noting();
    alone.guard.attach(createServer({ headersTimeout: 5_000 }));
    expect(alone.lines).toEqual([]);
  });

  it("leaves a second between what Keep-Alive announces and the close, where Node can be told", () => {
    const server = createServer() as Server & { keepAliveTimeoutBuffer?: number };
    server.keepAliveTimeoutBuffer = 0; // has no effect in Node 20
    const guard = createGuard({ logger: false });
    guard.attach(server);
    expect(server.keepAliveTimeoutBuffer).toBe(1_000);
    guard.close();
    expect(server.keepAliveTimeoutBuffer).toBe(0);
    server.keepAliveTimeoutBuffer = 3_000;
    createGuard({ logger: false }).attach(server);
    expect(server.keepAliveTimeoutBuffer).toBe(3_000);
  });

  it("is given back as it was by close(), but for what somebody has set since", () => {
    const server = createServer();
    const before = timeoutsOf(server);
    const guard = createGuard({ logger: false });
    guard.attach(server);
    guard.close();
    expect(timeoutsOf(server)).toEqual(before);
    expect(server.listenerCount("drop")).toBe(0);
    const again = createGuard({ logger: false });
    again.attach(server);
    server.requestTimeout = 7;
    again.close();
    expect(server.requestTimeout).toBe(7);
  });

  it("is left alone in report mode", () => {
    const server = createGuard({ logger: false, mode: "report" }).attach(createServer());
    expect(timeoutsOf(server)).toEqual(timeoutsOf(createServer()));
  });

  it("of Fastify keeps its requestTimeout of 0", async () => {
    const app = fastify();
    await app.register(fastifyGuard, { logger: false });
    await app.listen({ port: 0, host: "127.0.0.1" });
    expect(timeoutsOf(app.server)).toEqual([905_000, 60_000, 0]);
    await app.close();
  });
});

// What Node does with these settings, so that a release that changes it fails here.
describe("a connection of a bare server", () => {
  it("that is idle after a response outlives headersTimeout and requestTimeout", async () => {
    const options = { connectionsCheckingInterval: 20, headersTimeout: 100, requestTimeout: 100 };
    const server = await listen(createServer(options, (_request, response) => response.end("ok")));
    const wire = await connect(server);
    wire.socket.write(GET);
    await new Promise((resolve) => setTimeout(resolve, 400));
    wire.socket.write(GET);
    await expect.poll(() => wire.text.split("HTTP/1.1 200").length).toBe(3);
  });

  it.each([
    ["headersTimeout", { headersTimeout: 100 }],
    ["requestTimeout, though headersTimeout is off", { headersTimeout: 0, requestTimeout: 100 }],
  ])("that was opened and not used gets a 408 after %s", async (_name, timeouts) => {
    const server = await listen(createServer({ connectionsCheckingInterval: 20, ...timeouts }));
    const wire = await connect(server);
    await wire.closed;
    expect(wire.text).toMatch(/^HTTP\/1\.1 408 /);
  });
});

describe("a connection that was opened and not used yet (CX-10)", () => {
  it("is still there when cloudflared uses it after the time Node would have given it", async () => {
    const server = createServer({ connectionsCheckingInterval: 20 }, (_request, response) => response.end("ok"));
    createGuard({ logger: false, edge: "cloudflared" }).attach(server);
    // Node measures with the clock of libuv, which cannot be mocked: shrink what it is told instead.
    const scale = 1 / 100;
    server.headersTimeout *= scale;
    server.requestTimeout *= scale;
    const wire = await connect(await listen(server));
    await new Promise((resolve) => setTimeout(resolve, 75_000 * scale));
    wire.socket.write(GET);
    await expect.poll(() => wire.text).toContain("HTTP/1.1 200");
    expect(wire.text).not.toContain("408");
  });
});

describe("a header section that never ends", () => {
  const HALF = "GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ";

  it.each([
    ["on a new connection", ""],
    ["on one that was used and has been idle for longer", GET],
  ])("ends the connection with a 408 once headersTimeout is over, as without the guard, %s", async (_where, before) => {
    const options = { connectionsCheckingInterval: 20, headersTimeout: 300 };
    const server = createServer(options, (_request, response) => response.end("ok"));
    createGuard({ logger: false }).attach(server);
    const wire = await connect(await listen(server));
    wire.socket.write(before);
    if (before !== "") {
      await expect.poll(() => wire.text).toContain("ok");
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    wire.socket.write(HALF);
    const drip = setInterval(() => wire.socket.write("x"), 20);
    await wire.closed;
    clearInterval(drip);
    expect(wire.text).toMatch(/HTTP\/1\.1 408 /);
  });
});

describe("a request over maxRequestsPerSocket", () => {
  async function serve(guarded: boolean, listener?: (request: unknown, socket: net.Socket) => void) {
    const { guard, lines } = noting();
    const server = createServer((_request, response) => void setTimeout(() => response.end("mine"), 20));
    server.maxRequestsPerSocket = 1;
    if (listener !== undefined) server.on("dropRequest", listener);
    if (guarded) guard.attach(server);
    return { server: await listen(server), guard, lines };
  }

  it.each<[what: string, listener: ((request: unknown, socket: net.Socket) => void) | undefined]>([
    ["without a listener", undefined],
    [
      "whose listener throws",
      () => {
        throw new Error("from the listener");
      },
    ],
    ["whose listener writes", (_request, socket) => socket.write("HTTP/1.1 429 No\r\nContent-Length: 0\r\n\r\n")],
    [
      "whose listener answers and closes",
      (_request, socket) => socket.end("HTTP/1.1 429 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    ],
    ["whose listener closes", (_request, socket) => socket.destroy()],
  ])("%s leaves the response before it whole and the last on the connection", async (_what, listener) => {
    const { server } = await serve(true, listener);
    const wire = await connect(server);
    wire.socket.write(GET + GET);
    await wire.closed;
    const { responses, problems } = parseResponses(Buffer.from(wire.text, "latin1"), { requests: [{ method: "GET" }] });
    expect(problems).toEqual([]);
    expect(responses.map((response) => [response.status, response.text()])).toEqual([[200, "mine"]]);
    expect(wire.text).toMatch(/^Connection: close\r$/m);
  });

  it("is told to the listener of the app", async () => {
    const told = vi.fn();
    const { server } = await serve(true, told);
    const wire = await connect(server);
    wire.socket.write(GET + GET);
    await wire.closed;
    expect(told).toHaveBeenCalledTimes(1);
  });

  it("that nobody had announced is answered with a complete 503, and the connection closed", async () => {
    for (const listener of [undefined, () => void 0]) {
      const { server } = await serve(true, listener);
      const wire = await overTheLimit(server);
      await wire.closed;
      const { responses, problems } = parseResponses(Buffer.from(wire.text, "latin1"), {
        requests: [{ method: "GET" }, { method: "GET" }],
      });
      expect(problems).toEqual([]);
      expect(responses.map(({ status }) => status)).toEqual([200, 503]);
    }
  });

  it("that nobody had announced gets a complete 500 where the listener throws", async () => {
    const { server, lines } = await serve(true, () => {
      throw new Error("from the listener");
    });
    const wire = await overTheLimit(server);
    await expect.poll(() => wire.text).toContain("HTTP/1.1 500");
    expect(lines.map(({ code }) => code)).toContain("HANDLER_ERROR");
  });
});

describe("what only the user can change", () => {
  it("is told once, with the number: maxConnections", async () => {
    const { guard, of } = noting();
    const server = createServer((_request, response) => response.end("ok"));
    server.maxConnections = 1;
    await listen(guard.attach(server));
    expect(of(MESSAGES.maxConnections)).toHaveLength(1);
    await connect(server);
    for (let n = 0; n < 2; n++) await (await connect(server)).closed;
    expect(of(MESSAGES.maxConnections)).toEqual([expect.objectContaining({ maxConnections: 1 })]);
  });

  it("is told at the first connection dropped, where maxConnections was set later", async () => {
    const { guard, of } = noting();
    const server = createServer((_request, response) => response.end("ok"));
    await listen(guard.attach(server));
    expect(of(MESSAGES.maxConnections)).toEqual([]);
    server.maxConnections = 1;
    await connect(server);
    for (let n = 0; n < 2; n++) await (await connect(server)).closed;
    expect(of(MESSAGES.maxConnections)).toEqual([expect.objectContaining({ maxConnections: 1 })]);
  });

  it.each([undefined, 20_000])("is told at the first 431: maxHeaderSize %j", async (maxHeaderSize) => {
    const { guard, of } = noting();
    const options = maxHeaderSize === undefined ? {} : { maxHeaderSize };
    const server = await listen(guard.attach(createServer(options, (_request, response) => response.end("ok"))));
    expect(of(MESSAGES.requestHeadersLarge)).toEqual([]);
    for (let n = 0; n < 2; n++) {
      const { responses } = await exchange(server, { path: "/", headers: { Cookie: "x".repeat(30_000) } });
      expect(responses[0]?.status).toBe(431);
    }
    expect(of(MESSAGES.requestHeadersLarge)).toEqual([
      expect.objectContaining({ maxHeaderSize: maxHeaderSize ?? 16_384, edgeOctets: 131_072 }),
    ]);
  });
});
