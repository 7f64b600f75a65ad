import { PassThrough, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { cut, faultOrCut, gone, group, late, never, own, type Scenario, sleep } from "../scenario.js";

const lateOrCut = [late, cut];

const scenarios: Scenario[] = [
  { name: "never answers", rules: ["MC-1", "MC-10"], origin: () => {}, shows: late },
  { name: "awaits a promise that never settles", rules: ["MC-10"], origin: () => never(), shows: late },
  { name: "sets fields and never answers", origin: (_req, res) => void res.setHeader("etag", '"1"'), shows: late },
  {
    name: "writes the head and never goes on",
    origin: (_req, res) => void res.writeHead(200, { etag: '"1"' }),
    shows: late,
    // The header section leaves with writeHead() there.
    http2: { shows: lateOrCut },
  },
  {
    name: "writes a head with Content-Length and never goes on",
    origin: (_req, res) => void res.writeHead(200, { "content-length": 5 }),
    shows: late,
    http2: { shows: lateOrCut },
    rules: ["MC-5"],
  },
  {
    name: "flushes the head and never goes on",
    origin: (_req, res) => void res.flushHeaders(),
    shows: lateOrCut,
    rules: ["MC-6"],
  },
  {
    name: "writes once and never goes on",
    origin: (_req, res) => void res.write("hello"),
    shows: lateOrCut,
    rules: ["MC-6"],
  },
  {
    name: "writes all of a chunked answer but its end",
    origin: (_req, res) => void res.write("x".repeat(200_000)),
    shows: cut,
    rules: ["MC-6"],
  },
  {
    name: "writes half of the announced length and never goes on",
    origin: (_req, res) => {
      res.writeHead(200, { "content-length": 200_000 });
      res.write("x".repeat(100_000));
    },
    shows: cut,
    rules: ["MC-5"],
  },
  {
    name: "stops an event stream in silence",
    origin: (_req, res) => {
      res.writeHead(200, { "content-type": "text/event-stream" });
      res.write("data: 1\n\n");
    },
    shows: cut,
    rules: ["MC-10"],
  },
  {
    name: "corks the response and never uncorks",
    origin: (_req, res) => {
      res.cork();
      res.write("hello");
    },
    shows: lateOrCut,
  },
  {
    name: "sends 100 and nothing after it",
    origin: (_req, res) => void res.writeContinue(),
    shows: late,
    rules: ["MC-3"],
  },
  {
    name: "sends 102 and nothing after it",
    origin: (_req, res) => void res.writeProcessing(),
    shows: late,
    onlyHttp1: "the compatibility API has no writeProcessing()",
    rules: ["MC-3"],
  },
  {
    name: "sends early hints and nothing after them",
    origin: (_req, res) => void res.writeEarlyHints({ link: "</a.css>; rel=preload" }),
    shows: late,
    rules: ["MC-3"],
  },
  { name: "pipes a source that never yields", origin: (_req, res) => void new PassThrough().pipe(res), shows: late },
  {
    name: "pipes a source that stalls after the first octet",
    origin: (_req, res) => {
      const source = new PassThrough();
      source.write("h");
      source.pipe(res);
    },
    shows: lateOrCut,
  },
  {
    name: "pipelines an iterator that stalls",
    origin: (_req, res) =>
      pipeline(
        Readable.from(
          (async function* () {
            yield "x".repeat(100_000);
            await never();
          })(),
        ),
        res,
      ).catch(() => {}),
    shows: cut,
  },
  {
    name: "pipes a source that is destroyed before it yields",
    origin: (_req, res) => {
      const source = new PassThrough();
      source.pipe(res);
      setTimeout(() => source.destroy(), 10);
    },
    shows: [late, ...faultOrCut],
  },
  {
    name: "waits for a drain event that never comes",
    origin: async (_req, res) => {
      res.write("x");
      await new Promise((resolve) => res.once("drain", resolve));
      res.end();
    },
    shows: lateOrCut,
  },
  {
    name: "waits for request content of a request that has none",
    origin: (req, res) => req.once("data", () => res.end()),
    shows: late,
  },
  {
    name: "waits for the request to end without reading it",
    request: "POST / HTTP/1.1\r\nHost: origin\r\nContent-Length: 5\r\nContent-Type: application/x-unknown\r\n\r\nhello",
    origin: (req, res) => req.on("end", () => res.end()),
    on: ["node", "express5", "express4"],
    shows: late,
    http2: {
      client: async (wire) => {
        wire.send({ method: "POST", body: "hello" });
        await wire.answers(1);
      },
    },
  },
  {
    name: "goes on writing slowly, each octet within the idle deadline",
    control: true,
    guard: { firstByteDeadlineMs: 400, idleDeadlineMs: 400 },
    origin: async (_req, res) => {
      for (let i = 0; i < 5; i++) {
        res.write(String(i));
        await sleep(100);
      }
      res.end();
    },
    shows: own("01234"),
  },
  {
    name: "never stops writing to a client that does not read",
    origin: async (_req, res) => {
      const block = Buffer.alloc(1 << 20, "x");
      for (let i = 0; i < 64 && !res.destroyed; i++) if (!res.write(block)) await sleep(20);
    },
    client: async (wire) => {
      wire.pause();
      wire.send("GET / HTTP/1.1\r\nHost: origin\r\n\r\n");
      await sleep(1300);
      wire.resume();
      await wire.ended(1500);
    },
    guard: { recipientDeadlineMs: 300 },
    shows: cut,
    http2: {
      client: async (wire) => {
        wire.send();
        wire.pause();
        await sleep(1300);
        wire.resume();
        await wire.answers(1, 1500);
      },
    },
  },
  {
    name: "never answers a client that leaves",
    origin: () => {},
    client: async (wire) => {
      wire.send("GET / HTTP/1.1\r\nHost: origin\r\n\r\n");
      await sleep(30);
      wire.destroy();
      await sleep(350);
    },
    http2: {
      client: async (wire) => {
        wire.send();
        await sleep(30);
        wire.cancel();
        await sleep(350);
      },
    },
    shows: gone,
    control: true,
  },
  { name: "never answers HEAD", request: { method: "HEAD" }, origin: () => {}, shows: late },
  { name: "never answers POST", request: { method: "POST", body: "hello" }, origin: () => {}, shows: late },
  {
    name: "never answers HTTP/1.0",
    request: { version: "1.0" },
    origin: () => {},
    shows: late,
    onlyHttp1: "HTTP/1.0 is a version of its own",
  },
];

export default group("hanging", scenarios);
