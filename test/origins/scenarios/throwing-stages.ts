import { cut, fault, group, own, replaced, type Scenario, sleep, thrown, unfinished } from "../scenario.js";

const withFields = (message: string, fields: object) => Object.assign(new Error(message), fields);

const scenarios: Scenario[] = [];

scenarios.push(
  {
    name: "throws an error with statusCode 502",
    bothHandlers: true,
    origin: () => {
      throw withFields("secret cause", { statusCode: 502 });
    },
    shows: thrown,
  },
  {
    name: "throws an error with statusCode 504",
    bothHandlers: true,
    origin: () => {
      throw withFields("secret cause", { statusCode: 504 });
    },
    shows: thrown,
  },
  {
    name: "throws after writeHead",
    rules: ["MC-2"],
    bothHandlers: true,
    origin: (_req, res) => {
      res.writeHead(200, { "content-type": "application/json", etag: '"1"', "content-encoding": "gzip" });
      throw new Error("secret cause");
    },
    shows: thrown,
  },
  {
    name: "throws after a write in the same tick",
    rules: ["MC-2", "MC-6"],
    bothHandlers: true,
    origin: (_req, res) => {
      res.write("hello");
      throw new Error("secret cause");
    },
    shows: [thrown, cut],
  },
  {
    name: "rejects after a write in the same tick",
    rules: ["MC-2", "MC-6"],
    bothHandlers: true,
    origin: async (_req, res) => {
      res.write("hello");
      throw new Error("secret cause");
    },
    shows: [thrown, cut],
  },
  {
    name: "throws after flushHeaders",
    bothHandlers: true,
    origin: (_req, res) => {
      res.flushHeaders();
      throw new Error("secret cause");
    },
    shows: [fault, cut],
  },
  {
    name: "rejects in mid-content",
    rules: ["MC-6", "MC-9"],
    bothHandlers: true,
    origin: async (_req, res) => {
      res.write("x".repeat(100_000));
      await sleep(60);
      throw new Error("secret cause");
    },
    shows: cut,
  },
  {
    name: "throws after a small end()",
    rules: ["MC-2"],
    bothHandlers: true,
    origin: (_req, res) => {
      res.end("hello");
      throw new Error("secret cause");
    },
    secondTakesMs: 30,
    shows: own("hello"),
  },
  {
    name: "throws after end() of 8 MB",
    rules: ["MC-5"],
    bothHandlers: true,
    origin: (_req, res) => {
      res.end(Buffer.alloc(8 * 1024 * 1024, "x"));
      throw new Error("secret cause");
    },
    shows: own((content) => content.length === 8 * 1024 * 1024),
  },
  {
    name: "rejects after end() of 8 MB",
    rules: ["MC-5"],
    bothHandlers: true,
    origin: async (_req, res) => {
      res.end(Buffer.alloc(8 * 1024 * 1024, "x"));
      throw new Error("secret cause");
    },
    shows: own((content) => content.length === 8 * 1024 * 1024),
  },
  {
    name: "rejects 20 ms after the answer, while the next request is served",
    rules: ["MC-2"],
    bothHandlers: true,
    origin: async (_req, res) => {
      res.end("hello");
      await sleep(20);
      throw new Error("secret cause");
    },
    secondTakesMs: 80,
    shows: own("hello"),
  },
  {
    name: "throws while HEAD is asked for",
    request: { method: "HEAD" },
    bothHandlers: true,
    origin: () => {
      throw new Error("secret cause");
    },
    shows: thrown,
  },
  {
    name: "throws while an upload is unfinished",
    rules: ["CX-8", "CX-9", "CX-7"],
    bothHandlers: true,
    client: async (wire) => {
      wire.sendPart("POST / HTTP/1.1\r\nHost: origin\r\nContent-Length: 100000\r\n\r\nhello");
      await wire.answers(1);
    },
    http2: unfinished("hello", { "content-length": "100000" }),
    origin: () => {
      throw new Error("secret cause");
    },
    shows: thrown,
  },
  {
    name: "throws while a chunked upload is unfinished",
    rules: ["CX-8", "CX-9"],
    bothHandlers: true,
    client: async (wire) => {
      wire.sendPart("POST / HTTP/1.1\r\nHost: origin\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
      await wire.answers(1);
    },
    http2: unfinished("hello"),
    origin: () => {
      throw new Error("secret cause");
    },
    shows: thrown,
  },
  {
    name: "throws while a large upload is under way",
    rules: ["CX-8"],
    bothHandlers: true,
    client: async (wire) => {
      wire.send("POST / HTTP/1.1\r\nHost: origin\r\nContent-Length: 3000000\r\n\r\n");
      for (let i = 0; i < 30 && wire.end === "open"; i++) {
        wire.write("x".repeat(100_000));
        await sleep(1);
      }
      await wire.answers(1);
    },
    http2: unfinished("x".repeat(3_000_000), { "content-length": "3000000" }),
    origin: () => {
      throw new Error("secret cause");
    },
    shows: thrown,
  },
  {
    name: "throws from a finish listener",
    provokes: "uncaughtException",
    origin: (_req, res) => {
      res.on("finish", () => {
        throw new Error("secret cause");
      });
      res.end("hello");
    },
    shows: own("hello"),
    settleMs: 10,
  },
  {
    name: "throws from the callback of end()",
    provokes: "uncaughtException",
    // From Node 24 on, the exception keeps Node from taking the next request of the connection.
    second: "elsewhere",
    origin: (_req, res) => {
      res.end("hello", () => {
        throw new Error("secret cause");
      });
    },
    shows: own("hello"),
    settleMs: 10,
  },
  {
    name: "throws after removing every field of the response",
    origin: (_req, res) => {
      for (const name of res.getHeaderNames()) res.removeHeader(name);
      throw new Error("secret cause");
    },
    shows: thrown,
  },
  {
    name: "returns a thenable that throws",
    on: ["node"],
    origin: () => ({
      // biome-ignore lint/suspicious/noThenProperty: a bad thenable is the point
      then() {
        throw new Error("secret cause");
      },
    }),
    shows: thrown,
  },
  {
    name: "returns a thenable whose then getter throws",
    on: ["node"],
    origin: () =>
      // biome-ignore lint/suspicious/noThenProperty: a bad thenable is the point
      Object.defineProperty({}, "then", {
        get() {
          throw new Error("secret cause");
        },
      }),
    shows: [thrown, replaced(503)],
  },
);

/** Faults outside the handler's own frame: the process ends without the guard's crash handling. */
const OUTSIDE: Record<string, () => void> = {
  "in a timer": () =>
    void setTimeout(() => {
      throw new Error("secret cause");
    }, 5),
  "in setImmediate": () =>
    void setImmediate(() => {
      throw new Error("secret cause");
    }),
  "in nextTick": () =>
    process.nextTick(() => {
      throw new Error("secret cause");
    }),
  "in a microtask": () =>
    queueMicrotask(() => {
      throw new Error("secret cause");
    }),
};
for (const [where, act] of Object.entries(OUTSIDE)) {
  scenarios.push({
    name: `throws ${where}`,
    provokes: "uncaughtException",
    origin: act,
    shows: replaced(500, 503),
    rules: ["MC-2"],
  });
}
scenarios.push(
  {
    name: "rejects a promise nobody awaits",
    provokes: "unhandledRejection",
    origin: () => void Promise.reject(new Error("secret cause")),
    shows: replaced(500, 503),
  },
  {
    name: "rejects a promise nobody awaits, and answers",
    provokes: "unhandledRejection",
    origin: (_req, res) => {
      void Promise.reject(new Error("secret cause"));
      res.end("hello");
    },
    shows: own("hello"),
  },
  {
    name: "sets a bad field in a timer",
    provokes: "uncaughtException",
    rules: ["HF-3"],
    origin: (_req, res) =>
      void setTimeout(() => {
        res.setHeader("x-y", "a\r\nb");
        res.end("hello");
      }, 5),
    shows: replaced(500, 503),
    http2: { shows: [replaced(500, 503), own("hello")] },
  },
  {
    name: "sends an unwritable chunk in a timer",
    provokes: "uncaughtException",
    origin: (_req, res) => void setTimeout(() => res.end({ no: "octets" }), 5),
    shows: replaced(500, 503),
  },
);

export default group("throwing: stages", scenarios);
