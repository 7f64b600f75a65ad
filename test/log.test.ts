import { execFile } from "node:child_process";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { EventEmitter, once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import { Writable } from "node:stream";
import { connect } from "node:tls";
import { promisify } from "node:util";
import fastify from "fastify";
import { pino } from "pino";
import { describe, expect, it } from "vitest";
import fastifyGuard from "../adapters/fastify.js";
import { CHANNELS, createGuard, type GuardOptions } from "../src/index.js";
import { loggableUrl } from "../src/report/log.js";
import { exchange } from "../src/testing/index.js";
import { selfSigned } from "./testing/certificate.js";
import { listen } from "./testing/servers.js";

type Line = Record<string, unknown> & { msg: string; level: number };

/** A pino logger, and the lines it has written. */
class Log extends EventEmitter {
  text = "";
  readonly stream = new Writable({
    write: (chunk, _encoding, done) => {
      this.text += String(chunk);
      done();
      this.emit("line");
    },
  });
  readonly logger = pino({ base: null }, this.stream);

  get lines(): Line[] {
    return this.text
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Line);
  }

  of(message: string): Line[] {
    return this.lines.filter(({ msg }) => msg === message);
  }

  async until(message: string, count: number): Promise<Line[]> {
    while (this.of(message).length < count) await once(this, "line");
    return this.of(message);
  }
}

async function serve(listener: RequestListener, options: GuardOptions = {}) {
  const log = new Log();
  const guard = createGuard({ logger: log.logger, ...options });
  return { log, guard, server: await listen(guard.attach(createServer(listener))) };
}

/** Answers every second request alone. */
function waitingBehindAnother(): RequestListener {
  let n = 0;
  return (_, r) => void (n++ % 2 === 1 && r.end("ok"));
}

const ok: RequestListener = (_request, response) => response.end("ok");
const KEYS = ["ray", "colo", "clientIp", "verified", "method", "url", "status", "octets", "ms", "outcome"];

