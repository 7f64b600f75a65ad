import { cut, group, type Misused, mended, own, type Scenario } from "../scenario.js";

const scenarios: Scenario[] = [];

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
    http2: { provokes: "uncaughtException" },
  });
}
scenarios.push(
  {
    name: "Connection: keep-alive without framing to HTTP/1.0",
    rules: ["CX-2", "FR-16"],
    request: { version: "1.0", headers: { connection: "keep-alive" } },
    onlyHttp1: "HTTP/1.0 is a version of its own",
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
    onlyHttp1: "a request does not speak of its connection",
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
    onlyHttp1: "HTTP/1.0 is a version of its own",
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

export default group("framing: connection and trailers", scenarios);
