import { createReadStream, promises as fs } from "node:fs";
import { PassThrough, pipeline, Readable } from "node:stream";
import { pipeline as pipelined } from "node:stream/promises";
import { createGzip } from "node:zlib";
import {
  cut,
  fault,
  faultOrCut,
  group,
  late,
  type Misused,
  own,
  type Scenario,
  sleep,
  thrown,
  unfinished,
} from "../scenario.js";

const lateOr = [late, fault, cut];
const failing = () =>
  new Readable({
    read() {
      this.destroy(new Error("secret cause"));
    },
  });
/** Yields `octets` octets, waits until they have left, then fails. */
const failingAfter = (octets: number, ms = 60) =>
  Readable.from(
    (async function* () {
      yield "x".repeat(octets);
      await sleep(ms);
      throw new Error("secret cause");
    })(),
  );

const scenarios: Scenario[] = [];

scenarios.push(
  {
    name: "a pipe whose source fails without a listener",
    provokes: "uncaughtException",
    origin: (_req, res) => void failing().pipe(res),
    shows: lateOr,
  },
  {
    name: "an answer attempted in the callback of a failed pipeline",
    rules: ["MC-2"],
    origin: (_req, res) =>
      void pipeline(failing(), res, () => {
        res.statusCode = 500;
        res.end("sorry");
      }),
    shows: [fault, own("sorry", { status: 500 })],
  },
  {
    name: "an answer with fields attempted in the callback of a failed pipeline",
    rules: ["MC-2"],
    origin: (_req, res) =>
      void pipeline(createReadStream("/nonexistent/file"), res, () => {
        res.writeHead(404, { "content-type": "text/plain" });
        res.end("not found");
      }),
    shows: [fault, own("not found", { status: 404 })],
  },
  {
    name: "an answer in the error listener of a piped file",
    control: true,
    origin: (_req, res) => {
      createReadStream("/nonexistent/file")
        .on("error", () => {
          res.statusCode = 404;
          res.end("not found");
        })
        .pipe(res);
    },
    shows: own("not found", { status: 404 }),
  },
  {
    name: "the app ends a cut stream itself",
    rules: ["MC-9"],
    origin: async (_req, res) => {
      const source = failingAfter(100_000);
      source.on("error", () => res.end());
      source.pipe(res);
    },
    shows: cut,
  },
  {
    name: "the app ends a cut pipeline in finally",
    rules: ["MC-9"],
    origin: async (_req, res) => {
      try {
        await pipelined(failingAfter(100_000), res, { end: false });
      } finally {
        res.end();
      }
    },
    shows: cut,
  },
  {
    name: "a gzip stream whose source fails",
    rules: ["MC-6", "MD-10"],
    origin: (_req, res) => {
      res.setHeader("content-encoding", "gzip");
      pipeline(failing(), createGzip(), res, () => {});
    },
    shows: fault,
  },
  {
    name: "a piped gzip stream whose source fails",
    rules: ["MD-10"],
    origin: (_req, res) => {
      res.setHeader("content-encoding", "gzip");
      const source = failing();
      source.on("error", () => {});
      source.pipe(createGzip()).pipe(res);
    },
    shows: lateOr,
  },
  {
    name: "two sources piped into one response",
    origin: (_req, res) => {
      Readable.from(["hello"]).pipe(res);
      setTimeout(() => Readable.from(["again"]).pipe(res), 15);
    },
    settleMs: 30,
    shows: own("hello"),
    rules: ["MC-7"],
  },
  {
    name: "a source that yields after the response was ended",
    origin: (_req, res) => {
      const source = new PassThrough();
      source.pipe(res);
      setTimeout(() => res.end("hello"), 5);
      setTimeout(() => source.write("again"), 20);
    },
    settleMs: 30,
    shows: own("hello"),
    rules: ["MC-7"],
  },
  {
    name: "a web stream that fails at once",
    origin: async (_req, res) => {
      const source = new ReadableStream({
        start(controller) {
          controller.error(new Error("secret cause"));
        },
      });
      for await (const chunk of source as Misused) res.write(chunk);
      res.end();
    },
    shows: thrown,
  },
  {
    name: "a web stream that fails in mid-content",
    rules: ["MC-6"],
    origin: async (_req, res) => {
      const source = new ReadableStream({
        async pull(controller) {
          controller.enqueue("x".repeat(100_000));
          await sleep(60);
          controller.error(new Error("secret cause"));
        },
      });
      for await (const chunk of source as Misused) res.write(chunk);
      res.end();
    },
    shows: cut,
  },
  {
    name: "a web stream piped through Writable.toWeb that fails",
    origin: async (_req, res) => {
      const { Writable } = await import("node:stream");
      const source = new ReadableStream({
        start(controller) {
          controller.error(new Error("secret cause"));
        },
      });
      await source.pipeTo(Writable.toWeb(res));
    },
    shows: faultOrCut.concat(thrown),
  },
  {
    name: "an iterator that throws before it yields",
    origin: async (_req, res) => {
      await pipelined(
        // biome-ignore lint/correctness/useYield: it fails before
        (async function* () {
          throw new Error("secret cause");
        })(),
        res,
      );
    },
    shows: thrown,
  },
  {
    name: "a file that shrinks while it is sent under its length",
    rules: ["MC-5"],
    origin: async (_req, res, aid) => {
      const path = await aid.file(300_000);
      res.setHeader("content-length", (await fs.stat(path)).size);
      await fs.truncate(path, 100_000);
      createReadStream(path).pipe(res);
    },
    shows: faultOrCut,
  },
  {
    name: "a file that grows while it is sent under its length",
    rules: ["MC-7"],
    origin: async (_req, res, aid) => {
      const path = await aid.file(100);
      res.setHeader("content-length", (await fs.stat(path)).size);
      await fs.appendFile(path, "surplus");
      createReadStream(path).pipe(res);
    },
    shows: [fault, own(/^x{100}(surplus)?$/)],
  },
  {
    name: "an upload echoed back and aborted by its client",
    client: async (wire) => {
      wire.sendPart("POST / HTTP/1.1\r\nHost: origin\r\nContent-Length: 100000\r\n\r\nhello");
      await sleep(150);
      wire.destroy();
      await sleep(30);
    },
    origin: (req, res) => void pipeline(req, res, () => {}),
    shows: { kind: "gone" },
    http2: unfinished("hello", {}, 150),
    control: true,
  },
  {
    name: "an upload echoed back",
    control: true,
    request: { method: "POST", body: "hello ".repeat(20_000) },
    origin: (req, res) => req.pipe(res),
    shows: own((content) => content.length === 120_000),
  },
  {
    name: "the response is piped from itself",
    origin: (req, res) => {
      req.pipe(res).pipe?.(res);
    },
    shows: [thrown, own(""), cut],
  },
);

export default group("streams: other", scenarios);
