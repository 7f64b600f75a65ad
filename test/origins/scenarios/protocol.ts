import {
  complete,
  fault,
  group,
  late,
  type Misused,
  own,
  refused,
  replaced,
  type Scenario,
  sleep,
} from "../scenario.js";

const hello = (_req: Misused, res: Misused) => res.end("hello");
const upgrade =
  "GET / HTTP/1.1\r\nHost: origin\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const connectTo = "CONNECT origin:443 HTTP/1.1\r\nHost: origin:443\r\n\r\n";
const expecting = "POST / HTTP/1.1\r\nHost: origin\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
const error = [replaced(500, 503), refused(400, 404, 405, 426, 501)];

const sending =
  (octets: string): NonNullable<Scenario["client"]> =>
  async (wire) => {
    wire.send(octets);
    await wire.answers(1);
  };

/** Listeners for upgrade and CONNECT that leave their client without an answer. */
const LISTENERS: Record<string, (req: Misused, socket: Misused) => void> = {
  "destroys the socket": (_req, socket) => socket.destroy(),
  "ends the socket": (_req, socket) => socket.end(),
  "does nothing": () => {},
  throws: () => {
    throw new Error("secret cause");
  },
  "writes half a head": (_req, socket) => socket.end("HTTP/1.1 101 Switching"),
  "writes garbage": (_req, socket) => socket.end("garbage"),
  "answers 401 without framing": (_req, socket) => socket.end("HTTP/1.1 401 Unauthorized\r\n\r\n"),
  "answers 503 without Date": (_req, socket) =>
    socket.end("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbusy"),
  "destroys the socket 20 ms later": (_req, socket) => void setTimeout(() => socket.destroy(), 20),
};

const scenarios: Scenario[] = [];
for (const [does, listener] of Object.entries(LISTENERS)) {
  const provokes = does === "throws" ? { provokes: "uncaughtException" as const } : {};
  const answered = does.startsWith("answers") ? [complete] : error;
  scenarios.push(
    {
      name: `an upgrade listener that ${does}`,
      rules: ["MC-2", "SL-8", "SL-11"],
      client: sending(upgrade),
      origin: hello,
      server: (server) => void server.on("upgrade", listener),
      shows: [...answered, own("hello")],
      ...provokes,
    },
    {
      name: `a connect listener that ${does}`,
      rules: ["MC-2", "FR-7"],
      client: sending(connectTo),
      origin: hello,
      server: (server) => void server.on("connect", listener),
      shows: answered,
      ...provokes,
    },
  );
}

/** Listeners for Expect that replace the request listener. */
const EXPECTING: Record<string, (req: Misused, res: Misused) => unknown> = {
  "does nothing": () => {},
  throws: () => {
    throw new Error("secret cause");
  },
  rejects: async () => {
    throw new Error("secret cause");
  },
  "sends 100 and nothing": (_req, res) => res.writeContinue(),
  "destroys the response": (_req, res) => res.destroy(),
  "answers with a bad status": (_req, res) => {
    res.writeHead(999);
    res.end();
  },
};
for (const [does, listener] of Object.entries(EXPECTING)) {
  scenarios.push(
    {
      name: `a checkContinue listener that ${does}`,
      rules: ["MC-3", "IR-5", "SL-10"],
      client: sending(expecting),
      origin: hello,
      server: (server) => void server.on("checkContinue", listener),
      shows: [fault, late],
      ...(does === "throws"
        ? { provokes: "uncaughtException" as const }
        : does === "rejects"
          ? { provokes: "unhandledRejection" as const }
          : {}),
    },
    {
      name: `a checkExpectation listener that ${does}`,
      rules: ["MC-1"],
      client: sending(expecting.replace("100-continue", "magic")),
      origin: hello,
      server: (server) => void server.on("checkExpectation", listener),
      shows: [fault, late],
      ...(does === "throws"
        ? { provokes: "uncaughtException" as const }
        : does === "rejects"
          ? { provokes: "unhandledRejection" as const }
          : {}),
    },
  );
}

scenarios.push(
  { name: "CONNECT without a listener", rules: ["MC-2"], client: sending(connectTo), origin: hello, shows: error },
  {
    name: "an upgrade that nobody listens for",
    client: sending(upgrade),
    origin: hello,
    shows: own("hello"),
    control: true,
  },
  {
    name: "an h2c upgrade that nobody listens for",
    client: sending(
      "GET / HTTP/1.1\r\nHost: origin\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
    ),
    origin: hello,
    shows: own("hello"),
    control: true,
  },
  {
    name: "the HTTP/2 preface on an HTTP/1.1 port",
    rules: ["SL-6"],
    client: async (wire) => {
      wire.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [{ method: "GET", version: "1.1" }]);
      await wire.answers(1);
    },
    origin: hello,
    shows: [refused(400, 426, 505), complete],
  },
  {
    name: "an upgrade that is taken",
    client: async (wire) => {
      wire.send(upgrade);
      await wire.answers(1);
    },
    origin: hello,
    server: (server) =>
      void server.on("upgrade", (_req: Misused, socket: Misused) => {
        socket.end(
          "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\nframes",
        );
      }),
    shows: { kind: "own", status: 101, fields: {} },
    control: true,
  },
  {
    name: "an upgrade request answered 101 by the handler",
    rules: ["SL-8", "SL-9"],
    client: sending(upgrade),
    origin: (_req, res) => {
      res.writeHead(101, { upgrade: "websocket", connection: "upgrade" });
      res.end();
    },
    shows: [fault, { kind: "own", status: 101, fields: {} }],
  },
  {
    name: "a refused upgrade with content",
    client: sending(upgrade),
    origin: (_req, res) => {
      res.writeHead(426, { upgrade: "h2c", connection: "upgrade" });
      res.end("no");
    },
    shows: own("no", { status: 426 }),
    control: true,
  },
  {
    name: "Expect: 100-continue answered by Node",
    control: true,
    client: async (wire) => {
      wire.send(expecting);
      await sleep(30);
      wire.write("hello");
      await wire.answers(1);
    },
    origin: (req, res) => req.pipe(res),
    shows: own("hello"),
  },
  {
    name: "Expect: 100-continue whose content never comes",
    rules: ["MC-3", "IR-5"],
    client: sending(expecting),
    origin: (req, res) => {
      req.resume();
      req.on("end", () => res.end("hello"));
    },
    shows: [late, refused(408)],
  },
  {
    name: "an unknown expectation",
    client: sending(`${expecting.replace("100-continue", "magic")}hello`),
    origin: hello,
    control: true,
    shows: { kind: "refused", statuses: [417] },
  },
);

export default group(
  "protocol",
  scenarios,
  "upgrades, CONNECT and expectations are of the connection of HTTP/1.1, or Node answers them on the stream itself",
);
