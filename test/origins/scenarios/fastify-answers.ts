import { createReadStream } from "node:fs";
import { PassThrough, Readable, Transform } from "node:stream";
import { gzipSync } from "node:zlib";
import compress from "@fastify/compress";
import helmet from "@fastify/helmet";
import fastifyStatic from "@fastify/static";
import {
  type Aid,
  cut,
  fault,
  faultOrCut,
  group,
  late,
  type Misused,
  own,
  replaced,
  type Scenario,
  type Shown,
  sleep,
} from "../scenario.js";

const scenarios: Scenario[] = [];
const add = (
  name: string,
  fastify: NonNullable<Scenario["fastify"]>,
  rest: Partial<Scenario> & Pick<Scenario, "shows">,
) => scenarios.push({ name: `fastify: ${name}`, on: ["fastify"], fastify, ...rest });
/** A route at "/" of the app. */
const route =
  (handle: (request: Misused, reply: Misused, aid: Aid) => unknown): NonNullable<Scenario["fastify"]> =>
  (app, aid) =>
    app.get("/", (request: Misused, reply: Misused) => handle(request, reply, aid));
const sends = (make: () => unknown) => route((_request, reply) => reply.send(make()));
const failing = () =>
  new Readable({
    read() {
      this.destroy(new Error("secret cause"));
    },
  });
const failingAfter = (octets: number) =>
  Readable.from(
    (async function* () {
      yield "x".repeat(octets);
      await sleep(60);
      throw new Error("secret cause");
    })(),
  );

/** Handlers that leave their request without an answer. */
add(
  "a handler that returns undefined",
  route(() => undefined),
  { shows: late, rules: ["MC-1"] },
);
add(
  "a handler whose promise never settles",
  route(() => new Promise(() => {})),
  { shows: late, rules: ["MC-10"] },
);
add(
  "an async handler that resolves to nothing",
  route(async () => {}),
  { shows: own(""), control: true },
);
add(
  "hijack() and nothing",
  route((_request, reply) => void reply.hijack()),
  { shows: late, rules: ["MC-1"] },
);
add(
  "hijack() and reply.send",
  route((_request, reply) => reply.hijack().send("hello")),
  { shows: late },
);
add(
  "hijack() after reply.raw.writeHead",
  route((_request, reply) => {
    reply.raw.writeHead(200);
    reply.hijack();
  }),
  { shows: late },
);
add(
  "a thenable that never settles",
  route(() => ({
    // biome-ignore lint/suspicious/noThenProperty: a bad thenable is the point
    then() {},
  })),
  { shows: late },
);
add(
  "a thenable that throws",
  route(() => ({
    // biome-ignore lint/suspicious/noThenProperty: a bad thenable is the point
    then() {
      throw new Error("secret cause");
    },
  })),
  { shows: fault },
);

/** Payloads that cannot be sent. */
const PAYLOADS: Record<string, { make: () => unknown; shows?: Scenario["shows"] }> = {
  "a symbol": { make: () => Symbol("secret") },
  "a function": { make: () => () => {} },
  "a bigint": { make: () => 5n },
  "a circular object": {
    make: () => {
      const circular: Record<string, unknown> = {};
      circular.self = circular;
      return circular;
    },
  },
  "a bigint in an object": { make: () => ({ big: 5n }) },
  "an object whose toJSON throws": {
    make: () => ({
      toJSON() {
        throw new Error("secret cause");
      },
    }),
  },
  "an object whose getter throws": {
    make: () => ({
      get a() {
        throw new Error("secret cause");
      },
    }),
  },
  "an object whose pipe is no function of a stream": { make: () => ({ pipe: () => {} }) },
  "an object whose getReader fails": {
    make: () => ({
      getReader() {
        throw new Error("secret cause");
      },
    }),
  },
  "a proxy that throws": {
    make: () =>
      new Proxy(
        {},
        {
          get() {
            throw new Error("secret cause");
          },
        },
      ),
  },
  "a Map": { make: () => new Map([["a", 1]]) },
  "a Date": { make: () => new Date(0) },
  "a number": { make: () => 42 },
  true: { make: () => true },
  null: { make: () => null },
  "an empty object": { make: () => ({}) },
  "an ArrayBuffer": { make: () => new ArrayBuffer(4) },
  "a Uint16Array": { make: () => new Uint16Array([1, 2]) },
  "a Blob": { make: () => new Blob(["hello"]) },
};
for (const [what, { make }] of Object.entries(PAYLOADS)) {
  const anyAnswer: readonly Shown[] = [fault, { kind: "complete" }, late];
  add(`reply.send of ${what}`, sends(make), { shows: anyAnswer });
  add(
    `an async handler that returns ${what}`,
    route(async () => make()),
    { shows: anyAnswer },
  );
  add(
    `reply.send of the payload ${what}, 5 ms later`,
    route((_request, reply) => void setTimeout(() => reply.send(make()), 5)),
    { shows: anyAnswer, provokes: "uncaughtException" },
  );
  add(
    `reply.send of ${what} as text/html`,
    route((_request, reply) => reply.type("text/html").send(make())),
    { shows: anyAnswer },
  );
}

