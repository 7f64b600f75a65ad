import { cut, fault, group, own, replaced, type Scenario, sleep, thrown } from "../scenario.js";

const withFields = (message: string, fields: object) => Object.assign(new Error(message), fields);

/** What origins throw; every message says "secret", so that a fallback that shows it is found out. */
const THROWN: Record<string, () => unknown> = {
  "an Error": () => new Error("secret cause"),
  "a TypeError of the engine": () => (undefined as never as { secret: { cause: 1 } }).secret.cause,
  "a string": () => "secret cause",
  "an empty string": () => "",
  "a number": () => 42,
  "a symbol": () => Symbol("secret"),
  undefined: () => undefined,
  null: () => null,
  false: () => false,
  "a plain object": () => ({ secret: "cause" }),
  "an array": () => ["secret"],
  "a function": () => () => "secret",
  "a frozen error": () => Object.freeze(new Error("secret cause")),
  "an object without prototype": () => Object.create(null),
  "an error without a stack": () => withFields("secret cause", { stack: undefined }),
  "an error whose message throws": () =>
    Object.defineProperty(new Error(), "message", {
      get() {
        throw new Error("secret getter");
      },
    }),
  "an error whose stack throws": () =>
    Object.defineProperty(new Error("secret"), "stack", {
      get() {
        throw new Error("secret getter");
      },
    }),
  "an error whose status throws": () =>
    Object.defineProperty(new Error("secret"), "status", {
      get() {
        throw new Error("secret getter");
      },
    }),
  "an error whose statusCode throws": () =>
    Object.defineProperty(new Error("secret"), "statusCode", {
      get() {
        throw new Error("secret getter");
      },
    }),
  "an error whose headers throw": () =>
    Object.defineProperty(withFields("secret", { status: 400 }), "headers", {
      get() {
        throw new Error("secret getter");
      },
    }),
  "an object whose text throws": () => ({
    toString() {
      throw new Error("secret text");
    },
  }),
  "a proxy that throws on everything": () =>
    new Proxy(
      {},
      {
        get() {
          throw new Error("secret trap");
        },
        has() {
          throw new Error("secret trap");
        },
        getPrototypeOf() {
          throw new Error("secret trap");
        },
      },
    ),
  "a revoked proxy": () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  },
  "an error with a circular cause": () => {
    const error = new Error("secret cause");
    error.cause = error;
    return error;
  },
  "an AggregateError": () => new AggregateError([new Error("secret")], "secret cause"),
  "an AbortError": () => new DOMException("secret", "AbortError"),
  "an error with status 200": () => withFields("secret", { status: 200 }),
  "an error with status 302": () => withFields("secret", { statusCode: 302 }),
  "an error with status 103": () => withFields("secret", { status: 103 }),
  "an error with status 600": () => withFields("secret", { status: 600 }),
  "an error with status 999": () => withFields("secret", { statusCode: 999 }),
  "an error with status '404x'": () => withFields("secret", { status: "404x" }),
  "an error with status NaN": () => withFields("secret", { status: Number.NaN }),
  "an error with bad headers": () =>
    withFields("secret", { status: 500, headers: { "bad name": "1", "x-y": "a\r\nb", "content-length": "abc" } }),
};

const scenarios: Scenario[] = [];
for (const [what, make] of Object.entries(THROWN)) {
  // Express takes a thrown null, undefined or "" for "no error", and then finds no route: its 404 is its answer.
  const falsy = ["undefined", "null", "false", "an empty string", "a number"].includes(what);
  const shows = falsy ? [thrown, replaced(404)] : thrown;
  scenarios.push(
    {
      name: `throws ${what}`,
      rules: ["MC-2"],
      bothHandlers: true,
      origin: () => {
        throw make();
      },
      shows,
    },
    {
      name: `rejects with ${what}`,
      rules: ["MC-2"],
      bothHandlers: true,
      origin: async () => {
        await sleep(1);
        throw make();
      },
      shows,
    },
  );
}

for (const status of [400, 401, 403, 404, 409, 413, 422, 429, 451, 500, 503]) {
  scenarios.push({
    name: `throws an error with status ${status}`,
    bothHandlers: true,
    origin: () => {
      throw withFields("secret cause", { status, headers: { "x-reason": "r" } });
    },
    shows: [replaced(status), thrown],
  });
}
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
    origin: () => ({
      get then() {
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
  },
  {
    name: "sends an unwritable chunk in a timer",
    provokes: "uncaughtException",
    origin: (_req, res) => void setTimeout(() => res.end({ no: "octets" }), 5),
    shows: replaced(500, 503),
  },
);

export default group("throwing", scenarios);
