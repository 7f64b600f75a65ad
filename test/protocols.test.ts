import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import http2, { type ServerHttp2Stream } from "node:http2";
import { type AddressInfo, connect, type Socket } from "node:net";
import { Readable } from "node:stream";
import { setImmediate as tick, setTimeout as wait } from "node:timers/promises";
import fastify from "fastify";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import rayguard from "../adapters/fastify.js";
import { createGuard, type GuardOptions } from "../src/index.js";
import { EVENTS } from "../src/report/events.js";
import { GUARDED_RULES } from "../src/validity/guarded/index.js";
import { Http2Wire } from "./helpers/http2-wire.js";

type Response = ServerResponse & { readonly stream: ServerHttp2Stream };
type Act = (response: Response, request: IncomingMessage) => unknown;
type Protocol = "HTTP/1.1" | "HTTP/2" | "inject()";
type Mode = "bare" | "enforce" | "report";

/** How an incident of a code comes about, or why it cannot, on each protocol. */
interface Row {
  readonly "HTTP/1.1": Act | string;
  readonly "HTTP/2": Act | string;
  readonly "inject()": Act | string;
  readonly options?: GuardOptions;
  /** Why report mode has nothing to tell. */
  readonly report?: string;
}

type Rest = Omit<Row, Protocol>;
const NO_OCTETS = "a simulated request has no octets to judge, and is only answered";
const everywhere = (act: Act, more: Rest = {}): Row => ({
  "HTTP/1.1": act,
  "HTTP/2": act,
  "inject()": act,
  ...more,
});
const both = (act: Act, more: Rest = {}): Row => ({ ...everywhere(act, more), "inject()": NO_OCTETS });
const neither = (why: string): Row => ({ "HTTP/1.1": why, "HTTP/2": why, "inject()": why });
const only1 = (act: Act, why: string, more: Rest = {}): Row => ({ ...both(act, more), "HTTP/2": why });

const THROWS = "Node throws to whoever sets it";
const NO_FRAMING = "HTTP/2 frames content itself, and Node refuses the field";
const ALL = "the same whatever the protocol, and told by the test of its own";
const LAST = "what is thrown goes on its way and ends the process";
const link = "</a>; rel=preload";

const set =
  (name: string, value: unknown, content = "x"): Act =>
  (response) => {
    response.setHeader(name, value as string);
    response.end(content);
  };

