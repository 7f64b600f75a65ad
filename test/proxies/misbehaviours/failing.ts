import { cut, fault, late, type Misused, own, sleep, thrown } from "../../origins/scenario.js";
import type { Misbehaviour } from "./misbehaviour.js";

const SECRET = "secret cause";

function fail(): never {
  throw new Error(SECRET);
}

/** Handlers that fail, close or never answer, before anything is committed and after. */
export const failing: readonly Misbehaviour[] = [
  {
    name: "destroys the response before the head",
    origin: (_req, res) => res.destroy(),
    shows: [fault],
    bare: "gateway",
  },
  {
    name: "destroys the socket before the head",
    origin: (req) => req.socket.destroy(),
    shows: [fault],
    bare: "gateway",
  },
  {
    name: "resets the connection before the head",
    origin: (req) => req.socket.resetAndDestroy(),
    shows: [fault],
    bare: "gateway",
  },
  { name: "ends the socket before the head", origin: (req) => req.socket.end(), shows: [fault], bare: "gateway" },
  {
    name: "destroys the response after its head is written",
    origin: (_req, res) => {
      res.writeHead(200, { "content-length": 5, etag: '"1"' });
      res.destroy();
    },
    shows: [fault],
    bare: "gateway",
  },
  { name: "throws", origin: fail, shows: [fault] },
  { name: "rejects", origin: async () => fail(), shows: [fault] },
  {
    name: "writes five octets, then throws",
    origin: (_req, res) => {
      res.write("hello");
      fail();
    },
    shows: [fault],
    bare: "gateway",
  },
  {
    name: "writes five octets of ten, then rejects",
    origin: async (_req, res) => {
      res.writeHead(200, { "content-length": 10 });
      res.write("hello");
      await sleep(1);
      fail();
    },
    shows: [thrown],
  },
  { name: "never answers", origin: () => {}, shows: [late], bare: "gateway" },
  {
    name: "writes a head that waits for content that never comes",
    origin: (_req, res) => res.writeHead(200),
    shows: [late],
  },
  {
    name: "is destroyed after 100 KB in chunks",
    origin: async (_req, res) => {
      res.write("x".repeat(100_000));
      await sleep(60);
      res.destroy();
    },
    shows: [cut],
  },
  {
    name: "is destroyed after 100 KB of 200 KB",
    origin: async (_req, res) => {
      res.writeHead(200, { "content-length": 200_000 });
      res.write("x".repeat(100_000));
      await sleep(60);
      res.destroy();
    },
    shows: [cut],
  },
  {
    name: "falls silent after 100 KB in chunks",
    origin: (_req, res) => res.write("x".repeat(100_000)),
    shows: [cut],
  },
  {
    name: "ends, then destroys the response",
    origin: (_req, res) => {
      res.end("hello");
      res.destroy();
    },
    shows: [own("hello")],
  },
  {
    name: "ends, then destroys the socket",
    origin: (req, res) => {
      res.end("hello");
      req.socket.destroy();
    },
    shows: [own("hello")],
  },
  {
    name: "ends 1 MB, then destroys the socket",
    origin: (req, res) => {
      res.end("x".repeat(1_000_000));
      req.socket.destroy();
    },
    shows: [own(/^x{1000000}$/)],
  },
  {
    name: "answers twice",
    express: (_req, res) => {
      res.send("hello");
      res.send("again");
    },
    fastify: (_request, reply) => {
      reply.send("hello");
      reply.send("again");
    },
    shows: [own("hello")],
  },
  {
    name: "ends twice",
    origin: (_req, res) => {
      res.end("hello");
      res.end("again");
    },
    shows: [own("hello")],
  },
  {
    name: "answers, and fails 5 ms later",
    express: (_req, res, next) => {
      res.send("hello");
      setTimeout(() => next(new Error(SECRET)), 5);
    },
    fastify: async (_request, reply) => {
      reply.send("hello");
      await sleep(5);
      fail();
    },
    shows: [own("hello")],
  },
  {
    name: "answers with a 502 of its own",
    origin: (_req, res: Misused) => {
      res.statusCode = 502;
      res.end("hello");
    },
    shows: [own("hello", { status: 500 })],
  },
];
