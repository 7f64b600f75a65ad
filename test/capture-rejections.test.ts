import events, { captureRejectionSymbol } from "node:events";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { createGuard } from "../src/index.js";
import { Wire } from "./helpers/wire.js";
import { listen } from "./testing/servers.js";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const EXPECTS = "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n";
const OTHER = "GET / HTTP/1.1\r\nHost: a\r\nExpect: something\r\n\r\n";
const UPGRADE = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n";
const CONNECT = "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n";
const GARBAGE = "GET / HTTP/9.9\r\n\r\n";

/** Bare, or how a guard is put in, and in which mode. */
const GUARDINGS = ["bare", "attached", "attached, report", "listener", "listener, report"] as const;
type Guarding = (typeof GUARDINGS)[number];

type Listener = (...args: never[]) => unknown;

/** What an app with a handler of its own for rejections is told, and what the client receives. */
type Way = {
  event: string;
  sends: string;
  listeners: Listener[];
  /** Answers a rejection; without one, Node's own handler is left in place. */
  rejection?: (server: Server, error: Error, event: string, args: never[]) => void;
};

type Shown = { told: string[]; octets: string; incidents: string[] };

afterEach(() => {
  events.captureRejections = false;
});

/** A server of `node:http` takes no option for it: it goes by what holds for every emitter as it is made. */
function capturingServer(): Server {
  events.captureRejections = true;
  const server = createServer();
  events.captureRejections = false;
  return server;
}

function guardServer(server: Server, guarding: Guarding, incidents: string[]): void {
  const note = (record: object) => {
    if ("action" in record) incidents.push(`${(record as unknown as { code: string }).code} ${record.action}`);
  };
  const guard = createGuard({
    mode: guarding.endsWith("report") ? "report" : "enforce",
    firstByteDeadlineMs: 300,
    crash: false,
    shutdown: false,
    logger: { info: note, warn: note, error: note },
  });
  if (guarding.startsWith("attached")) guard.attach(server);
  else
    for (const event of ["request", "checkContinue", "checkExpectation"])
      for (const listener of server.listeners(event)) {
        server.removeListener(event, listener as never);
        server.on(event, guard.listener(listener as never));
      }
}

async function show(way: Way, guarding: Guarding, server = capturingServer()): Promise<Shown> {
  const told: string[] = [];
  const incidents: string[] = [];
  for (const listener of way.listeners) server.on(way.event, listener as never);
  const { rejection } = way;
  if (rejection !== undefined)
    Object.assign(server, {
      [captureRejectionSymbol](this: Server, error: Error, event: string, ...args: never[]) {
        told.push(`${this === server ? "server" : "other"}: ${error.message}, ${event}`);
        rejection(server, error, event, args);
      },
    });
  if (guarding !== "bare") guardServer(server, guarding, incidents);
  await listen(server);
  const client = connect({ port: (server.address() as AddressInfo).port, host: "127.0.0.1" });
  let octets = "";
  client.on("data", (data) => {
    octets += data.toString("latin1");
  });
  client.on("error", () => {});
  client.write(way.sends);
  await new Promise((resolve) => client.once("close", resolve));
  return { told, octets: octets.replace(/\r\nDate: [^\r]*/, ""), incidents };
}