const ROWS: Record<string, Row> = {
  "MC-2": everywhere((response) => response.destroy()),
  "MC-5": both((response) => response.writeHead(200, { "content-length": 9 }).end("abc")),
  "MC-7": both((response) => response.writeHead(200, { "content-length": 2 }).end("abc")),
  "MC-9": both((response) => {
    const source = new Readable({ read() {} }).on("error", () => {});
    source.push("x");
    response.on("error", () => {});
    source.pipe(response);
    setTimeout(() => source.destroy(new Error("x")), 20);
  }),
  "MC-10": everywhere(() => {}, { options: { firstByteDeadlineMs: 40 } }),
  "SL-1": only1((response) => response.writeHead(600).end(), THROWS),
  "SL-3": only1((response) => response.writeHead(102).end(), THROWS),
  "SL-4": neither(THROWS),
  "SL-7": neither("HTTP/1.0 alone has no interim responses"),
  "SL-8": only1((response) => response.writeHead(101, { upgrade: "x" }).end(), THROWS),
  "SL-9": neither("a 101 that was asked for belongs to the listener for `upgrade`"),
  "SL-16": neither(THROWS),
  "IR-1": both((response) => {
    response.writeEarlyHints({ link, "content-length": "5" });
    response.end("x");
  }),
  "IR-3": {
    "HTTP/1.1": async (response) => {
      response.write("x");
      await tick(); // Node 26 writes nothing of it before
      (response as never as { _writeRaw(octets: string, encoding: string): void })._writeRaw(
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
        "latin1",
      );
      response.end();
    },
    "HTTP/2": THROWS,
    "inject()": NO_OCTETS,
  },
  "IR-4": {
    "HTTP/1.1": (response) => {
      (response as never as { _writeRaw(octets: string, encoding: string): void })._writeRaw(
        "HTTP/1.1 103 Early Hints\r\nLi nk: </a>\r\n\r\n",
        "latin1",
      );
      response.end("x");
    },
    "HTTP/2": (response) => {
      response.stream.additionalHeaders({ ":status": 103, link: "a\u0007" });
      response.end("x");
    },
    "inject()": NO_OCTETS,
  },
  "IR-6": both((response) => {
    for (let n = 0; n < 40; n++) response.writeEarlyHints({ link });
    response.end("x");
  }),
  "HF-1": neither(THROWS),
  "HF-3": { "HTTP/1.1": THROWS, "HTTP/2": set("x-mine", "a\r\nb"), "inject()": THROWS },
  "HF-10": both(set("server", ["a", "b"])),
  "HF-17": both(set("x-mine", Number.NaN)),
  "HF-18": both(set("x-big", "x".repeat(2_000)), { options: { maxHeaderSectionOctets: 1_024 } }),
  "HF-20": both((response) => {
    for (let n = 0; n < 300; n++) response.setHeader(`x-${n}`, "1");
    response.end("x");
  }),
  "MD-1": both((response) => {
    response.sendDate = false;
    response.end("x");
  }),
  "FR-1": only1(
    (response) => response.writeHead(200, { "content-length": 1, "transfer-encoding": "chunked" }).end("x"),
    NO_FRAMING,
  ),
  "FR-2": both(set("content-length", "no number")),
  "FR-3": only1(set("content-length", ["1", "1"]), THROWS),
  "FR-4": both(set("content-length", "99999999999999999999")),
  "FR-5": both((response) => response.writeHead(204, { "content-length": 0 }).end()),
  "FR-6": only1((response) => response.writeHead(204, { "transfer-encoding": "chunked" }).end(), NO_FRAMING),
  "FR-8": neither("HTTP/1.0 alone has no transfer codings"),
  "FR-9": only1(set("transfer-encoding", "chunked, chunked"), NO_FRAMING),
  "FR-13": only1(
    (response) => Object.assign(response, { statusCode: 205 }).end("x"),
    "Node ends the stream with the header section",
  ),
  "FR-16": only1((response) => {
    response.removeHeader("transfer-encoding");
    response.removeHeader("content-length");
    response.write("x");
    response.end();
  }, NO_FRAMING),
  "TR-1": neither("Node throws to the app, and it is told where a framework answers in its place"),
  "TR-2": both((response) => {
    response.write("x");
    response.addTrailers({ "content-type": "text/plain" });
    response.end();
  }),
  "CX-2": neither("the request of this test persists"),
  "CX-4": only1((response) => response.writeHead(200, { "keep-alive": "x" }).end("x"), NO_FRAMING),
  "CX-5": only1(set("connection", "close, content-type"), NO_FRAMING),
  "CX-6": only1((response) => response.writeHead(426, { upgrade: "x" }).end("x"), NO_FRAMING),
  HANDLER_ERROR: everywhere(
    () => {
      throw new Error("x");
    },
    { report: LAST },
  ),
  LATE_ERROR: everywhere(
    (response) => {
      response.end("x");
      throw new Error("x");
    },
    { report: LAST },
  ),
  LATE_WRITE: both((response) => {
    response.on("error", () => {});
    response.end("x");
    response.write("y");
  }),
  GATEWAY_STATUS: both((response) => response.writeHead(502).end("x")),
  DIRECT: neither("counted, and told by the line of the request itself"),
  CLIENT_ERROR: neither("of the parser of HTTP/1.1; nghttp2 answers for itself. Told by the test of its own"),
  RAW_WRITE: only1(({ socket }) => socket?.end("no response"), "Node refuses to write to the socket of a session", {
    report: "MC-2 tells it",
  }),
  UNCAUGHT: neither(ALL),
  CRASHING: neither(ALL),
  SHUTDOWN: neither(ALL),
  EXIT: neither(ALL),
  KILLED: neither(ALL),
  NO_WORKER: neither(ALL),
  BLOCKED: neither(ALL),
  OVERLOAD: neither(ALL),
  RECIPIENT_DEADLINE: neither("a recipient has to pause; told by the tests of its own over both"),
  GUARD_FAULT: neither(ALL),
};

const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** What came of a request. */
interface Outcome {
  /** Lines that were told, filled as they come. */
  readonly told: { code?: string; action?: string }[];
  /** What the client has received by now, but for the date. */
  received(): string;
}

/** Sends one request over a protocol. */
async function tell(protocol: Protocol, mode: Mode, act: Act, options: GuardOptions = {}): Promise<Outcome> {
  const told: Outcome["told"] = [];
  const note = (record: object) => told.push(record as Outcome["told"][number]);
  // Beside the lines of requests, what was mended and has cost nobody anything.
  const info = (record: object) => "action" in record && note(record);
  const given: GuardOptions = { trust: "loopback", logger: { info, warn: note, error: note }, ...options };
  if (protocol === "inject()") return simulate(mode, act, given, told);
  const guard = mode === "bare" ? undefined : createGuard({ ...given, mode });
  const listener = (request: IncomingMessage, response: ServerResponse) => {
    response.on("error", () => {});
    act(response as Response, request);
  };
  const server = protocol === "HTTP/2" ? http2.createServer(listener as never) : createServer(listener);
  guard?.attach(server);
  // The rules of the lint are loaded when a guard is made.
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  let received: () => string;
  let socket: Socket;
  if (protocol === "HTTP/2") {
    const wire = await Http2Wire.open(port, false);
    wire.send();
    socket = wire.socket;
    received = () => wire.streams.join("");
  } else {
    let octets = "";
    socket = connect(port, "127.0.0.1").on("data", (chunk) => {
      octets += chunk.toString("latin1");
    });
    socket.on("error", () => {}).write("GET / HTTP/1.1\r\nHost: x\r\nTE: trailers\r\n\r\n");
    // It sets the timeout of the connection, which Node announces.
    received = () => octets.replace(/^keep-alive: timeout=\d+\r\n/im, "");
  }
  closing.push(async () => {
    socket.destroy();
    guard?.close();
    await new Promise((resolve) => server.close(resolve));
  });
  return { told, received: () => received().replace(/^date: .*$/im, "date: now") };
}

