import { createReadStream } from "node:fs";
import { pipeline } from "node:stream";
import { createGzip, gzipSync } from "node:zlib";
import { group, type Misused, own, type Scenario, sleep } from "../scenario.js";

const scenarios: Scenario[] = [];
const add = (name: string, origin: Scenario["origin"], rest: Partial<Scenario> = {}) =>
  scenarios.push({
    name: `right: ${name}`,
    control: true,
    shows: own("hello"),
    ...(origin ? { origin } : {}),
    ...rest,
  });

add("end(content)", (_req, res) => res.end("hello"), {
  rules: ["FR-17"],
  shows: own("hello", { fields: { "content-length": "5" } }),
});
add("end(Buffer)", (_req, res) => res.end(Buffer.from("hello")));
add("end(Uint8Array)", (_req, res) => res.end(new Uint8Array([104, 101, 108, 108, 111])));
add("end() without content", (_req, res) => res.end(), { shows: own("") });
add("write and end", (_req, res) => {
  res.write("hel");
  res.end("lo");
});
add("many small writes in one tick", (_req, res) => {
  for (const octet of "hello") res.write(octet);
  res.end();
});
add("writes over several ticks", async (_req, res) => {
  for (const octet of "hello") {
    res.write(octet);
    await sleep(8);
  }
  res.end();
});
add("a slow first octet", async (_req, res) => {
  await sleep(100);
  res.end("hello");
});
add("writeHead with fields and a reason", (_req, res) => {
  res.writeHead(200, "Fine", { "Content-Type": "text/plain", "X-Mixed-Case": "1" });
  res.end("hello");
});
add("writeHead with raw fields", (_req, res) => {
  res.writeHead(200, ["X-A", "1", "x-a", "2", "Content-Length", "5"]);
  res.end("hello");
});
add("setHeader, then writeHead over it", (_req, res) => {
  res.setHeader("X-A", "1");
  res.setHeader("X-B", "2");
  res.writeHead(200, { "X-A": "3" });
  res.end("hello");
});
add("setHeaders with a Map", (_req, res) => {
  res.setHeaders(new Map([["x-a", "1"]]));
  res.end("hello");
});
add("an explicit Content-Length", (_req, res) => {
  res.writeHead(200, { "Content-Length": 5 });
  res.end("hello");
});
add("an explicit Content-Length and several writes", async (_req, res) => {
  res.writeHead(200, { "Content-Length": "5" });
  res.write("he");
  await sleep(40);
  res.write("ll");
  res.end("o");
});
add("Connection: close", (_req, res) => {
  res.setHeader("Connection", "close");
  res.end("hello");
});
add("Connection: close and chunks", (_req, res) => {
  res.setHeader("Connection", "close");
  res.write("hel");
  res.end("lo");
});
add("a request with Connection: close", (_req, res) => res.end("hello"), {
  request: { headers: { connection: "close" } },
});
add("shouldKeepAlive turned off", (_req, res) => {
  res.shouldKeepAlive = false;
  res.end("hello");
});
add("close-delimited content", (_req, res) => {
  res.useChunkedEncodingByDefault = false;
  res.write("hel");
  res.end("lo");
});
add("an answer to HTTP/1.0", (_req, res) => res.end("hello"), { request: { version: "1.0" } });
add("an answer to HTTP/1.0 with keep-alive", (_req, res) => res.end("hello"), {
  request: { version: "1.0", headers: { connection: "keep-alive" } },
});
add("HEAD", (_req, res) => res.end("hello"), { request: { method: "HEAD" }, shows: own("") });
add(
  "HEAD with chunks",
  (_req, res) => {
    res.write("hel");
    res.end("lo");
  },
  { request: { method: "HEAD" }, shows: own("") },
);
add(
  "OPTIONS",
  (_req, res) => {
    res.writeHead(204, { Allow: "GET, HEAD" });
    res.end();
  },
  { request: { method: "OPTIONS" }, shows: own("", { status: 204 }) },
);
add(
  "DELETE with 204",
  (_req, res) => {
    res.statusCode = 204;
    res.end();
  },
  { request: { method: "DELETE" }, shows: own("", { status: 204 }) },
);
add(
  "POST with content",
  (req, res) => {
    req.resume();
    req.on("end", () => res.end("hello"));
  },
  { request: { method: "POST", body: "abc" } },
);
add("PUT with chunks", (req, res) => req.pipe(res), {
  request: "PUT / HTTP/1.1\r\nHost: origin\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
});
add(
  "a redirect",
  (_req, res) => {
    res.writeHead(302, { Location: "/elsewhere" });
    res.end();
  },
  { shows: own("", { status: 302 }) },
);
add(
  "304 with an ETag",
  (_req, res) => {
    res.writeHead(304, { ETag: '"1"', "Cache-Control": "max-age=60" });
    res.end();
  },
  { request: { headers: { "if-none-match": '"1"' } }, shows: own("", { status: 304 }) },
);
add(
  "206 with a range",
  (_req, res) => {
    res.writeHead(206, { "Content-Range": "bytes 0-4/10", "Content-Length": 5 });
    res.end("hello");
  },
  { request: { headers: { range: "bytes=0-4" } }, shows: own("hello", { status: 206 }) },
);
add(
  "416",
  (_req, res) => {
    res.writeHead(416, { "Content-Range": "bytes */10" });
    res.end();
  },
  { shows: own("", { status: 416 }) },
);
add(
  "205 without content",
  (_req, res) => {
    res.writeHead(205, { "Content-Length": 0 });
    res.end();
  },
  { shows: own("", { status: 205 }) },
);
add("cookies", (_req, res) => {
  res.setHeader("Set-Cookie", ["a=1; Path=/; HttpOnly", "b=2"]);
  res.appendHeader("Set-Cookie", "c=3");
  res.end("hello");
});
add("fields of every caching kind", (_req, res) => {
  res.writeHead(200, {
    ETag: 'W/"1"',
    "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT",
    "Cache-Control": "public, max-age=60",
    Vary: "Accept",
    Age: "1",
  });
  res.end("hello");
});
add("a Date of the app", (_req, res) => {
  res.setHeader("Date", "Thu, 01 Jan 2026 00:00:00 GMT");
  res.end("hello");
});
add(
  "an event stream",
  async (_req, res) => {
    res.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-cache" });
    for (let i = 0; i < 4; i++) {
      res.write(`data: ${i}\n\n`);
      await sleep(30);
    }
    res.end();
  },
  { shows: own(/^(data: \d\n\n){4}$/) },
);
add("flushHeaders, then a late answer", async (_req, res) => {
  res.writeHead(200, { "Content-Type": "text/plain" });
  res.flushHeaders();
  await sleep(60);
  res.end("hello");
});
add("trailers", (_req, res) => {
  res.writeHead(200, { Trailer: "X-Sum" });
  res.write("hello");
  res.addTrailers({ "X-Sum": "abc" });
  res.end();
});
add("a cork around two writes", (_req, res) => {
  res.cork();
  res.write("hel");
  res.write("lo");
  process.nextTick(() => {
    res.uncork();
    res.end();
  });
});
add("1 MB in one piece", (_req, res) => res.end(Buffer.alloc(1 << 20, "x")), {
  shows: own((content) => content.length === 1 << 20),
});
add("1 MB as a string", (_req, res) => res.end("é".repeat(1 << 19)), {
  shows: own((content) => content.length === 1 << 20),
});
add(
  "20 MB with back pressure",
  async (_req, res) => {
    const block = Buffer.alloc(1 << 20, "x");
    for (let i = 0; i < 20; i++) if (!res.write(block)) await new Promise((resolve) => res.once("drain", resolve));
    res.end();
  },
  { shows: own((content) => content.length === 20 << 20) },
);
add(
  "20 MB with back pressure under Content-Length",
  async (_req, res) => {
    res.writeHead(200, { "Content-Length": 20 << 20 });
    const block = Buffer.alloc(1 << 20, "x");
    for (let i = 0; i < 20; i++) if (!res.write(block)) await new Promise((resolve) => res.once("drain", resolve));
    res.end();
  },
  { shows: own((content) => content.length === 20 << 20) },
);
add("writes whose callbacks drive the next", (_req, res) => {
  const parts = [..."hello"];
  const next = () => {
    const part = parts.shift();
    if (part === undefined) res.end();
    else res.write(part, next);
  };
  next();
});
add("end() with a callback", (_req, res) => res.end("hello", () => {}));
add("latin1 and hex content", (_req, res) => {
  res.write("hel", "latin1");
  res.end("6c6f", "hex");
});
add(
  "UTF-8 over several writes",
  (_req, res) => {
    const octets = Buffer.from("smörgåsbord");
    res.write(octets.subarray(0, 3));
    res.end(octets.subarray(3));
  },
  { shows: own("smörgåsbord") },
);
add(
  "a gzip answer",
  (_req, res) => {
    res.writeHead(200, { "Content-Encoding": "gzip" });
    res.end(gzipSync("hello"));
  },
  { shows: own() },
);
add(
  "a gzip stream",
  (_req, res) => {
    res.writeHead(200, { "Content-Encoding": "gzip" });
    const gzip = createGzip();
    pipeline(gzip, res, () => {});
    gzip.end("hello");
  },
  { shows: own() },
);
add(
  "a file by pipe",
  async (_req, res, aid) => {
    createReadStream(await aid.file(200_000)).pipe(res);
  },
  { shows: own((content) => content.length === 200_000) },
);
add(
  "an error page of the app",
  (_req, res) => {
    res.writeHead(500, { "Content-Type": "application/json" });
    res.end('{"error":"mine"}');
  },
  { shows: own('{"error":"mine"}', { status: 500 }) },
);
add(
  "an own 503 with Retry-After",
  (_req, res) => {
    res.writeHead(503, { "Retry-After": "5" });
    res.end("later");
  },
  { shows: own("later", { status: 503 }) },
);
add(
  "an error that the app catches",
  async (_req, res) => {
    try {
      throw new Error("secret cause");
    } catch {
      res.statusCode = 400;
      res.end("caught");
    }
  },
  { shows: own("caught", { status: 400 }) },
);
add("three requests one after the other", (_req, res) => res.end("hello"), {
  client: async (wire) => {
    for (let i = 1; i <= 3; i++) {
      wire.send(`GET /${i} HTTP/1.1\r\nHost: origin\r\n\r\n`);
      await wire.answers(i);
    }
  },
  showsAll: [own("hello"), own("hello"), own("hello")],
});
add("an absolute request target", (_req, res) => res.end("hello"), {
  request: "GET http://origin/ HTTP/1.1\r\nHost: origin\r\n\r\n",
});
add("a long path with a query", (_req, res) => res.end("hello"), { request: { path: `/a/b?q=${"x".repeat(3000)}` } });
add("events of the response in their order", (_req, res) => {
  const seen: string[] = [];
  for (const event of ["prefinish", "finish"]) res.on(event, () => seen.push(event));
  res.end("hello");
});
add(
  "listeners counted and state read while writing",
  async (_req, res: Misused) => {
    res.write("x");
    const state = [
      res.headersSent,
      res.writableEnded,
      res.writableLength >= 0,
      typeof res.write(""),
      res.writableCorked,
    ];
    res.end(state.slice(0, 3).join());
  },
  { shows: own("xtrue,false,true") },
);
add("100 fields", (_req, res) => {
  for (let i = 0; i < 100; i++) res.setHeader(`x-${i}`, "v".repeat(20));
  res.end("hello");
});

export default group("controls", scenarios);