/** Status. */
for (const status of [0, 99, 100, 101, 103, 199, 600, 999, 1000, "abc", undefined, null, Number.NaN, -1]) {
  add(
    `reply.code(${status})`,
    route((_request, reply) => reply.code(status).send("hello")),
    { shows: fault, rules: ["SL-1", "SL-3"] },
  );
  add(
    `reply.raw.statusCode = ${status}`,
    route((_request, reply) => {
      reply.raw.statusCode = status;
      reply.send("hello");
    }),
    { shows: fault, rules: ["SL-1", "SL-3"] },
  );
}
for (const status of [204, 205, 304]) {
  add(
    `reply.code(${status}) with content`,
    route((_request, reply) => reply.code(status).send("hello")),
    { shows: own("", { status }), rules: ["FR-12", "FR-13"] },
  );
  add(
    `reply.code(${status}) with a stream`,
    route((_request, reply) => reply.code(status).send(Readable.from(["hello"]))),
    { shows: own("", { status }) },
  );
}

/** Fields. */
const FIELDS: Record<string, (reply: Misused) => unknown> = {
  "a value with CR LF": (reply) => reply.header("x-y", "a\r\nb"),
  "a value outside Latin-1": (reply) => reply.header("x-y", "日本語"),
  "a bad name": (reply) => reply.header("bad name", "1"),
  "a symbol": (reply) => reply.header("x-y", Symbol("secret")),
  "an object that throws": (reply) =>
    reply.header("x-y", {
      toString() {
        throw new Error("secret cause");
      },
    }),
  "a value of 200 KB": (reply) => reply.header("x-large", "x".repeat(200_000)),
  "500 cookies": (reply) => {
    for (let i = 0; i < 500; i++) reply.header("set-cookie", `c${i}=1`);
  },
  "a Content-Length that is too small": (reply) => reply.header("content-length", 3),
  "a Content-Length that is too large": (reply) => reply.header("content-length", 30),
  "a Content-Length that is a word": (reply) => reply.header("content-length", "abc"),
  "Transfer-Encoding chunked": (reply) => reply.header("transfer-encoding", "chunked"),
  "Transfer-Encoding gzip": (reply) => reply.header("transfer-encoding", "gzip"),
  "Content-Type twice": (reply) => reply.header("content-type", ["text/plain", "text/html"]),
  "a bad Content-Type": (reply) => reply.type("\r\n"),
  "Connection: upgrade": (reply) => reply.header("connection", "upgrade"),
};
for (const [what, set] of Object.entries(FIELDS)) {
  const kinds: Record<string, (reply: Misused) => unknown> = {
    text: (reply) => reply.send("hello"),
    "a stream": (reply) => reply.send(Readable.from(["hel", "lo"])),
    "text, 5 ms later": (reply) => void setTimeout(() => reply.send("hello"), 5),
  };
  for (const [kind, send] of Object.entries(kinds)) {
    add(
      `${what} with ${kind}`,
      route((_request, reply) => {
        set(reply);
        send(reply);
        return reply;
      }),
      {
        shows: [fault, own("hello"), ...(kind === "a stream" ? [cut] : kind === "text" ? [] : [late])],
        provokes: "uncaughtException",
        rules: ["HF-3", "MC-5"],
      },
    );
  }
}

