import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import net, { type AddressInfo, type Socket } from "node:net";
import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { createGuard } from "../src/index.js";
import { parseResponses } from "../src/parser/parse-response.js";
import { listen } from "./testing/servers.js";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const UPGRADE = "GET /up HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
const CONNECT = "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n";

/** Sends both requests at once, and returns what came back for each of them when the connection has closed. */
async function pipelined(second: string, event: string, listener?: (request: unknown, socket: Socket) => void) {
  const server = createServer((_request, response) => void setTimeout(() => response.end("mine"), 20));
  if (listener !== undefined) server.on(event, listener);
  createGuard({ logger: false }).attach(server);
  const { port } = (await listen(server)).address() as AddressInfo;
  const socket = net.connect(port, "127.0.0.1").on("error", () => undefined);
  let text = "";
  socket.on("data", (octets) => {
    text += octets.toString("latin1");
  });
  socket.write(GET + second);
  await once(socket, "close");
  const method = second.split(" ", 1)[0] as string;
  const requests = [{ method: "GET" }, { method }];
  const { responses, problems } = parseResponses(Buffer.from(text, "latin1"), { requests });
  expect(problems).toEqual([]);
  return responses.map((response) => [response.status, response.status === 200 ? response.text() : ""]);
}

const refuse = (status: number) => (_request: unknown, socket: Socket) =>
  void socket.end(`HTTP/1.1 ${status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);

describe("pipelined behind a request that is not answered yet", () => {
  it("a CONNECT nobody listens for is answered, after that request", async () => {
    expect(await pipelined(CONNECT, "connect")).toEqual([
      [200, "mine"],
      [501, ""],
    ]);
  });

  it.each([
    ["a CONNECT", CONNECT, "connect", 403],
    ["an upgrade", UPGRADE, "upgrade", 426],
  ] as const)("%s gets the answer of its listener, and that request its own", async (_what, octets, event, status) => {
    expect(await pipelined(octets, event, refuse(status))).toEqual([
      [200, "mine"],
      [status, ""],
    ]);
  });

  it("an upgrade whose listener throws is answered with 500, after that request", async () => {
    const statuses = await pipelined(UPGRADE, "upgrade", () => {
      throw new Error("no");
    });
    expect(statuses).toEqual([
      [200, "mine"],
      [500, ""],
    ]);
  });
});

const SWITCHES = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const TUNNEL = "HTTP/1.1 200 Connection established\r\n\r\n";

/** A server whose first request is left for `hand` to answer, and everything the client of both requests receives. */
async function behind(
  mode: "bare" | "enforce" | "report",
  [second, event]: readonly [octets: string, event: string],
  hand: (first: ServerResponse, socket: Socket, events: string[]) => void,
  first = GET,
): Promise<{ events: string[]; text: string }> {
  const events: string[] = [];
  const responses: ServerResponse[] = [];
  let isClosed: Promise<unknown> | undefined;
  const server = createServer((_request, response) => {
    events.push("request");
    if (responses.push(response) > 1) return void response.end(`answer ${responses.length}`);
    response.on("finish", () => events.push("finish")).on("close", () => events.push("close"));
  });
  server.on(event, (_request, socket: Socket) => {
    events.push(event);
    socket.on("error", () => {}).on("close", () => events.push("socket close"));
    isClosed = new Promise((resolve) => socket.once("close", resolve));
    socket.resume();
    hand(responses[0] as ServerResponse, socket, events);
  });
  if (mode !== "bare") createGuard({ logger: false, mode }).attach(server);
  const { port } = (await listen(server)).address() as AddressInfo;
  const socket = net.connect(port, "127.0.0.1").on("error", () => undefined);
  let text = "";
  socket.on("data", (octets) => {
    text += octets.toString("latin1");
  });
  socket.write(first + second);
  await once(socket, "close");
  await isClosed;
  await new Promise((resolve) => server.close(resolve));
  return { events, text };
}

/** The octets behind the responses to so many GET requests, each of which is whole. */
function rest(text: string, contents: readonly string[]): string {
  let at = 0;
  for (const content of contents) {
    const end = text.indexOf("\r\n\r\n", at) + 4;
    expect(text.slice(at, end)).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(text.slice(end, end + content.length)).toBe(content);
    at = end + content.length;
  }
  return text.slice(at);
}

const UPGRADES = [
  ["an upgrade", [UPGRADE, "upgrade"], SWITCHES],
  ["a CONNECT", [CONNECT, "connect"], TUNNEL],
] as const;

describe.each(UPGRADES)("%s behind a request that is not answered yet", (_what, given, switches) => {
  it("is told of at once: the answer to that request may depend on it", async () => {
    const hand = (first: ServerResponse, socket: Socket, events: string[]) => {
      first.end("mine", () => socket.end("HTTP/1.1 400 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
      events.push("handed");
    };
    const bare = await behind("bare", given, hand);
    expect(bare.events).toEqual(["request", given[1], "handed", "finish", "close", "socket close"]);
    for (const mode of ["enforce", "report"] as const) {
      const { events, text } = await behind(mode, given, hand);
      expect(events).toEqual(bare.events);
      expect(rest(text, ["mine"])).toMatch(/^HTTP\/1\.1 400 No\r\n/);
    }
  });

  it("may switch at once, and what it says waits for the answer to that request", async () => {
    const { text } = await behind("enforce", given, (first, socket) => {
      socket.write(switches);
      socket.write("one");
      setImmediate(() => {
        socket.write("two");
        first.write("mi");
        setImmediate(() => {
          first.end("ne");
          first.once("close", () => setImmediate(() => setImmediate(() => socket.end("three"))));
        });
      });
      first.setHeader("Content-Length", 4);
    });
    expect(rest(text, ["mine"])).toBe(`${switches}onetwothree`);
  });

  it("waits for room while it waits for its turn, as behind a recipient that takes nothing", async () => {
    const told: string[] = [];
    let most = 0;
    const { text } = await behind("enforce", given, (first, socket) => {
      most = socket.writableHighWaterMark;
      const write = (octets: string, what: string) =>
        told.push(`${what} ${socket.write(octets, () => void told.push(`${what} called back`))}`);
      const show = () => told.push(`${socket.writableLength - switches.length} ${socket.writableNeedDrain}`);
      socket.on("drain", () => void told.push("drain"));
      write(switches, "switches");
      write("a".repeat(most / 2), "half");
      show();
      write("b".repeat(most), "more");
      show();
      setTimeout(() => {
        told.push("turn");
        first.end("mine");
      }, 20);
      socket.once("drain", () => {
        show();
        socket.end("last");
      });
    });
    expect(rest(text, ["mine"]) === `${switches}${"a".repeat(most / 2)}${"b".repeat(most)}last`).toBe(true);
    const turn = told.indexOf("turn");
    expect(told.slice(0, turn)).toEqual([
      "switches true",
      "half true",
      `${most / 2} false`,
      "more false",
      `${most * 1.5} true`,
    ]);
    const behindTurn = told.slice(turn + 1);
    expect(behindTurn).toContain(`${-switches.length} false`);
    expect(behindTurn.filter((what) => what === "drain")).toHaveLength(1);
    for (const what of ["switches", "half", "more"]) expect(behindTurn).toContain(`${what} called back`);
  });

  it("stops what is piped into it until its turn", async () => {
    let pushed = 0;
    let before = 0;
    const { text } = await behind("enforce", given, (first, socket) => {
      socket.write(switches);
      const source = new Readable({
        read() {
          this.push(pushed++ < 100 ? "x".repeat(10_000) : null);
        },
      });
      source.pipe(socket);
      setTimeout(() => {
        before = pushed;
        first.end("mine");
      }, 20);
    });
    expect(rest(text, ["mine"])).toBe(`${switches}${"x".repeat(1_000_000)}`);
    expect(before).toBeLessThan(20);
  });

  it.each(["end", "destroy", "destroySoon"] as const)("may switch, and %s that at once", async (how) => {
    const { events, text } = await behind("enforce", given, (first, socket) => {
      socket.write(`${switches}all`);
      socket[how]();
      setImmediate(() => first.end("mine"));
    });
    expect(rest(text, ["mine"])).toBe(`${switches}all`);
    expect(events).toContain("socket close");
  });

  it("may be refused by destroying it, now or later, and the request gets its answer", async () => {
    for (const isLater of [false, true]) {
      const { text } = await behind("enforce", given, (first, socket) => {
        const destroy = () => {
          socket.destroy();
          first.end("mine");
        };
        if (isLater) setImmediate(destroy);
        else destroy();
      });
      expect(rest(text, ["mine"])).toMatch(/^HTTP\/1\.1 500 /);
    }
  });

  it("ends a connection on which other answers wait, and each of them comes in its turn", async () => {
    const { text } = await behind(
      "enforce",
      given,
      (first, socket) => {
        first.end("mine", () => socket.end());
      },
      GET + GET + GET,
    );
    expect(rest(text, ["mine", "answer 2", "answer 3"])).toMatch(/^HTTP\/1\.1 500 /);
  });
});

it("is told of what it has written and what is lost with the client", async () => {
  const server = createServer(() => {});
  createGuard({ logger: false }).attach(server);
  const { port } = (await listen(server)).address() as AddressInfo;
  const client = net.connect(port, "127.0.0.1").on("error", () => undefined);
  const lost = new Promise((resolve) => {
    server.on("upgrade", (_request, socket) => {
      socket.on("error", () => {});
      socket.write(SWITCHES, resolve);
      client.resetAndDestroy();
    });
  });
  client.write(GET + UPGRADE);
  expect(await lost).toMatchObject({ code: "ERR_STREAM_DESTROYED" });
  await new Promise((resolve) => server.close(resolve));
});

it("adds no listener to the socket of an upgrade or a CONNECT, and forgets it once that is gone", async () => {
  const counts: number[][] = [];
  for (const isGuarded of [false, true]) {
    const server = createServer();
    const guard = createGuard({ logger: false, shutdown: false });
    if (isGuarded) guard.attach(server);
    for (const event of ["upgrade", "connect"])
      server.on(event, (_request, socket) => {
        const before = ["close", "error", "end", "data", "finish"].map((name) => socket.listenerCount(name));
        socket.end("HTTP/1.1 200 OK\r\n\r\n");
        counts.push(before);
      });
    await listen(server);
    const { port } = server.address() as AddressInfo;
    for (const octets of [
      "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
      "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
    ]) {
      const socket = net.connect(port, "127.0.0.1");
      socket.resume().write(octets);
      await new Promise((resolve) => socket.once("close", resolve));
    }
    await guard.drain();
    expect(guard.stats().inFlight).toBe(0);
  }
  expect(counts.slice(2)).toEqual(counts.slice(0, 2));
});