const rejects = async () => {
  throw new Error("kaboom");
};
const rejectsLater = async () => {
  await new Promise((resolve) => setImmediate(resolve));
  throw new Error("kaboom");
};
/** Answers with the response, or the socket, that the event came with. */
const answers: Way["rejection"] = (_server, error, _event, args) => {
  const [, second] = args as unknown as [unknown, { writeHead?: unknown; end(data: string): void }];
  if (second.writeHead === undefined)
    return second.end(
      "HTTP/1.1 418 Teapot\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    );
  Object.assign(second, { statusCode: 418, shouldKeepAlive: false }).end(error.message);
};

describe.each(GUARDINGS.slice(1))("%s", (guarding) => {
  const ways: Record<string, Way> = {
    request: { event: "request", sends: GET, listeners: [rejects], rejection: answers },
    "request, later": { event: "request", sends: GET, listeners: [rejectsLater], rejection: answers },
    "request, the second of two listeners": {
      event: "request",
      sends: GET,
      listeners: [() => {}, rejects],
      rejection: answers,
    },
    checkContinue: { event: "checkContinue", sends: EXPECTS, listeners: [rejects], rejection: answers },
    checkExpectation: { event: "checkExpectation", sends: OTHER, listeners: [rejects], rejection: answers },
    upgrade: { event: "upgrade", sends: UPGRADE, listeners: [rejects], rejection: answers },
    connect: { event: "connect", sends: CONNECT, listeners: [rejects], rejection: answers },
    clientError: { event: "clientError", sends: GARBAGE, listeners: [rejects], rejection: answers },
  };
  it.each(Object.entries(ways))("%s: the app's handler for rejections answers", async (_name, way) => {
    const bare = await show(way, "bare");
    expect(bare).toMatchObject({ told: [`server: kaboom, ${way.event}`], octets: expect.stringContaining(" 418 ") });
    expect(await show(way, guarding)).toEqual(bare);
  });

  it("where every emitter captures, too", async () => {
    events.captureRejections = true;
    const bare = await show(ways.request as Way, "bare", createServer());
    expect(bare.told).toEqual(["server: kaboom, request"]);
    expect(await show(ways.request as Way, guarding, createServer())).toEqual(bare);
  });

  it("Node's own handler answers, and takes the fields of the lost response away", async () => {
    const sets = async (_request: never, response: { setHeader(name: string, value: string): void }) => {
      response.setHeader("Content-Type", "application/json");
      throw new Error("kaboom");
    };
    const way: Way = {
      event: "request",
      sends: GET.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"),
      listeners: [sets],
    };
    const bare = await show(way, "bare");
    expect(bare.octets).toMatch(/^HTTP\/1\.1 500 /);
    expect(bare.octets).not.toContain("application");
    expect(await show(way, guarding)).toEqual(bare);
  });
});

describe("a rejection that nobody turns into a valid response", () => {
  async function answerTo(way: Way, prepare?: (server: Server) => void) {
    const incidents: string[] = [];
    const server = capturingServer();
    for (const listener of way.listeners) server.on(way.event, listener as never);
    const { rejection } = way;
    if (rejection !== undefined)
      Object.assign(server, {
        [captureRejectionSymbol]: (error: Error, event: string, ...args: never[]) =>
          rejection(server, error, event, args),
      });
    prepare?.(server);
    guardServer(server, "attached", incidents);
    await listen(server);
    const wire = await Wire.open((server.address() as AddressInfo).port);
    wire.send(way.sends);
    expect(await wire.answers(1)).toBe(true);
    const { responses, problems } = wire.finish();
    expect(problems).toEqual([]);
    return { status: responses[0]?.status, incidents };
  }
  const begins = async (_request: never, response: { writeHead(status: number): void }) => {
    response.writeHead(200);
    throw new Error("kaboom");
  };

  it("the handler throws: 500", async () => {
    const rejection = () => {
      throw new Error("handler");
    };
    const way: Way = { event: "request", sends: GET, listeners: [rejects], rejection };
    expect(await answerTo(way)).toEqual({ status: 500, incidents: ["HANDLER_ERROR replaced"] });
  });

  it("the handler rejects: 500", async () => {
    const way: Way = { event: "request", sends: GET, listeners: [rejects], rejection: rejects };
    expect(await answerTo(way)).toEqual({ status: 500, incidents: ["HANDLER_ERROR replaced"] });
  });

  it("the handler does nothing: the deadline answers", async () => {
    const way: Way = { event: "request", sends: GET, listeners: [rejects], rejection: () => {} };
    expect(await answerTo(way)).toEqual({ status: 503, incidents: ["MC-10 replaced"] });
  });

  it("Node's own handler destroys a response that has begun: 500 while it is held back", async () => {
    const way: Way = { event: "request", sends: GET, listeners: [begins] };
    expect(await answerTo(way)).toEqual({ status: 500, incidents: ["MC-2 replaced"] });
  });

  it.each(["checkContinue", "upgrade"])(
    "Node's own handler tells an error of the server, for %s: 500",
    async (event) => {
      const way: Way = { event, sends: event === "upgrade" ? UPGRADE : EXPECTS, listeners: [rejects] };
      expect(await answerTo(way)).toEqual({ status: 500, incidents: ["HANDLER_ERROR replaced"] });
      const errors: unknown[] = [];
      const heard = await answerTo(way, (server) => server.on("error", (error) => errors.push(error.message)));
      expect(heard).toEqual({ status: 500, incidents: ["HANDLER_ERROR replaced"] });
      expect(errors).toEqual(["kaboom"]);
    },
  );
});

describe("a server that captures nothing", () => {
  it("leaves a rejection to the guard", async () => {
    const way: Way = { event: "request", sends: GET, listeners: [rejects], rejection: answers };
    const server = createServer(way.listeners[0] as never);
    const told: unknown[] = [];
    Object.assign(server, { [captureRejectionSymbol]: (error: unknown) => told.push(error) });
    guardServer(server, "attached", []);
    await listen(server);
    const wire = await Wire.open((server.address() as AddressInfo).port);
    wire.send(GET);
    await wire.answers(1);
    expect(wire.finish().responses[0]?.status).toBe(500);
    expect(told).toEqual([]);
  });
});