/** Two answers, by whatever way. */
const ANSWERS: Record<string, (reply: Misused) => unknown> = {
  "reply.send": (reply) => reply.send("hello"),
  "reply.raw.end": (reply) => reply.raw.end("hello"),
  "reply.redirect": (reply) => reply.redirect("/elsewhere"),
  "reply.raw.write": (reply) => reply.raw.write("hello"),
  "reply.raw.writeHead": (reply) => reply.raw.writeHead(200),
  "reply.callNotFound": (reply) => reply.callNotFound(),
};
for (const [first, one] of Object.entries(ANSWERS)) {
  for (const [second, two] of Object.entries(ANSWERS)) {
    const started = first === "reply.raw.write" || first === "reply.raw.writeHead";
    const unended = started && (second === "reply.raw.write" || second === "reply.raw.writeHead");
    const shows: readonly Shown[] = [
      own(undefined),
      own(undefined, { status: 302 }),
      replaced(404),
      fault,
      ...(started ? [cut] : []),
      ...(unended ? [late] : []),
    ];
    const mine: Record<string, Shown> = {
      "reply.send": own("hello"),
      "reply.raw.end": own("hello"),
      "reply.redirect": own(undefined, { status: 302 }),
      "reply.callNotFound": replaced(404),
    };
    add(
      `${second} after ${first}`,
      route((_request, reply) => {
        one(reply);
        two(reply);
      }),
      {
        shows: mine[first] ? [mine[first], ...(first === "reply.callNotFound" ? [own("hello"), fault] : [])] : shows,
        rules: ["MC-7"],
        secondTakesMs: 20,
      },
    );
  }
  add(
    `${first} after the deadline`,
    route(async (_request, reply) => {
      await sleep(450);
      one(reply);
      return reply;
    }),
    { shows: late, settleMs: 250 },
  );
}
add(
  "an answer by return and one by reply.send",
  route(async (_request, reply) => {
    reply.send("hello");
    return "again";
  }),
  { shows: own("hello"), rules: ["MC-7"] },
);
add(
  "reply.send again 15 ms later",
  route((_request, reply) => {
    reply.send("hello");
    setTimeout(() => reply.send("again"), 15);
  }),
  { shows: own("hello"), secondTakesMs: 30 },
);
add(
  "reply.header 15 ms after the answer",
  route((_request, reply) => {
    reply.send("hello");
    setTimeout(() => reply.header("x-y", "1"), 15);
  }),
  { shows: own("hello"), secondTakesMs: 30 },
);
add(
  "reply.removeHeader and reply.code after the answer",
  route((_request, reply) => {
    reply.send("hello");
    reply.removeHeader("x-y");
    reply.code(500);
  }),
  { shows: own("hello") },
);

/** Streams. */
const STREAMS: Record<
  string,
  { make: (aid: Aid) => unknown; shows: Scenario["shows"]; provokes?: Scenario["provokes"]; control?: true }
