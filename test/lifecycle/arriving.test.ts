import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import { createSecureServer } from "node:http2";
import { createServer as createTlsServer } from "node:https";
import net from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import tls from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { createGuard, type Guard } from "../../src/index.js";
import { QUIET_MS } from "../../src/shutdown/quiet-close.js";
import { Wire } from "../helpers/wire.js";
import { selfSigned } from "../testing/certificate.js";
import { listen } from "../testing/servers.js";
import { startOrigin } from "./processes.js";

// A request of which a part has arrived when the server closes is a request, and is answered (MC-2, MC-11).

const TIMEOUT = { timeout: 20_000 };
const HEAD = "GET / HTTP/1.1\r\nHost: a\r\n";
const certificate = selfSigned();
const guards: Guard[] = [];
afterEach(() => {
  for (const guard of guards.splice(0)) guard.close();
});

type Transport = "TCP" | "TLS";

async function start(transport: Transport, listener: RequestListener = (_request, response) => response.end("ok")) {
  const guard = createGuard({ logger: false });
  guards.push(guard);
  const server = transport === "TLS" ? createTlsServer(certificate, listener) : createServer(listener);
  await listen(guard.attach(server as Server));
  const { port } = server.address() as net.AddressInfo;
  const open = async () => {
    const socket =
      transport === "TLS"
        ? tls.connect({ port, host: "127.0.0.1", rejectUnauthorized: false })
        : net.connect({ port, host: "127.0.0.1", noDelay: true });
    await once(socket, transport === "TLS" ? "secureConnect" : "connect");
    return new Wire(socket);
  };
  return { guard, server: server as Server, open };
}

const ENDS: [string, (guard: Guard, server: Server) => Promise<unknown>][] = [
  ["guard.drain()", (guard) => guard.drain({ graceMs: 10_000 })],
  ["server.close()", (_guard, server) => new Promise((resolve) => server.close(resolve))],
];

describe.each(["TCP", "TLS"] as const)("over %s", (transport) => {
  describe.each(ENDS)("%s", (_how, end) => {
    it.each([
      ["one octet", "G"],
      ["a request line", "GET / HTTP/1.1\r\n"],
      ["all but the last octet", `${HEAD}\r`],
    ])("waits for the rest of %s", TIMEOUT, async (_part, part) => {
      const { guard, server, open } = await start(transport);
      const fresh = await open();
      const used = await open();
      used.send(`${HEAD}\r\n`);
      await used.answers(1);
      fresh.write(part);
      used.write(part);
      await wait(50);
      const ended = end(guard, server);
      await wait(3 * QUIET_MS);
      for (const wire of [fresh, used])
        wire.send(`${HEAD}\r\n`.slice(part.length), [{ method: "GET", version: "1.1" }]);
      await Promise.all([fresh.answers(1), used.answers(2)]);
      expect(fresh.finish()).toMatchObject({ end: "fin", problems: [], responses: [{ status: 200, closes: true }] });
      expect(used.finish()).toMatchObject({
        problems: [],
        responses: [{ status: 200 }, { status: 200, closes: true }],
      });
      await ended;
    });

    it("lets a connection go on which nothing is arriving", TIMEOUT, async () => {
      const { guard, server, open } = await start(transport);
      const unused = await open();
      const used = await open();
      used.send(`${HEAD}\r\n`);
      await used.answers(1);
      const startedAt = performance.now();
      await end(guard, server);
      expect(performance.now() - startedAt).toBeLessThan(5_000);
      await Promise.all([unused.ended(), used.ended()]);
      expect([unused.end, used.end]).toEqual(["fin", "fin"]);
    });
  });

  it("answers 503 at graceMs to a request that has not arrived by then", TIMEOUT, async () => {
    const { guard, open } = await start(transport);
    const fresh = await open();
    const used = await open();
    used.send(`${HEAD}\r\n`);
    await used.answers(1);
    for (const wire of [fresh, used]) wire.send(HEAD, [{ method: "GET", version: "1.1" }]);
    await wait(50);
    await guard.drain({ graceMs: 2 * QUIET_MS });
    await Promise.all([fresh.ended(), used.ended()]);
    expect(fresh.finish()).toMatchObject({ problems: [], responses: [{ status: 503, closes: true }] });
    expect(used.finish()).toMatchObject({ problems: [], responses: [{ status: 200 }, { status: 503, closes: true }] });
  });
});