describe("the request line", () => {
  interface Case {
    readonly of: string;
    readonly listener: RequestListener;
    readonly line: Partial<Line>;
    readonly options?: GuardOptions;
    readonly request?: string;
    readonly exchanging?: Parameters<typeof exchange>[2];
    readonly count?: number;
  }
  const get = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";

  it.each<Case>([
    { of: "an intact response", listener: ok, line: { status: 200, octets: 2, outcome: "intact" } },
    {
      of: "a HEAD request",
      listener: ok,
      request: "HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n",
      line: { method: "HEAD", status: 200, octets: 0 },
    },
    {
      of: "an HTTP/1.0 request",
      listener: ok,
      request: "GET /a HTTP/1.0\r\n\r\n",
      line: { status: 200, octets: 2, outcome: "intact" },
    },
    {
      of: "a chunked response",
      listener: (_, r) => {
        r.write("ab");
        r.end("c");
      },
      line: { status: 200, outcome: "intact" },
    },
    {
      of: "a 204",
      listener: (_, r) => {
        r.writeHead(204).end();
      },
      line: { status: 204, octets: 0, outcome: "intact" },
    },
    {
      of: "a replaced response",
      listener: () => {
        throw new Error("x");
      },
      line: { status: 500, outcome: "replaced", incident: "HANDLER_ERROR" },
    },
    {
      of: "a repaired response",
      listener: (_, r) => {
        r.writeHead(502).end("up");
      },
      line: { status: 500, outcome: "repaired", incident: "GATEWAY_STATUS" },
    },
    {
      of: "a deadline",
      listener: () => {},
      options: { firstByteDeadlineMs: 20 },
      line: { status: 503, outcome: "replaced", incident: "MC-10" },
    },
    {
      of: "a response that is torn down",
      listener: (_, r) => {
        r.write("ab", () => r.destroy());
      },
      options: { holdBackOctets: 0 },
      line: { status: 200, outcome: "torn down", incident: "MC-2" },
    },
    {
      of: "a client that has gone",
      listener: () => {},
      exchanging: { abortAfterMs: 20 },
      line: { status: 0, octets: 0, outcome: "client gone" },
    },
    {
      of: "a client that leaves in mid-content",
      listener: (_, r) => {
        r.write("ab");
      },
      options: { holdBackOctets: 0 },
      exchanging: { abortAfterMs: 30 },
      line: { status: 200, outcome: "client gone" },
    },
    ...(["enforce", "report"] as const).map((mode) => ({
      of: `a client that leaves while one response waits for another (${mode})`,
      listener: waitingBehindAnother(),
      request: get + get,
      count: 2,
      options: { mode },
      exchanging: { abortAfterMs: 30 },
      line: { status: 0, octets: 0, outcome: "client gone" },
    })),
    {
      of: "two pipelined requests",
      listener: ok,
      request: get + get,
      count: 2,
      line: { status: 200, outcome: "intact" },
    },
    {
      of: "an upgrade that is accepted",
      listener: ok,
      request: "GET /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
      line: { status: 101, outcome: "intact" },
    },
  ])(
    "of $of is written exactly once, with its exact keys",
    async ({ listener, options = {}, request = get, exchanging, line, count = 1 }) => {
      const { log, guard, server } = await serve(listener, options);
      if (request.includes("Upgrade")) {
        server.on("upgrade", (_request, socket) => {
          socket.end("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
        });
      }
      await exchange(server, request, exchanging);
      await log.until("request", count);
      // A request after it would push out whatever else was still to come of the first.
      await exchange(server, "GET /health HTTP/1.1\r\nHost: a\r\n\r\n");
      const lines = log.of("request");
      expect(lines).toHaveLength(count);
      for (const one of lines) {
        const keys = Object.keys(one).filter((key) => !["level", "time", "msg"].includes(key));
        expect(keys).toEqual(line.incident === undefined ? KEYS : [...KEYS, "incident"]);
        expect(one).toMatchObject({
          level: 30,
          method: "GET",
          url: "/a",
          ray: null,
          colo: null,
          clientIp: "127.0.0.1",
          verified: false,
          ...line,
        });
        expect(one.ms).toBeTypeOf("number");
      }
      expect(guard.stats()).toMatchObject({ inFlight: 0, requests: count + 1 });
    },
  );

  it("of a request that could not be parsed is written once, with the address of the peer", async () => {
    const { log, server } = await serve(ok);
    await exchange(server, "nonsense\r\n\r\n");
    const [line] = await log.until("request", 1);
    expect(line).toMatchObject({
      status: 400,
      outcome: "replaced",
      incident: "CLIENT_ERROR",
      method: "",
      url: "",
      clientIp: "127.0.0.1",
    });
    expect(log.of("request")).toHaveLength(1);
    expect(log.of("incident")).toHaveLength(1);
  });

  it("carries Ray ID and client address", async () => {
    const { log, server } = await serve(ok, { trust: "loopback" });
    await exchange(server, {
      path: "/",
      headers: { "CF-Ray": "0123456789ABCDEF-ams", "CF-Connecting-IP": "2001:db8::7" },
    });
    const [line] = await log.until("request", 1);
    expect(line).toMatchObject({ ray: "0123456789abcdef", colo: "AMS", clientIp: "2001:db8::7", verified: true });
  });

  it("counts the octets of the message body", async () => {
    const { log, server } = await serve((_request, response) => {
      response.write("abc");
      response.end("de");
    });
    const { octets } = await exchange(server, { path: "/" });
    const [line] = await log.until("request", 1);
    expect(line?.octets).toBe(octets.length - (octets.indexOf("\r\n\r\n") + 4));
  });
});

describe("what a client sends", () => {
  it("never brings credentials, secrets or control characters into a line", async () => {
    const { log, server } = await serve(
      (request) => {
        if (request.url?.startsWith("/fail")) throw new Error("failed");
      },
      { firstByteDeadlineMs: 20 },
    );
    const fields =
      "Authorization: Bearer TOP-SECRET\r\nCookie: sid=TOP-SECRET\r\nX-Api-Key: TOP-SECRET\r\nProxy-Authorization: TOP-SECRET\r\n";
    const query =
      "?token=TOP-SECRET&a=1&Api_Key=TOP-SECRET&%70assword=TOP-SECRET&code=TOP-SECRET&X-Amz-Signature=TOP-SECRET";
    const forged = `CF-RAY: 0123456789abcdef\x9b31m\r\nCF-Connecting-IP: 1.2.3.4\x85\r\nCF-IPCountry: \x90\r\n`;
    for (const path of ["/fail", "/hang"]) {
      await exchange(server, `GET ${path}${query} HTTP/1.1\r\nHost: a\r\n${fields}${forged}\r\n`);
    }
    await log.until("request", 2);
    expect(log.of("incident")).toHaveLength(2);
    expect(log.text).not.toContain("TOP-SECRET");
    for (const line of log.text.split("\n")) expect(line).toMatch(/^[\x20-\x7e]*$/);
    expect(log.of("request").map(({ ray }) => ray)).toEqual([null, null]);
    expect(log.of("request").map(({ url }) => url)[1]).toContain("/hang?token=[redacted]&a=1&Api_Key=[redacted]");
  });

  it("is cut where it is endless", () => {
    expect(loggableUrl(`/${"x".repeat(10_000)}`)).toHaveLength(2_051);
  });

  it.each([
    ["/a?b=c", "/a?b=c"],
    ["/a?access_token=x&b=c", "/a?access_token=[redacted]&b=c"],
    ["/a?TOKEN=x", "/a?TOKEN=[redacted]"],
    ["/a?%74oken=x", "/a?%74oken=[redacted]"],
    ["/a?sig=x&code=y&key=z&pwd=p", "/a?sig=[redacted]&code=[redacted]&key=[redacted]&pwd=[redacted]"],
    ["/a?keyboard=x&design=y", "/a?keyboard=x&design=y"],
    ["/a?q=1?token=x", "/a?q=1?token=x"],
    ["/a?%zz=1&token=x", "/a?%zz=1&token=[redacted]"],
    ["/a?user[password]=x", "/a?user[password]=[redacted]"],
    ["/a?%74oken%=x", "/a?%74oken%=[redacted]"],
    ["http://user:secret@host/a", "http://[redacted]@host/a"],
    ["*", "*"],
    ["/\x1b[31m\r\n\x85", "/%1B[31m%0D%0A%85"],
  ])("is masked: %j", (url, logged) => {
    expect(loggableUrl(url)).toBe(logged);
  });
});

describe("a logger that throws", () => {
  const throws = () => {
    throw new Error("the disk is full");
  };
  const logger = { info: throws, warn: throws, error: throws };

  it.each<[when: string, listener: RequestListener, options: GuardOptions, status: number]>([
    ["for a request line", ok, {}, 200],
    [
      "for an incident",
      () => {
        throw new Error("x");
      },
      {},
      500,
    ],
    [
      "for a repair",
      (_, r) => {
        r.writeHead(502).end();
      },
      {},
      500,
    ],
    [
      "for an errorContent that throws as well",
      () => {
        throw new Error("x");
      },
      { errorContent: throws },
      500,
    ],
    [
      "for a large header section",
      (_, r) => {
        r.setHeader("X-Big", "x".repeat(200)).end("ok");
      },
      { maxHeaderSectionOctets: 512 },
      200,
    ],
    [
      "for a lint finding",
      (_, r) => {
        r.setHeader("Age", "old").end("ok");
      },
      { lint: "report" },
      200,
    ],
  ])("harms nothing %s", async (_when, listener, options, status) => {
    const guard = createGuard({ logger, ...options });
    const server = await listen(guard.attach(createServer(listener)));
    const { valid, responses } = await exchange(server, [{ path: "/1" }, { path: "/2" }]);
    expect(responses.map((response) => response.status)).toEqual([status, status]);
    expect(valid).toBe(true);
  });
});

describe("the default logger", () => {
  it("writes lines of JSON to stdout", async () => {
    const script = `
      import { createServer } from "node:http";
      import { createGuard } from "./src/index.ts";
      import { exchange } from "./src/testing/index.ts";
      const guard = createGuard();
      const server = guard.attach(createServer((request, response) => { if (request.url === "/x") throw new Error("x"); response.end("ok"); }));
      server.listen(0, "127.0.0.1", async () => {
        await exchange(server, [{ path: "/a" }, { path: "/x" }]);
        server.close();
      });`;
    const args = ["--import", "tsx", "--input-type=module", "-e", script];
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: new URL("..", import.meta.url) });
    const lines = stdout
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Line);
    expect(lines.map(({ msg }) => msg)).toEqual(["request", "incident", "request"]);
    expect(lines.map(({ level }) => level)).toEqual([30, 50, 30]);
    expect(lines[0]).not.toHaveProperty("pid");
  });
});