> = {
  "a source that fails at once": { make: failing, shows: fault },
  "a source that fails 5 ms later": {
    make: () => {
      const source = new PassThrough();
      setTimeout(() => source.destroy(new Error("secret cause")), 5);
      return source;
    },
    shows: fault,
  },
  "a source that fails in mid-content": { make: () => failingAfter(100_000), shows: cut },
  "a source that stalls": { make: () => new PassThrough(), shows: late },
  "a source that stalls in mid-content": {
    make: () => {
      const source = new PassThrough();
      source.write("x".repeat(100_000));
      return source;
    },
    shows: cut,
  },
  "a source that was destroyed before": {
    make: () => {
      const source = new PassThrough();
      source.destroy();
      return source;
    },
    shows: [fault, late, cut],
  },
  "a source that was read to its end before": {
    make: () => {
      const source = new PassThrough();
      source.end();
      source.resume();
      return source;
    },
    shows: [own(""), late, fault],
  },
  "a source closed without an end": {
    make: () => {
      const source = new PassThrough();
      source.write("x".repeat(100_000));
      setTimeout(() => source.destroy(), 60);
      return source;
    },
    shows: cut,
  },
  "a source of objects": {
    make: () => Readable.from([{ a: 1 }]),
    shows: [...faultOrCut, late],
    provokes: "uncaughtException",
  },
  "a missing file": { make: () => createReadStream("/nonexistent/file"), shows: replaced(404, 500) },
  "a transform that fails": {
    make: () => {
      const broken = new Transform({ transform: (_chunk, _encoding, done) => done(new Error("secret cause")) });
      Readable.from(["hello"]).pipe(broken);
      return broken;
    },
    shows: fault,
  },
  "a web stream that fails at once": {
    make: () =>
      new ReadableStream({
        start(controller) {
          controller.error(new Error("secret cause"));
        },
      }),
    shows: fault,
  },
  "a web stream that fails in mid-content": {
    make: () => {
      let sent = false;
      return new ReadableStream({
        async pull(controller) {
          if (sent) {
            await sleep(60);
            controller.error(new Error("secret cause"));
          } else controller.enqueue(Buffer.alloc(100_000, "x"));
          sent = true;
        },
      });
    },
    shows: cut,
  },
  "a web stream that stalls": { make: () => new ReadableStream({}), shows: late },
  "a web stream that is locked": {
    make: () => {
      const stream = new ReadableStream({});
      stream.getReader();
      return stream;
    },
    shows: fault,
  },
  "a web stream of objects": {
    make: () =>
      new ReadableStream({
        start(controller) {
          controller.enqueue({ a: 1 });
          controller.close();
        },
      }),
    shows: [...faultOrCut, late],
    provokes: "uncaughtException",
  },
  "a Response": {
    make: () => new Response("hello", { status: 201, headers: { "x-y": "1" } }),
    shows: own("hello", { status: 201 }),
    control: true,
  },
  "a Response whose body fails": {
    make: () =>
      new Response(
        new ReadableStream({
          start(controller) {
            controller.error(new Error("secret cause"));
          },
        }),
      ),
    shows: fault,
  },
  "a Response whose body was read": {
    make: () => {
      const response = new Response("hello");
      void response.text();
      return response;
    },
    shows: [fault, own("hello"), late],
  },
  "a Response with wrong framing": {
    make: () => new Response("hello", { headers: { "content-length": "3", "transfer-encoding": "gzip" } }),
    shows: [fault, own("hello")],
  },
  "a stream that works": { make: () => Readable.from(["hel", "lo"]), shows: own("hello"), control: true },
  "a web stream that works": {
    make: () =>
      new ReadableStream({
        start(controller) {
          controller.enqueue(Buffer.from("hello"));
          controller.close();
        },
      }),
    shows: own("hello"),
    control: true,
  },
};
for (const [what, { make, shows, provokes, control }] of Object.entries(STREAMS)) {
  add(
    `reply.send of ${what}`,
    route((_request, reply, aid) => reply.send(make(aid))),
    { shows, ...(provokes ? { provokes } : {}), ...(control ? { control } : {}), rules: ["MC-6"] },
  );
}
add(
  "a stream shorter than its Content-Length",
  route((_request, reply) => reply.header("content-length", 20).send(Readable.from(["hel", "lo"]))),
  { shows: [...faultOrCut, own("hello")], rules: ["MC-5"] },
);
add(
  "a stream longer than its Content-Length",
  route((_request, reply) => reply.header("content-length", 3).send(Readable.from(["hel", "lo"]))),
  { shows: [...faultOrCut, own("hello")], rules: ["MC-7"] },
);
add(
  "a stream whose response is destroyed",
  route((_request, reply) => {
    const source = new PassThrough();
    setTimeout(() => reply.raw.destroy(), 5);
    return reply.send(source);
  }),
  { shows: fault },
);
add(
  "reply.raw.write, then a stream",
  route((_request, reply) => {
    reply.raw.write("hello");
    return reply.send(Readable.from(["again"]));
  }),
  { shows: [fault, cut, own("helloagain"), own("hello")] },
);

/** Trailers. */
const TRAILERS: Record<
  string,
  { fn: (...args: Misused[]) => unknown; shows: Scenario["shows"]; provokes?: Scenario["provokes"]; control?: true }
> = {
  "that works": { fn: (_reply, _payload, done) => done(null, "abc"), shows: own("hello"), control: true },
  "with CR LF": {
    fn: (_reply, _payload, done) => done(null, "a\r\nx-bad: 1"),
    shows: [fault, cut, own("hello")],
    provokes: "uncaughtException",
  },
  "that never comes": { fn: (_reply, _payload, _done) => {}, shows: [late, cut, own("hello")] },
  "that fails": { fn: (_reply, _payload, done) => done(new Error("secret cause")), shows: [own("hello"), fault, cut] },
  "that throws": {
    fn: (_reply, _payload, _done) => {
      throw new Error("secret cause");
    },
    shows: [own("hello"), fault, cut, late],
    provokes: "uncaughtException",
  },
  "that rejects": {
    fn: async (_reply, _payload) => Promise.reject(new Error("secret cause")),
    shows: [own("hello"), fault, cut],
    provokes: "unhandledRejection",
  },
};
for (const [what, { fn, shows, provokes, control }] of Object.entries(TRAILERS)) {
  add(
    `a trailer ${what}`,
    route((_request, reply) => {
      // Fastify tells callback trailers by their number of parameters.
      reply.trailer(
        "x-sum",
        fn.length === 2 ? (a: Misused, b: Misused) => fn(a, b) : (a: Misused, b: Misused, c: Misused) => fn(a, b, c),
      );
      reply.send("hello");
    }),
    { shows, ...(provokes ? { provokes } : {}), ...(control ? { control } : {}), rules: ["TR-3", "TR-4"] },
  );
}
add(
  "a trailer beside Content-Length",
  route((_request, reply) => {
    reply.header("content-length", 5);
    reply.trailer("x-sum", (_reply: Misused, _payload: Misused, done: Misused) => done(null, "abc"));
    reply.send("hello");
  }),
  { shows: [own("hello"), fault], rules: ["TR-1", "FR-1"] },
);

