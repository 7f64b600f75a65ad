import { fault, group, type Misused, mended, own, type Scenario } from "../scenario.js";

/** Ways to give content to a response that has none. */
const GIVING: Record<string, (res: Misused, status: number) => void> = {
  "content by end()": (res, status) => {
    res.statusCode = status;
    res.end("hello");
  },
  "content by write()": (res, status) => {
    res.statusCode = status;
    res.write("hel");
    res.end("lo");
  },
  "content by write(), each piece behind the last": (res, status) => {
    res.writeHead(status);
    res.write("hel", () => res.write(Buffer.from("l"), () => res.end("o")));
  },
  "Content-Length and content": (res, status) => {
    res.writeHead(status, { "content-length": 5 });
    res.end("hello");
  },
  "Content-Length only": (res, status) => {
    res.writeHead(status, { "content-length": 5 });
    res.end();
  },
  "Content-Length 0": (res, status) => {
    res.writeHead(status, { "content-length": 0 });
    res.end();
  },
  "Transfer-Encoding chunked": (res, status) => {
    res.writeHead(status, { "transfer-encoding": "chunked" });
    res.end("hello");
  },
  "a Buffer": (res, status) => {
    res.writeHead(status, { "content-type": "application/octet-stream" });
    res.end(Buffer.from("hello"));
  },
  "bad Content-Length": (res, status) => {
    res.writeHead(status, { "content-length": "abc" });
    res.end();
  },
};

const scenarios: Scenario[] = [];
for (const status of [204, 205, 304]) {
  for (const [what, give] of Object.entries(GIVING)) {
    const rules = { 204: ["FR-5", "FR-6", "FR-12"], 205: ["FR-13"], 304: ["FR-12", "FR-15"] }[status] ?? [];
    scenarios.push({
      name: `${status} with ${what}`,
      rules,
      origin: (_req, res) => give(res, status),
      shows: [
        own("", {
          status,
          // A 304 may have the fields that frame the 200.
          fields: {
            ...(status === 204 ? { "content-length": null } : {}),
            ...(status === 204 ? { "transfer-encoding": null } : {}),
          },
        }),
        ...(what.startsWith("bad") ? [fault] : []),
      ],
      ...(what.startsWith("Transfer-Encoding") ? { http2: { shows: fault } } : {}),
      ...(status === 304 && what === "Content-Length only" ? { control: true as const } : {}),
    });
  }
}
for (const [what, give] of Object.entries(GIVING)) {
  scenarios.push({
    name: `HEAD with ${what}`,
    rules: ["FR-11", "FR-14"],
    request: { method: "HEAD" },
    origin: (_req, res) => give(res, 200),
    shows: what.startsWith("bad") ? mended("") : own(""),
    ...(what.startsWith("Transfer-Encoding") ? { http2: { shows: fault } } : {}),
  });
}
scenarios.push(
  {
    name: "204 that refuses content by rejectNonStandardBodyWrites",
    rules: ["FR-12"],
    serverOptions: { rejectNonStandardBodyWrites: true },
    onlyHttp1: "node:http2 has no such option",
    origin: (_req, res) => {
      res.statusCode = 204;
      res.end("hello");
    },
    shows: [own("", { status: 204 }), fault],
  },
  {
    name: "HEAD that refuses content by rejectNonStandardBodyWrites",
    rules: ["FR-11"],
    request: { method: "HEAD" },
    serverOptions: { rejectNonStandardBodyWrites: true },
    onlyHttp1: "node:http2 has no such option",
    origin: (_req, res) => {
      res.write("hello");
      res.end("hello");
    },
    shows: [own(""), fault],
  },
  {
    name: "HEAD with Transfer-Encoding and Content-Length",
    rules: ["FR-1", "FR-14"],
    request: { method: "HEAD" },
    origin: (_req, res) => {
      res.writeHead(200, { "content-length": 5, "transfer-encoding": "chunked" });
      res.end();
    },
    shows: mended(""),
  },
  {
    name: "HEAD that announces a length and sends nothing",
    rules: ["FR-14"],
    control: true,
    request: { method: "HEAD" },
    origin: (_req, res) => {
      res.writeHead(200, { "content-length": 12345, etag: '"1"' });
      res.end();
    },
    shows: own("", { fields: { "content-length": "12345" } }),
  },
  {
    name: "204 with trailers",
    rules: ["FR-6", "TR-1"],
    origin: (_req, res) => {
      res.writeHead(204, { trailer: "x-sum" });
      res.addTrailers({ "x-sum": "1" });
      res.end();
    },
    shows: [own("", { status: 204 }), fault],
  },
  {
    name: "content written after the head of a 304 was flushed",
    rules: ["FR-12"],
    origin: (_req, res) => {
      res.writeHead(304);
      res.flushHeaders();
      res.write("hello");
      res.end("hello");
    },
    shows: own("", { status: 304 }),
    control: true,
  },
);

export default group("bodiless", scenarios);
