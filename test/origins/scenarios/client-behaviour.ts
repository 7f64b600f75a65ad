import { once } from "node:events";
import { fault, gone, group, late, type Misused, own, refused, type Scenario, sleep, unfinished } from "../scenario.js";

const hello = (_req: Misused, res: Misused) => res.end("hello");
const bad = refused(400, 431, 408, 414, 501, 505);

const scenarios: Scenario[] = [];

/** Garbage behind a request that is still being answered must not take its place. */
const BUSY: Record<string, (req: Misused, res: Misused) => unknown> = {
  "a slow answer": async (_req, res) => {
    await sleep(80);
    res.end("hello");
  },
  "an answer in progress": async (_req, res) => {
    res.write("hel");
    await sleep(80);
    res.end("lo");
  },
  "an answer of known length in progress": async (_req, res) => {
    res.writeHead(200, { "content-length": 5 });
    res.write("hel");
    await sleep(80);
    res.end("lo");
  },
};
for (const [what, origin] of Object.entries(BUSY)) {
  scenarios.push({
    name: `garbage behind ${what}`,
    rules: ["MC-1", "MC-7"],
    client: async (wire) => {
      wire.send("GET / HTTP/1.1\r\nHost: origin\r\n\r\n");
      await sleep(40);
      // Nobody has asked anything with it: another answer would be taken for that to the next request.
      wire.write("garbage\r\n\r\n");
      await wire.ended();
    },
    origin,
    shows: own("hello"),
  });
}
scenarios.push(
  {
    name: "garbage behind a request that is never answered",
    rules: ["MC-1"],
    client: async (wire) => {
      wire.send("GET / HTTP/1.1\r\nHost: origin\r\n\r\n");
      await sleep(20);
      wire.write("garbage\r\n\r\n");
      await wire.answers(1);
    },
    origin: () => {},
    shows: [late, fault, bad],
  },
  {
    name: "a head that stays unfinished",
    rules: ["MC-1"],
    serverOptions: { headersTimeout: 300, connectionsCheckingInterval: 50 },
    on: ["node", "express5", "express4"],
    client: async (wire) => {
      wire.send("GET / HTTP/1.1\r\nHost: origin\r\nX-Slow", [{ method: "GET", version: "1.1" }]);
      await sleep(500);
      await wire.answers(1, 500);
    },
    origin: hello,
    shows: [refused(408), gone],
  },
  {
    name: "an upload that stays unfinished",
    serverOptions: { requestTimeout: 300, headersTimeout: 200, connectionsCheckingInterval: 50 },
    on: ["node", "express5", "express4"],
    client: async (wire) => {
      wire.sendPart("POST / HTTP/1.1\r\nHost: origin\r\nContent-Length: 50\r\n\r\nhello");
      await wire.answers(1);
    },
    origin: (req, res) => {
      req.resume();
      req.on("end", () => res.end("hello"));
    },
    shows: [refused(408), late],
    rules: ["MC-1", "MC-10"],
  },
  {
    name: "a chunked upload with a bad chunk",
    rules: ["MC-1"],
    client: async (wire) => {
      wire.send("POST / HTTP/1.1\r\nHost: origin\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n");
      await wire.answers(1);
    },
    origin: (req, res) => {
      req.on("error", () => {});
      req.resume();
      req.on("end", () => res.end("hello"));
    },
    shows: [bad, fault, late],
  },
  {
    name: "a bad chunk behind an answer that is already out",
    client: async (wire) => {
      wire.sendPart("POST / HTTP/1.1\r\nHost: origin\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
      await wire.answers(1);
      wire.write("zz\r\n");
      await sleep(50);
    },
    origin: hello,
    shows: own("hello"),
    rules: ["MC-7"],
  },
  {
    name: "an upload aborted by its client",
    control: true,
    client: async (wire) => {
      wire.sendPart("POST / HTTP/1.1\r\nHost: origin\r\nContent-Length: 50000\r\n\r\nhello");
      await sleep(30);
      wire.destroy();
      await sleep(50);
    },
    http2: unfinished("hello", { "content-length": "50000" }, 30),
    origin: (req, res) => {
      req.on("error", () => {});
      req.resume();
      req.on("end", () => res.end("hello"));
    },
    shows: gone,
  },
  {
    name: "a download aborted by its client",
    control: true,
    client: async (wire) => {
      wire.send("GET / HTTP/1.1\r\nHost: origin\r\n\r\n");
      await wire.received("the last of it\r\n");
      wire.destroy();
      await sleep(80);
    },
    http2: {
      client: async (wire) => {
        wire.send();
        await wire.received("the last of it");
        wire.cancel();
        await sleep(80);
      },
    },
    // Writes no more than the client waits for: what it received must not depend on when it left.
    origin: async (_req, res) => {
      const left = once(res, "close");
      for (const part of ["x".repeat(1000), "y".repeat(1000), "the last of it"]) {
        res.write(part);
        await sleep(10);
      }
      await left;
      res.write("late");
      res.end();
    },
    shows: gone,
    also: () => true,
  },
  {
    name: "an upload that is never read, then answered",
    control: true,
    request: { method: "POST", body: "x".repeat(50_000) },
    http2: {},
    origin: hello,
    shows: own("hello"),
  },
  {
    name: "an early answer to a large upload",
    rules: ["CX-7", "CX-8"],
    client: async (wire) => {
      wire.send("POST / HTTP/1.1\r\nHost: origin\r\nContent-Length: 1000000\r\n\r\n");
      for (let i = 0; i < 10 && wire.end === "open"; i++) {
        wire.write("x".repeat(100_000));
        await sleep(2);
      }
      await wire.answers(1);
    },
    http2: {
      client: async (wire) => {
        wire.send({ method: "POST", body: "x".repeat(1_000_000) });
        await wire.answers(1);
      },
    },
    origin: hello,
    shows: own("hello"),
    control: true,
  },
  {
    name: "a half-closed client of a slow answer",
    rules: ["MC-2"],
    client: async (wire) => {
      wire.send("GET / HTTP/1.1\r\nHost: origin\r\n\r\n");
      wire.halfClose();
      await wire.answers(1);
    },
    origin: async (_req, res) => {
      await sleep(60);
      res.end("hello");
    },
    shows: own("hello"),
  },
  {
    name: "a half-closed client of a stream",
    rules: ["MC-6"],
    client: async (wire) => {
      wire.send("GET / HTTP/1.1\r\nHost: origin\r\n\r\n");
      await sleep(10);
      wire.halfClose();
      await wire.answers(1);
    },
    origin: async (_req, res) => {
      for (const part of ["h", "e", "l", "l", "o"]) {
        res.write(part);
        await sleep(30);
      }
      res.end();
    },
    shows: own("hello"),
  },
  {
    name: "a half-closed client that is never answered",
    rules: ["MC-10"],
    client: async (wire) => {
      wire.send("GET / HTTP/1.1\r\nHost: origin\r\n\r\n");
      wire.halfClose();
      await wire.answers(1);
    },
    origin: () => {},
    shows: late,
  },
  {
    name: "a half-closed client of an origin that throws",
    rules: ["MC-2"],
    client: async (wire) => {
      wire.send("GET / HTTP/1.1\r\nHost: origin\r\n\r\n");
      wire.halfClose();
      await wire.answers(1);
    },
    origin: async () => {
      await sleep(20);
      throw new Error("secret cause");
    },
    settleMs: 40,
    shows: [fault, late],
  },
  {
    name: "a head sent one octet at a time",
    control: true,
    client: async (wire) => {
      const head = "GET / HTTP/1.1\r\nHost: origin\r\n\r\n";
      wire.send(head.slice(0, 1), [{ method: "GET", version: "1.1" }]);
      for (const octet of head.slice(1)) {
        wire.write(octet);
        await sleep(1);
      }
      await wire.answers(1);
    },
    origin: hello,
    shows: own("hello"),
  },
  {
    name: "an unread connection closed by the keep-alive timeout of the app",
    rules: ["CX-10"],
    server: (server) => {
      server.keepAliveTimeout = 100;
    },
    client: async (wire) => {
      wire.send("GET / HTTP/1.1\r\nHost: origin\r\n\r\n");
      await wire.answers(1);
      await sleep(1400);
      wire.send("GET /again HTTP/1.1\r\nHost: origin\r\n\r\n");
      await wire.answers(2);
    },
    origin: hello,
    shows: own("hello"),
    showsAll: [own("hello"), own("hello")],
  },
  {
    name: "more requests than maxRequestsPerSocket",
    rules: ["CX-1", "CX-3"],
    server: (server) => {
      server.maxRequestsPerSocket = 1;
    },
    origin: hello,
    shows: own("hello"),
  },
  {
    name: "pipelined requests beyond maxRequestsPerSocket",
    rules: ["MC-7"],
    server: (server) => {
      server.maxRequestsPerSocket = 1;
    },
    client: async (wire) => {
      wire.send("GET / HTTP/1.1\r\nHost: origin\r\n\r\n");
      wire.write("GET / HTTP/1.1\r\nHost: origin\r\n\r\n");
      await wire.ended(700);
    },
    origin: hello,
    shows: own("hello"),
  },
);

export default group(
  "client: behaviour",
  scenarios,
  "octets beside requests are no frames, and each stream ends by itself",
);
