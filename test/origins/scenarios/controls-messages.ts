import { fault, group, type Over, own, type Scenario, sleep } from "../scenario.js";

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
  http2: { shows: own("hello") },
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
add(
  "setHeaders with a Map",
  (_req, res) => {
    res.setHeaders(new Map([["x-a", "1"]]));
    res.end("hello");
  },
  { onlyHttp1: "the compatibility API has no setHeaders()" },
);
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
  onlyHttp1: "a request does not speak of its connection",
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
add("an answer to HTTP/1.0", (_req, res) => res.end("hello"), {
  request: { version: "1.0" },
  onlyHttp1: "HTTP/1.0 is a version of its own",
});
add("an answer to HTTP/1.0 with keep-alive", (_req, res) => res.end("hello"), {
  request: { version: "1.0", headers: { connection: "keep-alive" } },
  onlyHttp1: "HTTP/1.0 is a version of its own",
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
  http2: {
    client: async (wire) => {
      wire.send({ method: "PUT", body: "hello" });
      await wire.answers(1);
    },
  },
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
const reset: Record<string, Scenario["origin"]> = {
  "that says so": (_req, res) => {
    res.writeHead(205, { "Content-Length": 0 });
    res.end();
  },
  "by end()": (_req, res) => {
    res.statusCode = 205;
    res.end();
  },
  "by writeHead() and end()": (_req, res) => {
    res.writeHead(205);
    res.end();
  },
  "by flushHeaders() and a late end()": async (_req, res) => {
    res.statusCode = 205;
    res.flushHeaders();
    await sleep(10);
    res.end("");
  },
  "in chunks": (_req, res) => {
    res.writeHead(205, { "Transfer-Encoding": "chunked" });
    res.end();
  },
};
for (const [how, origin] of Object.entries(reset)) {
  // Node throws for what belongs to a connection of HTTP/1.1.
  const http2: Over = how === "in chunks" ? { control: false, shows: fault } : {};
  add(`205 without content ${how}`, origin, { rules: ["FR-13"], shows: own("", { status: 205 }), http2 });
  add(`205 to HEAD without content ${how}`, origin, {
    rules: ["FR-13"],
    request: { method: "HEAD" },
    shows: own("", { status: 205 }),
    http2,
  });
}
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

export default group("controls: messages", scenarios);