describe("no logger", () => {
  it("writes nothing and still counts", async () => {
    const guard = createGuard({ logger: false });
    const server = await listen(
      guard.attach(
        createServer(() => {
          throw new Error("x");
        }),
      ),
    );
    await exchange(server, [{ path: "/1" }, { path: "/2" }]);
    expect(guard.stats()).toEqual({
      state: "serving",
      requests: 2,
      inFlight: 0,
      queued: 0,
      shed: 0,
      outcomes: { intact: 0, repaired: 0, replaced: 2, "torn down": 0, "client gone": 0 },
      incidents: { HANDLER_ERROR: 2 },
      prevented: { "520": 2, "522": 0, "524": 0 },
      preventedByCode: { HANDLER_ERROR: { "520": 2 } },
    });
  });
});

describe("Fastify", () => {
  it("writes through request.log, with the id of the request", async () => {
    const log = new Log();
    const app = fastify({ loggerInstance: log.logger, genReqId: () => "req-7", disableRequestLogging: true });
    await app.register(fastifyGuard);
    app.get("/", (_request, reply) => {
      reply.hijack();
      reply.raw.socket?.destroy();
    });
    await app.listen({ port: 0, host: "127.0.0.1" });
    await exchange(app.server, { path: "/" });
    await log.until("request", 1);
    expect([...log.of("incident"), ...log.of("request")]).toMatchObject([
      { reqId: "req-7", code: "MC-2" },
      { reqId: "req-7", status: 500 },
    ]);
    await app.close();
  });
});