/** Serializers and schemas. */
add(
  "a serializer that throws",
  route((_request, reply) =>
    reply
      .serializer(() => {
        throw new Error("secret cause");
      })
      .send({ a: 1 }),
  ),
  { shows: fault },
);
add(
  "a serializer that gives an object",
  route((_request, reply) => reply.serializer((value: unknown) => value).send({ a: 1 })),
  { shows: fault },
);
add(
  "a reply serializer of the app that throws",
  (app) => {
    app.setReplySerializer(() => {
      throw new Error("secret cause");
    });
    app.get("/", async () => ({ a: 1 }));
  },
  { shows: fault },
);
add(
  "a response schema that cannot be met",
  (app) =>
    app.get(
      "/",
      { schema: { response: { 200: { type: "object", required: ["b"], properties: { b: { type: "string" } } } } } },
      async () => ({ a: 1 }),
    ),
  { shows: fault },
);
add(
  "a response schema of another status",
  (app) =>
    app.get(
      "/",
      { schema: { response: { "2xx": { type: "object", properties: { a: { type: "integer" } } } } } },
      async () => ({ a: "x" }),
    ),
  { shows: [fault, own()] },
);

/** @fastify/compress. */
const gzip = { headers: { "accept-encoding": "gzip" } };
const compressed =
  (handle: (request: Misused, reply: Misused) => unknown): NonNullable<Scenario["fastify"]> =>
  async (app) => {
    await app.register(compress, { threshold: 0 });
    app.get("/", handle);
  };
const plain: Shown = { kind: "replaced", statuses: [500], fields: { "content-encoding": null } };
add(
  "compress and a throw",
  compressed(() => {
    throw new Error("secret cause");
  }),
  { request: gzip, shows: fault },
);
add(
  "compress and a throw after reply.send",
  compressed((_request, reply) => {
    reply.send("hello ".repeat(500));
    throw new Error("secret cause");
  }),
  { request: gzip, shows: [own(undefined, { fields: { "content-encoding": "gzip" } }), plain] },
);
add(
  "compress and a stream that fails at once",
  compressed((_request, reply) => reply.type("text/plain").send(failing())),
  { request: gzip, shows: plain },
);
add(
  "compress and a stream that fails in mid-content",
  compressed((_request, reply) => {
    const random = Buffer.from(Array.from({ length: 300_000 }, () => Math.random() * 256));
    return reply.type("text/plain").send(
      Readable.from(
        (async function* () {
          yield random;
          await sleep(80);
          throw new Error("secret cause");
        })(),
      ),
    );
  }),
  { request: gzip, shows: [cut, plain, late] },
);
add(
  "compress and a Content-Length of the plain content",
  compressed((_request, reply) => reply.header("content-length", 3000).type("text/plain").send("hello ".repeat(500))),
  { request: gzip, shows: [own(undefined), fault] },
);
add(
  "compress and content that is coded already",
  compressed((_request, reply) => reply.header("content-encoding", "gzip").send(gzipSync("hello"))),
  { request: gzip, shows: own(), control: true },
);
add(
  "compress, right",
  compressed((_request, reply) => reply.type("text/plain").send("hello ".repeat(500))),
  { request: gzip, shows: own(undefined, { fields: { "content-encoding": "gzip" } }), control: true },
);

/** Transparency. */
const right = (name: string, fastify: NonNullable<Scenario["fastify"]>, rest: Partial<Scenario> = {}) =>
  add(`right: ${name}`, fastify, { shows: own("hello"), control: true, ...rest });
