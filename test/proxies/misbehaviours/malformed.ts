import { fault, late, type Misused, mended, own } from "../../origins/scenario.js";
import type { Misbehaviour } from "./misbehaviour.js";

/** Status line, framing and fields that no recipient can take, and octets that are no response. */
export const malformed: readonly Misbehaviour[] = [
  withHead("announces less content than it sends", { "content-length": 3 }),
  { ...withHead("announces more content than it sends", { "content-length": 50 }), bare: "wrong" },
  withHead("sends two different Content-Length", { "content-length": ["5", "6"] }),
  withHead("sends a Content-Length that is no number", { "content-length": "abc" }),
  withHead("sends a negative Content-Length", { "content-length": -5 }),
  withHead("sends Content-Length beside Transfer-Encoding", { "content-length": 5, "transfer-encoding": "chunked" }),
  withHead("sends Transfer-Encoding identity", { "transfer-encoding": "identity" }),
  withHead("sends Transfer-Encoding gzip, chunked", { "transfer-encoding": "gzip, chunked" }),
  withHead("sends Transfer-Encoding twice", { "transfer-encoding": ["chunked", "chunked"] }),
  withHead("sends Connection and Keep-Alive of its own", {
    connection: "keep-alive, x-hop",
    "keep-alive": "timeout=0",
  }),
  withHead("announces a trailer that never comes", { trailer: "x-sum" }),
  withStatus(0),
  withStatus(99),
  withStatus(101),
  withStatus(103),
  withStatus(600),
  withStatus(999),
  {
    name: "sends a reason phrase in Cyrillic",
    origin: (_req, res) => {
      res.statusMessage = "хорошо";
      res.end("hello");
    },
    shows: mended("hello"),
  },
  {
    name: "sets a field value with CR and LF",
    origin: (_req, res) => {
      res.setHeader("x-a", "1\r\nSet-Cookie: a=b");
      res.end("hello");
    },
    shows: mended("hello"),
  },
  oversized("sends a field of 200 KB", "x-large", "x".repeat(200_000)),
  oversized("sends a field of 5 KB", "x-large", "x".repeat(5_000)),
  oversized(
    "sends 300 Set-Cookie lines",
    "set-cookie",
    Array.from({ length: 300 }, (_, i) => `name${i}=value${i}`),
  ),
  {
    name: "sends a header section of nearly 4 KB",
    origin: (_req, res) => {
      res.setHeader("x-large", "x".repeat(3_800));
      res.end("hello");
    },
    shows: [own("hello")],
  },
  {
    name: "sends 120 field lines",
    origin: (_req, res) => {
      for (let line = 0; line < 120; line++) res.setHeader(`x-${line}`, "1");
      res.end("hello");
    },
    shows: [fault],
  },
  {
    name: "sends 85 field lines",
    origin: (_req, res) => {
      for (let line = 0; line < 85; line++) res.setHeader(`x-${line}`, "1");
      res.end("hello");
    },
    shows: [own("hello")],
  },
  handMade("garbage", "garbage\r\n\r\n"),
  handMade("a TLS alert", "\x15\x03\x01\0\x02\x02\x28"),
  { ...handMade("half a head", "HTTP/1.1 200 OK\r\nContent-Le"), bare: "gateway" },
  { ...handMade("a field without a colon", "HTTP/1.1 200 OK\r\nno colon here\r\n\r\n"), bare: "gateway" },
  {
    name: "writes garbage to the socket and goes quiet",
    origin: (req) => req.socket.write("garbage"),
    shows: [fault, late],
    bare: "wrong",
  },
  {
    name: "ends the socket with a complete response by hand",
    origin: (req) => req.socket.end("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    shows: mended("hello"),
  },
  {
    name: "answers, then writes garbage to the socket",
    origin: (req, res) => {
      res.end("hello");
      req.socket.write("garbage");
    },
    shows: [own("hello")],
  },
];

function withHead(what: string, fields: Record<string, unknown>): Misbehaviour {
  return {
    name: what,
    origin: (_req, res) => {
      for (const [name, value] of Object.entries(fields)) res.setHeader(name, value);
      res.write("hel");
      res.end("lo");
    },
    shows: mended("hello"),
  };
}

function withStatus(status: number): Misbehaviour {
  return {
    name: `answers with status ${status}`,
    origin: (_req, res: Misused) => {
      res.statusCode = status;
      res.end("hello");
    },
    shows: [fault],
  };
}

function oversized(name: string, field: string, value: string | string[]): Misbehaviour {
  return {
    name,
    origin: (_req, res) => {
      res.setHeader(field, value);
      res.end("hello");
    },
    shows: [fault],
  };
}

function handMade(what: string, octets: string): Misbehaviour {
  return {
    name: `writes ${what} to the socket and ends it`,
    origin: (req) => req.socket.end(octets, "latin1"),
    shows: [fault],
    bare: "wrong",
  };
}
