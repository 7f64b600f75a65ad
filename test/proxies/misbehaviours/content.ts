import { pipeline, Readable } from "node:stream";
import { cut, fault, type Misused, mended, own, sleep } from "../../origins/scenario.js";
import type { Misbehaviour } from "./misbehaviour.js";

/** Content where there must be none, content from streams that fail, and what is right and must stay so. */
export const content: readonly Misbehaviour[] = [
  bodiless(204),
  bodiless(205),
  bodiless(304),
  {
    name: "answers HEAD with content",
    origin: (_req, res) => {
      res.setHeader("content-length", 5);
      res.write("hello");
      res.end();
    },
    request: { method: "HEAD" },
    shows: [own("", { fields: { "content-length": "5" } })],
  },
  { name: "throws at HEAD", origin: fail, request: { method: "HEAD" }, shows: [fault] },
  {
    name: "destroys the response of HEAD",
    origin: (_req, res) => res.destroy(),
    request: { method: "HEAD" },
    shows: [fault],
    bare: "gateway",
  },
  {
    name: "streams from a source that fails before the first octet",
    ...streaming(
      () =>
        new Readable({
          read() {
            setImmediate(() => this.destroy(new Error("secret cause")));
          },
        }),
    ),
    shows: [fault],
  },
  {
    name: "streams from a source that fails after the first octets",
    ...streaming(async function* () {
      yield "hello";
      fail();
    }),
    shows: [fault],
  },
  {
    name: "streams from a source that fails after 100 KB",
    ...streaming(async function* () {
      yield "x".repeat(100_000);
      await sleep(60);
      fail();
    }),
    shows: [cut],
  },
  { name: "answers", origin: (_req, res) => res.end("hello"), shows: [own("hello")] },
  {
    name: "answers 1 MB in chunks",
    ...streaming(() => Readable.from(Array(16).fill("x".repeat(65_536)))),
    shows: [own(/^x{1048576}$/)],
  },
  {
    name: "streams events, and ends",
    origin: async (_req, res) => {
      res.writeHead(200, { "content-type": "text/event-stream" });
      res.write("data: 1\n\n");
      await sleep(60);
      res.end("data: 2\n\n");
    },
    shows: [own("data: 1\n\ndata: 2\n\n")],
  },
  {
    name: "answers an HTTP/1.0 client in chunks",
    origin: (_req, res) => {
      res.setHeader("transfer-encoding", "chunked");
      res.end("hello");
    },
    request: { version: "1.0" },
    shows: mended("hello"),
  },
  {
    name: "destroys the response to an HTTP/1.0 client",
    origin: (_req, res) => res.destroy(),
    request: { version: "1.0" },
    shows: [fault],
    bare: "gateway",
  },
];

function fail(): never {
  throw new Error("secret cause");
}

function bodiless(status: number): Misbehaviour {
  return {
    name: `sends content with status ${status}`,
    origin: (_req, res: Misused) => {
      res.statusCode = status;
      res.setHeader("content-length", 5);
      res.write("hello");
      res.end();
    },
    shows: [own("", { status })],
  };
}

/** Each framework's usual way to answer with a stream. */
function streaming(source: () => AsyncIterable<unknown>): Pick<Misbehaviour, "express" | "fastify"> {
  return {
    express: (_req, res) => pipeline(Readable.from(source()), res, () => {}),
    fastify: (_request, reply) => reply.send(Readable.from(source())),
  };
}
