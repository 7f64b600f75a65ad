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
  http2: {
    client: async (wire) => {
      for (let i = 1; i <= 3; i++) {
        wire.send({ path: `/${i}` });
        await wire.answers(i);
      }
    },
  },
});
add("an absolute request target", (_req, res) => res.end("hello"), {
  request: "GET http://origin/ HTTP/1.1\r\nHost: origin\r\n\r\n",
  onlyHttp1: "the target of a request has fields of its own",
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

export default group("controls: content", scenarios);
