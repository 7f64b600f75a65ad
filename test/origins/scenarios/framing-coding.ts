import { fault, group, type Misused, mended, own, type Scenario } from "../scenario.js";

const scenarios: Scenario[] = [];

/** Ways to send "hello" under a head that is wrong. */
const SENDING: Record<string, (res: Misused) => void> = {
  "end()": (res) => res.end("hello"),
  "write() and end()": (res) => {
    res.write("hel");
    res.end("lo");
  },
};

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
      // Node throws for what belongs to a connection of HTTP/1.1.
      http2: { control: false, shows: fault },
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
      onlyHttp1: "HTTP/1.0 is a version of its own",
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

export default group("framing: Transfer-Encoding", scenarios);
