import { cut, fault, faultOrCut, group, mended, own, type Scenario, sleep } from "../scenario.js";

const scenarios: Scenario[] = [];

scenarios.push(
  {
    name: "Transfer-Encoding twice",
    rules: ["FR-9"],
    origin: (_req, res) => {
      res.setHeader("transfer-encoding", ["chunked", "chunked"]);
      res.end("hello");
    },
    shows: mended("hello"),
  },
  {
    name: "Transfer-Encoding chunked with hand-made chunks",
    origin: (_req, res) => {
      res.setHeader("transfer-encoding", "chunked");
      res.end("5\r\nhello\r\n0\r\n\r\n");
    },
    control: true,
    shows: own("5\r\nhello\r\n0\r\n\r\n"),
    http2: { control: false, shows: fault },
  },
  {
    name: "hand-made chunks with chunking turned off",
    rules: ["FR-18"],
    origin: (_req, res) => {
      res.useChunkedEncodingByDefault = false;
      res.chunkedEncoding = false;
      res.setHeader("transfer-encoding", "gzip, chunked");
      res.end("zz\r\nhello");
    },
    shows: [own(), fault],
  },
  {
    name: "chunks turned off behind the header section, and content that is none",
    rules: ["FR-18"],
    origin: (_req, res) => {
      res.flushHeaders();
      res.chunkedEncoding = false;
      res.end("hello\r\n");
    },
    shows: faultOrCut,
    http2: { shows: own("hello\r\n") },
  },
  {
    name: "chunks turned off behind the header section, and the last of them missing",
    rules: ["MC-6"],
    origin: (_req, res) => {
      res.flushHeaders();
      res.chunkedEncoding = false;
      res.end("5\r\nhello\r\n");
    },
    shows: faultOrCut,
    http2: { shows: own("5\r\nhello\r\n") },
  },
  {
    name: "chunks turned off behind the header section, and hand-made ones",
    origin: (_req, res) => {
      res.flushHeaders();
      res.chunkedEncoding = false;
      res.write("5\r\nwo");
      res.end("rld\r\n0\r\n\r\n");
    },
    control: true,
    shows: own("world"),
    http2: { shows: own() },
  },
  {
    name: "raw Content-Length lines in an array given to writeHead",
    rules: ["FR-3"],
    origin: (_req, res) => {
      res.writeHead(200, ["Content-Length", "5", "content-length", "5"]);
      res.end("hello");
    },
    shows: mended("hello"),
  },
  {
    name: "Content-Length by setHeader and another by writeHead as an array",
    rules: ["FR-3"],
    origin: (_req, res) => {
      res.setHeader("content-length", 4);
      res.writeHead(200, ["Content-Length", "5"]);
      res.end("hello");
    },
    shows: mended("hello"),
  },
  {
    name: "Content-Length twice with appendHeader",
    rules: ["FR-3"],
    origin: (_req, res) => {
      res.appendHeader("content-length", "5");
      res.appendHeader("content-length", "5");
      res.end("hello");
    },
    shows: mended("hello"),
  },
  {
    name: "a length counted in letters where octets count",
    rules: ["MC-5"],
    origin: (_req, res) => {
      const text = "smörgåsbord";
      res.setHeader("content-length", text.length);
      res.end(text);
    },
    shows: mended("smörgåsbord"),
  },
  {
    name: "a length left over from replaced content",
    rules: ["MC-5"],
    origin: (_req, res) => {
      res.setHeader("content-length", 11);
      res.setHeader("content-type", "text/plain");
      res.end("short");
    },
    shows: mended("short"),
  },
  {
    name: "Content-Length without any content",
    rules: ["MC-5"],
    origin: (_req, res) => {
      res.setHeader("content-length", 5);
      res.end();
    },
    shows: [own(""), fault],
  },
  {
    name: "a large answer longer than its Content-Length",
    rules: ["MC-5", "MC-7"],
    origin: (_req, res) => {
      res.writeHead(200, { "content-length": 150_000 });
      res.write("x".repeat(100_000));
      setTimeout(() => res.end("x".repeat(60_000)), 60);
    },
    shows: cut,
  },
  {
    name: "a large answer longer than its Content-Length by one write",
    rules: ["MC-7"],
    origin: async (_req, res) => {
      res.writeHead(200, { "content-length": 100_000 });
      res.write("x".repeat(100_000));
      await sleep(60);
      res.write("surplus");
      await sleep(10);
      res.end("surplus");
    },
    settleMs: 120,
    shows: [cut, own(/^x{100000}$/)],
  },
  {
    name: "a large answer shorter than its Content-Length",
    rules: ["MC-5"],
    origin: async (_req, res) => {
      res.writeHead(200, { "content-length": 200_000 });
      res.write("x".repeat(100_000));
      await sleep(60);
      res.end();
    },
    shows: cut,
  },
  {
    name: "a stream shorter than its Content-Length within the hold-back",
    rules: ["MC-5"],
    origin: async (_req, res) => {
      res.writeHead(200, { "content-length": 20 });
      res.write("hello");
      res.end();
    },
    shows: [...mended("hello"), cut],
  },
  {
    name: "a small answer shorter than its Content-Length after flushHeaders",
    rules: ["MC-5"],
    origin: (_req, res) => {
      res.writeHead(200, { "content-length": 20 });
      res.flushHeaders();
      setTimeout(() => res.end("hello"), 10);
    },
    shows: faultOrCut,
  },
  {
    name: "strictContentLength and too much content",
    rules: ["MC-5"],
    origin: (_req, res) => {
      res.strictContentLength = true;
      res.setHeader("content-length", 3);
      res.end("hello");
    },
    shows: mended("hello"),
  },
  {
    name: "strictContentLength and too little content",
    rules: ["MC-5"],
    origin: (_req, res) => {
      res.strictContentLength = true;
      res.writeHead(200, { "content-length": 30 });
      res.write("hel");
      res.end("lo");
    },
    shows: mended("hello"),
  },
  {
    name: "neither length nor chunks on a persistent connection",
    rules: ["FR-16"],
    origin: (_req, res) => {
      res.removeHeader("transfer-encoding");
      res.write("hel");
      res.end("lo");
    },
    shows: own("hello"),
  },
  {
    name: "close-delimited content that fails half-way",
    rules: ["MC-9", "FR-16"],
    origin: async (_req, res) => {
      res.useChunkedEncodingByDefault = false;
      res.removeHeader("transfer-encoding");
      res.write("x".repeat(100_000));
      await sleep(60);
      res.destroy();
    },
    shows: cut,
  },
  {
    name: "close-delimited content to HTTP/1.0 that fails half-way",
    rules: ["MC-9"],
    request: { version: "1.0" },
    onlyHttp1: "HTTP/1.0 is a version of its own",
    origin: async (_req, res) => {
      res.write("x".repeat(100_000));
      await sleep(60);
      res.destroy();
    },
    shows: cut,
  },
  {
    name: "corked writes, then write and end",
    rules: ["FR-18"],
    origin: async (_req, res) => {
      res.cork();
      res.write("a");
      await sleep(5);
      res.write("b");
      res.end("c");
    },
    shows: own("abc"),
  },
  {
    name: "corked twice and uncorked once before end",
    rules: ["FR-18"],
    origin: (_req, res) => {
      res.cork();
      res.cork();
      res.write("a");
      res.uncork();
      res.write("b");
      res.end("c");
    },
    shows: own("abc"),
  },
);

export default group("framing: other", scenarios);
