import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { createGuard } from "../src/index.js";
import { FRAMEWORKS, type Framework, type Guarding, start } from "./helpers/told.js";
import { listen } from "./testing/servers.js";

// An app that answers an upgrade in its request handler, with a 101 of its own, as proxies of the time before `upgrade` do.

const FIELDS = { Upgrade: "foo", Connection: "Upgrade" };
const SECTION = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: foo\r\nConnection: Upgrade\r\n\r\n";

type App = (req: IncomingMessage, res: ServerResponse) => unknown;

/** The end of the other protocol. */
const bye = ({ socket }: { socket: ServerResponse["socket"] }) => setImmediate(() => socket?.end("bye"));

const WAYS: Record<string, App> = {
  "ends the response, and writes at once": (req, res) => {
    res.writeHead(101, FIELDS).end();
    req.socket.write("hello ");
    bye(req);
  },
  "ends the response, and writes later on": (req, res) => {
    res.writeHead(101, FIELDS).end();
    setTimeout(() => req.socket.write("hello ", () => bye(req)), 5);
  },
  "ends the response, and writes as that is finished": (req, res) => {
    res.once("finish", () => req.socket.write("hello ", () => bye(req)));
    res.writeHead(101, FIELDS).end();
  },
  "flushes the header section alone": (_req, res) => {
    res.writeHead(101, FIELDS).flushHeaders();
    res.socket?.write("hello ");
    bye(res);
  },
  "detaches the socket behind the header section": (req, res) => {
    res.writeHead(101, FIELDS).flushHeaders();
    res.detachSocket(req.socket);
    req.socket.write("hello ");
    bye(req);
  },
  "writes it to the socket": (req) => {
    req.socket.write(SECTION);
    req.socket.write("hello ");
    bye(req);
  },
  "writes it to the socket, with what follows": (req) => {
    req.socket.write(`${SECTION}hello `);
    bye(req);
  },
  "writes it past the response, as Node does with interim ones": (req, res) => {
    (res as never as { _writeRaw(octets: string, encoding: string): void })._writeRaw(SECTION, "latin1");
    req.socket.write("hello ");
    bye(req);
  },
  "destroys the connection behind it": (req, res) => {
    res.writeHead(101, FIELDS).end();
    req.socket.write("hello bye");
    req.socket.destroySoon();
  },
};

/** What a client gets, and what the app is told, until both sides are closed. */
async function outcome(framework: Framework, guarding: Guarding, app: App) {
  const events: string[] = [];
  let closed = () => {};
  const allClosed = new Promise<void>((resolve) => {
    let open = 2;
    closed = () => --open === 0 && resolve();
  });
  const running = await start(framework, guarding, (req, res) => {
    for (const event of ["finish", "close"]) res.on(event, () => events.push(`response ${event}`));
    for (const event of ["aborted", "close"]) req.on(event, () => events.push(`request ${event}`));
    for (const event of ["error", "close"]) req.socket.on(event, () => events.push(`socket ${event}`));
    req.socket.once("close", closed);
    app(req, res);
  });
  onTestFinished(() => void running.close());
  const client = connect(running.port);
  client.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n");
  let octets = "";
  client.on("data", (chunk) => {
    octets += String(chunk);
  });
  client.once("close", closed);
  await allClosed;
  return { octets: octets.replace(/\r\n(?:Date|X-Powered-By):[^\r]*/g, ""), events };
}

describe.each(Object.entries(WAYS))("an app that switches protocols and %s", (_way, app) => {
  it.each(FRAMEWORKS)("has the connection for itself: %s", async (framework) => {
    const bare = await outcome(framework, "bare", app);
    expect(bare.octets).toBe(`${SECTION}hello bye`);
    expect(await outcome(framework, "report", app)).toEqual(bare);
    expect(await outcome(framework, "enforce", app)).toEqual(bare);
  });
});

const HANDING_OVER: Record<string, App> = {
  "through the response": (_req, res) => res.writeHead(101, FIELDS).flushHeaders(),
  "by hand": ({ socket }) => {
    socket.write(SECTION);
    socket.write("hello");
  },
  "past the response": ({ socket }, res) => {
    (res as never as { _writeRaw(octets: string, encoding: string): void })._writeRaw(SECTION, "latin1");
    socket.write("hello");
  },
};

const MODES = ["enforce", "report"] as const;
const WAYS_AND_MODES = Object.entries(HANDING_OVER).flatMap(([way, app]) => MODES.map((mode) => ({ way, app, mode })));

it.each(WAYS_AND_MODES)("is over for the guard once the header section is out, $way: $mode", async ({ app, mode }) => {
  const lines: Record<string, unknown>[] = [];
  const write = (line: Record<string, unknown>) => void lines.push(line);
  const guard = createGuard({ mode, logger: { info: write, warn: write, error: write }, logBatchMs: 0 });
  const server = await listen(guard.attach(createServer(app)));
  const client = connect((server.address() as AddressInfo).port);
  client.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n");
  await once(client, "data");
  expect(guard.stats().inFlight).toBe(0);
  expect(lines).toMatchObject([{ status: 101, outcome: "intact" }]);
  client.destroy();
});