right(
  "a returned string",
  route(async () => "hello"),
);
right(
  "a returned object",
  route(async () => ({ a: 1 })),
  { shows: own('{"a":1}') },
);
right(
  "reply.send",
  route((_request, reply) => reply.send("hello")),
);
right(
  "a Buffer",
  route((_request, reply) => reply.send(Buffer.from("hello"))),
);
right(
  "a late answer",
  route(async () => {
    await sleep(60);
    return "hello";
  }),
);
right(
  "status and fields",
  route((_request, reply) => reply.code(201).header("X-A", "1").type("text/plain").send("hello")),
  { shows: own("hello", { status: 201 }) },
);
right(
  "HEAD",
  route(async () => "hello"),
  { request: { method: "HEAD" }, shows: own("") },
);
right(
  "204",
  route((_request, reply) => reply.code(204).send()),
  { shows: own("", { status: 204 }) },
);
right(
  "a redirect",
  route((_request, reply) => reply.redirect("/elsewhere")),
  { shows: own("", { status: 302 }) },
);
right("404", () => {}, { shows: replaced(404) });
right(
  "an app's own not-found handler",
  (app) => app.setNotFoundHandler((_request: Misused, reply: Misused) => reply.code(404).send("mine")),
  { shows: own("mine", { status: 404 }) },
);
right(
  "an error with status 404",
  route(async () => {
    throw Object.assign(new Error("mine"), { statusCode: 404 });
  }),
  { shows: replaced(404) },
);
right(
  "a schema error",
  (app) => app.get("/", { schema: { querystring: { type: "object", required: ["q"] } } }, async () => "hello"),
  { shows: replaced(400) },
);
right("a JSON upload", (app) => app.post("/", async (request: Misused) => request.body), {
  request: { method: "POST", body: '{"a":1}', headers: { "content-type": "application/json" } },
  shows: own('{"a":1}'),
});
right("bad JSON", (app) => app.post("/", async () => "hello"), {
  request: { method: "POST", body: "{bad", headers: { "content-type": "application/json" } },
  shows: replaced(400),
});
right(
  "a response schema",
  (app) =>
    app.get(
      "/",
      { schema: { response: { 200: { type: "object", properties: { a: { type: "integer" } } } } } },
      async () => ({ a: 1, b: 2 }),
    ),
  { shows: own('{"a":1}') },
);
right("hooks of every kind", (app) => {
  for (const hook of ["onRequest", "preHandler", "onSend", "onResponse"]) app.addHook(hook, async () => {});
  app.get("/", async () => "hello");
});
right(
  "hijack and reply.raw",
  route((_request, reply) => {
    reply.hijack();
    reply.raw.writeHead(200, { "Content-Type": "text/plain" });
    reply.raw.write("hel");
    reply.raw.end("lo");
  }),
);
right(
  "an event stream by reply.raw",
  route(async (_request, reply) => {
    reply.hijack();
    reply.raw.writeHead(200, { "Content-Type": "text/event-stream" });
    for (let i = 0; i < 3; i++) {
      reply.raw.write(`data: ${i}\n\n`);
      await sleep(15);
    }
    reply.raw.end();
  }),
  { shows: own(/data: 2/) },
);
right(
  "early hints",
  route(async (_request, reply) => {
    reply.writeEarlyHints({ link: "</a.css>; rel=preload; as=style" });
    return "hello";
  }),
);
right(
  "a file by @fastify/static",
  async (app, aid) => {
    const path = await aid.file(50_000);
    await app.register(fastifyStatic, { root: path.slice(0, path.lastIndexOf("/")), lastModified: false, etag: false });
  },
  { request: { path: "/file.txt" }, shows: own((content) => content.length === 50_000) },
);
right(
  "a range by @fastify/static",
  async (app, aid) => {
    const path = await aid.file(50_000);
    await app.register(fastifyStatic, { root: path.slice(0, path.lastIndexOf("/")), lastModified: false, etag: false });
  },
  { request: { path: "/file.txt", headers: { range: "bytes=5-9" } }, shows: own("xxxxx", { status: 206 }) },
);
right("@fastify/helmet", async (app) => {
  await app.register(helmet);
  app.get("/", async () => "hello");
});
right(
  "a prefixed plugin",
  (app) => app.register(async (inner: Misused) => inner.get("/a", async () => "hello"), { prefix: "/inner" }),
  { request: { path: "/inner/a" } },
);
right(
  "5 MB",
  route(async () => Buffer.alloc(5 << 20, "x")),
  { shows: own((content) => content.length === 5 << 20) },
);
right(
  "an upload piped back",
  (app) => {
    app.addContentTypeParser("text/x", (_request: Misused, content: Misused, done: Misused) => done(null, content));
    app.post("/", (request: Misused, reply: Misused) => reply.send(request.body));
  },
  { request: { method: "POST", body: "hello", headers: { "content-type": "text/x" } } },
);

export default group("fastify answers", scenarios);