describe("diagnostics_channel", () => {
  it("carries every request and every incident, without a logger as well", async () => {
    expect(CHANNELS).toEqual({ request: "rayguard:request", incident: "rayguard:incident" });
    const seen: { name: string; message: unknown }[] = [];
    const note = (message: unknown, name: string | symbol) => seen.push({ name: String(name), message });
    for (const name of Object.values(CHANNELS)) subscribe(name, note);
    const error = new Error("x");
    const guard = createGuard({ logger: false });
    const server = await listen(
      guard.attach(
        createServer((request, response) => {
          if (request.url === "/fail") throw error;
          response.end("ok");
        }),
      ),
    );
    await exchange(server, [{ path: "/" }, { path: "/fail" }, { path: "/health" }]);
    for (const name of Object.values(CHANNELS)) unsubscribe(name, note);
    expect(seen).toMatchObject([
      { name: CHANNELS.request, message: { url: "/", outcome: "intact" } },
      { name: CHANNELS.incident, message: { url: "/fail", code: "HANDLER_ERROR", action: "replaced", err: error } },
      { name: CHANNELS.request, message: { url: "/fail", outcome: "replaced", incident: "HANDLER_ERROR" } },
    ]);
  });

  it("takes no harm from a subscriber that throws", async () => {
    const uncaught: unknown[] = [];
    const note = (error: unknown) => uncaught.push(error);
    const before = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.on("uncaughtException", note);
    const subscriber = () => {
      throw new Error("from a subscriber");
    };
    for (const name of Object.values(CHANNELS)) subscribe(name, subscriber);
    const guard = createGuard({ logger: false });
    const server = await listen(
      guard.attach(
        createServer(() => {
          throw new Error("x");
        }),
      ),
    );
    const { valid } = await exchange(server, [{ path: "/1" }, { path: "/2" }]);
    for (const name of Object.values(CHANNELS)) unsubscribe(name, subscriber);
    process.off("uncaughtException", note);
    for (const listener of before) process.on("uncaughtException", listener);
    expect(valid).toBe(true);
    expect(uncaught.map((error) => (error as Error).message).every((message) => message === "from a subscriber")).toBe(
      true,
    );
  });
});

it.each(["enforce", "report"] as const)(
  "counts what a client over TLS has got, and then ends its side: %s",
  async (mode) => {
    const log = new Log();
    const guard = createGuard({ mode, logger: log.logger, holdBackOctets: 0 });
    const server = createSecureServer(selfSigned(), (_, response) => response.write("hello"));
    await listen(guard.attach(server));
    const { port } = server.address() as AddressInfo;
    const options = { port, rejectUnauthorized: false, allowHalfOpen: true };
    const client = connect(options);
    client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client.once("data", () => client.end());
    const [line] = await log.until("request", 1);
    expect(line).toMatchObject({ status: 200, octets: "5\r\nhello\r\n".length, outcome: "client gone" });
    client.destroy();
    server.close();
    guard.close();
  },
);