/** The same through `inject()` of Fastify, which makes no connection. */
async function simulate(mode: Mode, act: Act, options: GuardOptions, told: Outcome["told"]): Promise<Outcome> {
  const app = fastify();
  if (mode !== "bare") await app.register(rayguard, { ...options, mode });
  app.get("/", (request, reply) => {
    reply.hijack();
    reply.raw.on("error", () => {});
    return act(reply.raw as Response, request.raw) as never;
  });
  let received = "";
  void app.inject("/").then(
    ({ statusCode, payload }) => {
      received = `${statusCode} ${payload}`;
    },
    () => {},
  );
  closing.push(() => app.close());
  return { told, received: () => received };
}

describe("every code of an incident", () => {
  it("stands in the table", () => {
    const found = new Set([...GUARDED_RULES.map(({ id }) => id), ...Object.keys(EVENTS)]);
    for (const file of ["report/incidents.ts", "http1/message/interim.ts", "report/reporter.ts"]) {
      const source = readFileSync(new URL(`../src/${file}`, import.meta.url), "utf8");
      for (const [, code] of source.matchAll(/(?:code: |rule: |(?:failureOf|dropped)\(\s*)"([A-Z]{2}-[0-9]+)"/g))
        found.add(code as string);
    }
    expect(Object.keys(ROWS).sort()).toEqual([...found].sort());
  });

  const cases = Object.entries(ROWS).flatMap(([code, row]) =>
    (["HTTP/1.1", "HTTP/2", "inject()"] as const).flatMap((protocol) =>
      (["enforce", "report"] as const).map((mode) => ({ code, row, protocol, mode })),
    ),
  );
  it.each(
    cases.filter(({ row, protocol, mode }) => typeof row[protocol] !== "string" && (mode === "enforce" || !row.report)),
  )("is told: $code over $protocol, mode $mode", async ({ code, row, protocol, mode }) => {
    const { told, received } = await tell(protocol, mode, row[protocol] as Act, row.options);
    await expect.poll(() => told.map((line) => line.code)).toContain(code);
    if (mode === "enforce") return;
    expect(told.find((line) => line.code === code)?.action).toBe("reported");
    const bare = await tell(protocol, "bare", row[protocol] as Act);
    await wait(50);
    await expect.poll(bare.received).toBe(received());
  });

  it.each(
    Object.entries(ROWS).filter(
      ([, row]) => typeof row["HTTP/1.1"] === "function" && typeof row["inject()"] === "string",
    ),
  )("is not told of a simulated request where the table says so: %s", async (code, row) => {
    const { told } = await tell("inject()", "enforce", row["HTTP/1.1"] as Act, row.options);
    await wait(30);
    expect(told.map((line) => line.code)).not.toContain(code);
  });
});

describe("the warning about a large header section", () => {
  it.each(["HTTP/1.1", "HTTP/2"] as const)("is given over %s, with the names of the fields", async (protocol) => {
    for (const mode of ["enforce", "report"] as const) {
      const { told } = await tell(protocol, mode, set("x-big", "x".repeat(900)), { maxHeaderSectionOctets: 2_048 });
      await expect.poll(() => told).toMatchObject([{ code: "HF-18", fields: expect.stringMatching(/^x-big /i) }]);
    }
  });
});

describe("the lint", () => {
  beforeAll(async () => {
    await import("../src/validity/lint.js");
  });
  const acts: Record<string, Act> = {
    "an Age": set("age", "very"),
    "a Location": (response) => response.writeHead(302, { location: "/a b" }).end(),
    "a cookie": set("set-cookie", "a=b; Max-Age=x"),
    "no type": set("x-mine", "1"),
    "Allow missing": (response) => response.writeHead(405, { "content-type": "text/plain" }).end("x"),
    "an entity tag": set("etag", "no quotes"),
    "a validator": (response) =>
      response.writeHead(200, { "content-type": "text/plain", "last-modified": "yesterday" }).end("x"),
    "a range nobody asked for": (response) =>
      response.writeHead(206, { "content-range": "bytes 0-0/2", "content-type": "text/plain" }).end("x"),
    caching: set("cache-control", "max-age=x, max-age=y"),
    identity: set("content-encoding", "identity"),
  };
  it.each(Object.keys(acts))("says the same over HTTP/2 as over HTTP/1.1: %s", async (what) => {
    const over = async (protocol: Protocol) => {
      const { told } = await tell(protocol, "enforce", acts[what] as Act, { lint: "report" });
      await expect.poll(() => told.length).toBeGreaterThan(0);
      return told.map(({ code }) => code).sort();
    };
    expect(await over("HTTP/2")).toEqual(await over("HTTP/1.1"));
  });
});