describe.each(["https", "http2"])("a TLS handshake that has not begun, %s", (protocol) => {
  async function shake() {
    const guard = createGuard({ logger: false });
    guards.push(guard);
    const answer = (_request: unknown, response: { end(text: string): unknown }) => response.end("ok");
    const server = (
      protocol === "https"
        ? createTlsServer(certificate, answer)
        : createSecureServer({ ...certificate, allowHTTP1: true }, answer)
    ) as Server;
    await listen(guard.attach(server));
    const below = net.connect({ port: (server.address() as net.AddressInfo).port, host: "127.0.0.1" });
    await once(server, "connection");
    return { guard, server, below };
  }

  // Node leaves what speaks HTTP/1.1 to a closing server of HTTP/2 open.
  const ends = protocol === "https" ? ENDS : ENDS.slice(0, 1);
  it.each(ends)("is waited for, and its request answered: %s", TIMEOUT, async (_how, end) => {
    const { guard, server, below } = await shake();
    let isOver = false;
    const ended = end(guard, server).then(() => {
      isOver = true;
    });
    await wait(QUIET_MS / 2);
    expect(isOver).toBe(false);
    const wire = new Wire(tls.connect({ socket: below, rejectUnauthorized: false }));
    wire.send(`${HEAD}\r\n`, [{ method: "GET", version: "1.1" }]);
    await wire.answers(1);
    expect(wire.finish()).toMatchObject({ responses: [{ status: 200, closes: true }] });
    await ended;
  });

  it("is not waited for without end", TIMEOUT, async () => {
    const { guard, below } = await shake();
    const startedAt = performance.now();
    await guard.drain({ graceMs: 10_000 });
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    below.destroy();
  });
});

it("waits for the rest of a request that is pipelined behind one under way", TIMEOUT, async () => {
  let answer = () => {};
  const { guard, open } = await start("TCP", (request, response) => {
    if (request.url === "/first") answer = () => response.end("first");
    else response.end("second");
  });
  const wire = await open();
  wire.send(`GET /first HTTP/1.1\r\nHost: a\r\n\r\n${HEAD}`, [{ method: "GET", version: "1.1" }]);
  await wait(50);
  // The first response announces no end: it is out before the drain begins.
  answer();
  await wire.answers(1);
  const drained = guard.drain({ graceMs: 10_000 });
  await wait(2 * QUIET_MS);
  wire.send("\r\n", [{ method: "GET", version: "1.1" }]);
  await wire.answers(2);
  expect(wire.finish().responses.map((response) => response.text())).toEqual(["first", "second"]);
  await drained;
});

describe("when the process ends after an exception", () => {
  it.each([
    ["an app that exits", "exits at once on exceptions"],
    ["nothing else under way", "none"],
  ])("answers it all the same, with %s", TIMEOUT, async (_what, listener) => {
    const origin = await startOrigin("node", true, {}, "listening-origin.ts", { LISTENER: listener });
    const wire = await Wire.open(origin.port);
    wire.send(HEAD, [{ method: "GET", version: "1.1" }]);
    await wait(50);
    origin.child.send("throw");
    if (listener === "none") {
      await wait(QUIET_MS);
      wire.write("\r\n");
    }
    await wire.ended();
    expect(wire.finish()).toMatchObject({ problems: [], responses: [{ status: 503 }] });
    await origin.gone;
  });
});

/** Ways in which an app stands in for `closeIdleConnections()`, which Node calls as it closes a server. */
const OWN: Record<string, (server: Server, called: () => void) => void> = {
  "one of its own": (server, called) => {
    server.closeIdleConnections = called;
  },
  "one that goes on to Node's": (server, called) => {
    const below = server.closeIdleConnections;
    server.closeIdleConnections = function (this: Server) {
      called();
      below.call(this);
    };
  },
  "one that a class has": (server, called) => {
    const own = Object.create(Object.getPrototypeOf(server));
    own.closeIdleConnections = function (this: Server) {
      called();
      Object.getPrototypeOf(own).closeIdleConnections.call(this);
    };
    Object.setPrototypeOf(server, own);
  },
};

describe.each(Object.entries(OWN))("an app with a closeIdleConnections(): %s", (_what, put) => {
  /** How often it has been called, behind each step. */
  async function calls(isGuarded: boolean): Promise<number[]> {
    const server = createServer((_request, response) => response.end("ok"));
    if (isGuarded) createGuard({ logger: false, shutdown: false }).attach(server);
    let count = 0;
    put(server, () => count++);
    await listen(server);
    const seen: number[] = [];
    const closed = new Promise((resolve) => server.close(resolve));
    seen.push(count);
    await closed;
    server.closeIdleConnections();
    return [...seen, count];
  }

  it("is called as often as without a guard", async () => {
    const bare = await calls(false);
    expect(bare).toEqual([1, 2]);
    expect(await calls(true)).toEqual(bare);
  });

  it("loses no request that is on its way", async () => {
    const { guard, server, open } = await start("TCP");
    put(server, () => {});
    const wire = await open();
    wire.send(`${HEAD}\r\n`);
    await wire.answers(1);
    const drained = guard.drain({ lameDuckMs: 0 });
    wire.send(`${HEAD}\r\n`);
    await wire.answers(2);
    expect(wire.finish()).toMatchObject({ problems: [], responses: [{ status: 200 }, { status: 200 }] });
    await drained;
  });
});
