import { cut, fault, faultOrCut, group, type Misused, mended, own, type Scenario, sleep } from "../scenario.js";

const scenarios: Scenario[] = [];

/** Content-Length values around the content "hello". */
const LENGTHS: Record<string, { value: unknown; rules: string[] }> = {
  "too small": { value: 3, rules: ["MC-5", "MC-7"] },
  "too large": { value: 50, rules: ["MC-5"] },
  zero: { value: 0, rules: ["MC-5", "MC-7"] },
  "one too large": { value: 6, rules: ["MC-5"] },
  negative: { value: -1, rules: ["FR-2"] },
  NaN: { value: Number.NaN, rules: ["FR-2"] },
  Infinity: { value: Number.POSITIVE_INFINITY, rules: ["FR-2"] },
  "a word": { value: "abc", rules: ["FR-2"] },
  empty: { value: "", rules: ["FR-2"] },
  "a fraction": { value: 5.5, rules: ["FR-2"] },
  hexadecimal: { value: "0x5", rules: ["FR-2"] },
  "an exponent": { value: "5e0", rules: ["FR-2"] },
  "with a plus": { value: "+5", rules: ["FR-2"] },
  "with a unit": { value: "5 bytes", rules: ["FR-2"] },
  "a list of the same": { value: "5, 5", rules: ["FR-3"] },
  "a list of different": { value: "5, 6", rules: ["FR-3"] },
  "an array of the same": { value: ["5", "5"], rules: ["FR-3"] },
  "an array of different": { value: ["5", "6"], rules: ["FR-3"] },
  "an empty array": { value: [], rules: ["FR-3"] },
  "beyond exact integers": { value: "99999999999999999999", rules: ["FR-4"] },
  null: { value: null, rules: ["FR-2"] },
  "an object": { value: {}, rules: ["FR-2"] },
  true: { value: true, rules: ["FR-2"] },
};

/** Ways to send "hello" under a head that is wrong. */
const SENDING: Record<string, (res: Misused) => void> = {
  "end()": (res) => res.end("hello"),
  "write() and end()": (res) => {
    res.write("hel");
    res.end("lo");
  },
};

for (const [what, { value, rules }] of Object.entries(LENGTHS)) {
  for (const [how, send] of Object.entries(SENDING)) {
    scenarios.push({
      name: `Content-Length ${what} by setHeader and ${how}`,
      rules,
      origin: (_req, res) => {
        res.setHeader("Content-Length", value);
        send(res);
      },
      shows: mended("hello"),
    });
  }
  scenarios.push({
    name: `Content-Length ${what} by writeHead`,
    rules,
    origin: (_req, res) => {
      res.writeHead(200, { "content-length": value });
      res.end("hello");
    },
    shows: mended("hello"),
  });
}

/** Transfer-Encoding values set by the app around the content "hello". */
const CODINGS = [
  "chunked",
  "Chunked",
  "CHUNKED ",
  "identity",
  "gzip",
  "gzip, chunked",
  "chunked, gzip",
  "chunked, chunked",
  "chunked, identity",
  "deflate",
  "xchunked",
  "chunkedx",
  "chunked;q=1",
  "'chunked'",
  ",chunked",
  "",
];
for (const coding of CODINGS) {
  const rules = ["FR-9", "FR-10"];
  for (const [how, send] of Object.entries(SENDING)) {
    scenarios.push({
      name: `Transfer-Encoding "${coding}" and ${how}`,
      rules,
      origin: (_req, res) => {
        res.setHeader("Transfer-Encoding", coding);
        send(res);
      },
      shows: coding.trim().toLowerCase() === "chunked" ? own("hello") : mended("hello"),
      ...(coding.toLowerCase() === "chunked" ? { control: true as const } : {}),
    });
  }
  scenarios.push(
    {
      name: `Transfer-Encoding "${coding}" to HTTP/1.0`,
      rules: ["FR-8"],
      request: { version: "1.0" },
      origin: (_req, res) => {
        res.writeHead(200, { "transfer-encoding": coding });
        res.end("hello");
      },
      shows: mended("hello", { fields: { "transfer-encoding": null } }),
    },
    {
      name: `Transfer-Encoding "${coding}" beside Content-Length`,
      rules: ["FR-1"],
      origin: (_req, res) => {
        res.writeHead(200, { "content-length": 5, "transfer-encoding": coding });
        res.end("hello");
      },
      shows: mended("hello"),
    },
  );
}

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

