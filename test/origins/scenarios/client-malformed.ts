import { complete, fault, group, late, type Misused, own, refused, type Scenario, sleep } from "../scenario.js";

const hello = (_req: Misused, res: Misused) => res.end("hello");
const bad = refused(400, 431, 408, 414, 501, 505);
const anyRefusal = [bad, complete];

/** Octets that are no valid request. */
const MALFORMED: Record<string, string> = {
  garbage: "garbage\r\n\r\n",
  "a lone line break": "\r\n\r\ngarbage\r\n\r\n",
  "a TLS hello": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
  "a request without version": "GET /\r\n\r\n",
  "version 3.0": "GET / HTTP/3.0\r\nHost: origin\r\n\r\n",
  "a bad version": "GET / HTTP/x.1\r\nHost: origin\r\n\r\n",
  "an unknown method": "FROBNICATE / HTTP/1.1\r\nHost: origin\r\n\r\n",
  "a method in lower case": "get / HTTP/1.1\r\nHost: origin\r\n\r\n",
  "a field without colon": "GET / HTTP/1.1\r\nHost: origin\r\nno colon\r\n\r\n",
  "a space before the colon": "GET / HTTP/1.1\r\nHost: origin\r\nX-A : 1\r\n\r\n",
  "NUL in a field": "GET / HTTP/1.1\r\nHost: origin\r\nX-A: a\0b\r\n\r\n",
  "a bare LF in the head": "GET / HTTP/1.1\nHost: origin\n\n",
  "a bare CR in a field": "GET / HTTP/1.1\r\nHost: origin\r\nX-A: a\rb\r\n\r\n",
  "Content-Length with a word": "POST / HTTP/1.1\r\nHost: origin\r\nContent-Length: abc\r\n\r\n",
  "Content-Length twice": "POST / HTTP/1.1\r\nHost: origin\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
  "Content-Length and Transfer-Encoding":
    "POST / HTTP/1.1\r\nHost: origin\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  "a bad Transfer-Encoding": "POST / HTTP/1.1\r\nHost: origin\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
  "no Host": "GET / HTTP/1.1\r\n\r\n",
  "a request line of 100 KB": `GET /${"x".repeat(100_000)} HTTP/1.1\r\nHost: origin\r\n\r\n`,
  "a field of 100 KB": `GET / HTTP/1.1\r\nHost: origin\r\nX-A: ${"x".repeat(100_000)}\r\n\r\n`,
  "5000 fields": `GET / HTTP/1.1\r\nHost: origin\r\n${Array.from({ length: 5000 }, (_, i) => `X-${i}: 1\r\n`).join("")}\r\n`,
};

const scenarios: Scenario[] = [];
for (const [what, octets] of Object.entries(MALFORMED)) {
  scenarios.push({
    name: `a request with ${what}`,
    rules: ["MD-1", "SL-17"],
    client: async (wire) => {
      wire.send(octets, [{ method: "GET", version: "1.1" }]);
      await wire.answers(1);
    },
    origin: hello,
    shows: anyRefusal,
  });
}
// The method decides whether the refusal may have content, and is not known of a request that comes in pieces, or with
// another one in the same piece.
for (const method of ["GET", "HEAD"]) {
  const head = `${method} / HTTP/1.1\r\nHost: origin\r\n`;
  const rest = `X-A: ${"x".repeat(100_000)}\r\n\r\n`;
  const before = "GET / HTTP/1.1\r\nHost: origin\r\n\r\n";
  const facts = [{ method, version: "1.1" }] as const;
  const common = { rules: ["FR-11", "SL-17"], origin: hello, shows: bad };
  // Fastify answers by itself, with content whatever the method is, and nobody can tell which it is.
  const unknown = method === "HEAD" ? { on: ["node", "express5", "express4"] as const } : {};
  const inOnePiece: Scenario["client"] = async (wire) => {
    wire.send(head + rest, facts);
    await wire.answers(1);
  };
  const second = { methods: ["GET", method], showsAll: [own("hello"), bad] };
  scenarios.push(
    {
      ...common,
      name: `a ${method} request with a field of 100 KB, in one piece`,
      methods: [method],
      client: inOnePiece,
    },
    {
      ...common,
      ...unknown,
      name: `a ${method} request with a field of 100 KB, in two pieces`,
      methods: [method],
      client: async (wire) => {
        wire.send(head, facts);
        await sleep(20);
        wire.write(rest);
        await wire.answers(1);
      },
    },
    {
      ...common,
      ...second,
      name: `a ${method} request with a field of 100 KB, on a connection used before`,
      client: async (wire) => {
        wire.send(before);
        await wire.answers(1);
        wire.send(head + rest, facts);
        await wire.answers(2);
      },
    },
    {
      ...common,
      ...second,
      ...unknown,
      name: `a ${method} request with a field of 100 KB, in one piece with the one before`,
      client: async (wire) => {
        wire.send(before + head + rest, [{ method: "GET", version: "1.1" }, ...facts]);
        await wire.answers(2);
      },
    },
    {
      ...common,
      name: `a ${method} request with a field of 100 KB meets a clientError listener that answers with content`,
      methods: [method],
      client: inOnePiece,
      server: (server) =>
        void server.on("clientError", (_error: Misused, socket: Misused) => {
          socket.end("HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 5\r\n\r\nlarge");
        }),
    },
  );
}
// Node answers these by itself; the guard adds what is missing.
for (const [what, octets] of Object.entries({
  garbage: "garbage\r\n\r\n",
  "a large field": MALFORMED["a field of 100 KB"] ?? "",
})) {
  const client: NonNullable<Scenario["client"]> = async (wire) => {
    wire.send(octets, [{ method: "GET", version: "1.1" }]);
    await wire.answers(1);
  };
  const listeners: Record<string, (error: Misused, socket: Misused) => void> = {
    "destroys the socket": (_error, socket) => socket.destroy(),
    "ends the socket": (_error, socket) => socket.end(),
    "does nothing": () => {},
    throws: () => {
      throw new Error("secret cause");
    },
    "resets the socket": (_error, socket) => socket.resetAndDestroy(),
    "writes half an answer": (_error, socket) => socket.end("HTTP/1.1 400 Bad"),
    "writes garbage": (_error, socket) => socket.end("bad request"),
    "destroys the socket 20 ms later": (_error, socket) => void setTimeout(() => socket.destroy(), 20),
    "answers without fields": (_error, socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"),
    "answers without content length": (_error, socket) =>
      socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\nbad"),
  };
  for (const [does, listener] of Object.entries(listeners)) {
    scenarios.push({
      name: `${what} meets a clientError listener that ${does}`,
      rules: ["MC-1", "MC-2", "MD-1"],
      client,
      origin: hello,
      server: (server) => void server.on("clientError", listener),
      ...(does === "throws" ? { provokes: "uncaughtException" as const } : {}),
      shows: does === "throws" ? [bad, fault] : does === "does nothing" ? [bad, late] : bad,
    });
  }
}

export default group(
  "client: malformed requests",
  scenarios,
  "octets that its parser refuses are frames to nghttp2, which answers for itself",
);