/** Connection and Keep-Alive fields that say what is not so. */
const CONNECTION: Record<string, Record<string, unknown>> = {
  "keep-alive with a bad Keep-Alive": { connection: "keep-alive", "keep-alive": "timeout=abc" },
  "Connection: upgrade without Upgrade": { connection: "upgrade" },
  "Connection that names Content-Length": { connection: "content-length" },
  "Connection that names Content-Type": { connection: "content-type, close" },
  "Connection: close, keep-alive": { connection: "close, keep-alive" },
  "Connection: garbage": { connection: "what ever" },
  "an empty Connection": { connection: "" },
  "Connection twice": { connection: ["keep-alive", "close"] },
  "Keep-Alive without Connection": { "keep-alive": "timeout=99999" },
  "Proxy-Connection": { "proxy-connection": "keep-alive" },
  "Upgrade without Connection": { upgrade: "h2c" },
};
for (const [what, fields] of Object.entries(CONNECTION)) {
  scenarios.push({
    name: `answers with ${what}`,
    rules: ["CX-4", "CX-5", "CX-6"],
    origin: (_req, res) => {
      res.writeHead(200, fields);
      res.end("hello");
    },
    shows: mended("hello"),
  });
}
scenarios.push(
  {
    name: "Connection: keep-alive without framing to HTTP/1.0",
    rules: ["CX-2", "FR-16"],
    request: { version: "1.0", headers: { connection: "keep-alive" } },
    origin: (_req, res) => {
      res.setHeader("connection", "keep-alive");
      res.write("hel");
      res.end("lo");
    },
    shows: mended("hello"),
  },
  {
    name: "Connection: keep-alive in answer to Connection: close",
    rules: ["CX-2"],
    request: { headers: { connection: "close" } },
    origin: (_req, res) => {
      res.setHeader("connection", "keep-alive");
      res.end("hello");
    },
    shows: mended("hello"),
  },
);

/** Trailer sections that cannot be sent as announced. */
const TRAILERS: Record<string, (res: Misused) => void> = {
  "announced beside Content-Length": (res) => {
    res.writeHead(200, { "content-length": 5, trailer: "x-sum" });
    res.end("hello");
  },
  "announced and answered in one piece": (res) => {
    res.setHeader("trailer", "x-sum");
    res.end("hello");
  },
  "announced beside Content-Length and added": (res) => {
    res.setHeader("content-length", 5);
    res.setHeader("trailer", "x-sum");
    res.addTrailers({ "x-sum": "1" });
    res.end("hello");
  },
  "with CR LF in a value": (res) => {
    res.writeHead(200, { trailer: "x-sum" });
    res.write("hello");
    res.addTrailers({ "x-sum": "1\r\nx-bad: 1" });
    res.end();
  },
  "with a bad name": (res) => {
    res.writeHead(200, { trailer: "x-sum" });
    res.write("hello");
    res.addTrailers({ "x sum": "1" });
    res.end();
  },
  "with Content-Length": (res) => {
    res.write("hello");
    res.addTrailers({ "content-length": "3" });
    res.end();
  },
  "with Transfer-Encoding": (res) => {
    res.write("hello");
    res.addTrailers({ "transfer-encoding": "chunked" });
    res.end();
  },
  "that change before they are sent": (res) => {
    const value = { toString: () => (n++ === 0 ? "1" : "1\r\nx-bad: 1"), valueOf: () => "1" };
    let n = 0;
    res.write("hello");
    res.addTrailers({ "x-sum": value });
    res.end();
  },
};
for (const [what, send] of Object.entries(TRAILERS)) {
  scenarios.push({
    name: `trailers ${what}`,
    rules: ["TR-1", "TR-2", "TR-4"],
    origin: (_req, res) => send(res),
    shows: [...mended("hello"), cut],
    also: ([first]) =>
      (first?.trailers ?? []).every(([name]: [string]) => !/content-length|transfer-encoding/i.test(name)) ||
      "a framing field stands in the trailer section",
  });
}
scenarios.push(
  {
    name: "trailers to HTTP/1.0",
    rules: ["TR-1"],
    request: { version: "1.0" },
    origin: (_req, res) => {
      res.setHeader("trailer", "x-sum");
      res.write("hello");
      res.addTrailers({ "x-sum": "1" });
      res.end();
    },
    shows: mended("hello"),
  },
  {
    name: "trailers announced and not sent",
    rules: ["TR-3"],
    control: true,
    origin: (_req, res) => {
      res.setHeader("trailer", "x-sum");
      res.write("hello");
      res.end();
    },
    shows: own("hello"),
  },
);

export default group("framing", scenarios);
