import { cut, fault, group, late, type Misused, own, replaced, type Scenario, type Shown, sleep } from "../scenario.js";

const withFields = (message: string, fields: object) => Object.assign(new Error(message), fields);
const throwing = (name: string, rest: object = {}) =>
  Object.defineProperty(withFields("secret", rest), name, {
    get() {
      throw new Error("secret getter");
    },
  });

const scenarios: Scenario[] = [];
const add = (
  name: string,
  fastify: NonNullable<Scenario["fastify"]>,
  rest: Partial<Scenario> & Pick<Scenario, "shows">,
) => scenarios.push({ name: `fastify: ${name}`, on: ["fastify"], fastify, ...rest });
/** A route at "/" of the app. */
const route =
  (handle: (request: Misused, reply: Misused) => unknown): NonNullable<Scenario["fastify"]> =>
  (app) =>
    app.get("/", handle);

/** What a handler throws, rejects with, or gives to reply.send. */
const THROWN: Record<string, { make: () => unknown; status?: number[] }> = {
  "an Error": { make: () => new Error("secret cause") },
  "a string": { make: () => "secret cause" },
  "a symbol": { make: () => Symbol("secret") },
  undefined: { make: () => undefined },
  null: { make: () => null },
  "a number": { make: () => 42 },
  "an array": { make: () => ["secret"] },
  "a plain object": { make: () => ({ secret: true }) },
  "an object without prototype": { make: () => Object.create(null) },
  "a frozen error": { make: () => Object.freeze(new Error("secret")) },
  "an error with statusCode 404": { make: () => withFields("secret", { statusCode: 404 }), status: [404] },
  "an error with status 200": { make: () => withFields("secret", { status: 200 }) },
  "an error with statusCode 999": { make: () => withFields("secret", { statusCode: 999 }) },
  "an error with statusCode '404x'": { make: () => withFields("secret", { statusCode: "404x" }) },
  "an error with statusCode '404'": { make: () => withFields("secret", { statusCode: "404" }), status: [404, 500] },
  "an error with statusCode 502": { make: () => withFields("secret", { statusCode: 502 }) },
  "an error with statusCode 504": { make: () => withFields("secret", { statusCode: 504 }), status: [500, 503] },
  "an error with bad headers": {
    make: () => withFields("secret", { statusCode: 400, headers: { "x-y": "a\r\nb" } }),
    status: [400, 500],
  },
  "an error with headers of a bad name": {
    make: () => withFields("secret", { statusCode: 400, headers: { "bad name": "1" } }),
    status: [400, 500],
  },
  "an error with framing headers": {
    make: () =>
      withFields("secret", { statusCode: 400, headers: { "content-length": "3", "transfer-encoding": "chunked" } }),
    status: [400, 500],
  },
  "an error with huge headers": {
    make: () => withFields("secret", { statusCode: 400, headers: { "x-large": "x".repeat(200_000) } }),
    status: [400, 500],
  },
  "an error with null headers": { make: () => withFields("secret", { headers: null }) },
  "an error whose statusCode throws": { make: () => throwing("statusCode") },
  "an error whose status throws": { make: () => throwing("status") },
  "an error whose headers throw": { make: () => throwing("headers", { statusCode: 400 }), status: [400, 500] },
  "an error whose message throws": { make: () => throwing("message") },
  "an error whose code throws": { make: () => throwing("code") },
  "an error whose toJSON throws": {
    make: () =>
      withFields("secret", {
        toJSON() {
          throw new Error("secret json");
        },
      }),
  },
  "an error whose message is a symbol": { make: () => withFields("secret", { message: Symbol("secret") }) },
  "an error with a circular cause": {
    make: () => {
      const error = new Error("secret");
      error.cause = error;
      return error;
    },
  },
};
for (const [what, { make, status = [500] }] of Object.entries(THROWN)) {
  // What is no error may be taken for an answer; what counts is that one comes.
  const shows: Shown | readonly Shown[] =
    make() instanceof Error ? replaced(...status) : [replaced(...status), { kind: "complete" }];
  add(
    `a handler that throws ${what}`,
    route(() => {
      throw make();
    }),
    { shows, rules: ["MC-2"] },
  );
  add(
    `a handler that rejects with ${what}`,
    route(async () => {
      await sleep(1);
      throw make();
    }),
    { shows, rules: ["MC-2"] },
  );
  add(
    `reply.send of ${what}, 5 ms later`,
    route((_request, reply) => void setTimeout(() => reply.send(make()), 5)),
    {
      shows: make() instanceof Error ? shows : [fault, { kind: "complete" }, late],
      provokes: "uncaughtException",
    },
  );
}

/** Error handlers of the app that fail themselves. */
const HANDLERS: Record<
  string,
  { handle: (error: Misused, request: Misused, reply: Misused) => unknown; shows: Scenario["shows"]; control?: true }
> = {
  throws: {
    handle: () => {
      throw new Error("secret second");
    },
    shows: fault,
  },
  "throws undefined": {
    handle: () => {
      throw undefined;
    },
    shows: fault,
  },
  "throws null": {
    handle: () => {
      throw null;
    },
    shows: fault,
  },
  "throws a string": {
    handle: () => {
      throw "secret";
    },
    shows: fault,
  },
  rejects: { handle: async () => Promise.reject(new Error("secret second")), shows: fault },
  "rejects with undefined": { handle: async () => Promise.reject(undefined), shows: fault },
  "never answers": { handle: () => {}, shows: late },
  "never settles": { handle: () => new Promise(() => {}), shows: late },
  "resolves to undefined": { handle: async () => {}, shows: [fault, late] },
  "returns a symbol": { handle: () => Symbol("secret"), shows: fault },
  "returns a function": { handle: () => () => {}, shows: [fault, { kind: "complete" }] },
  "returns a circular object": {
    handle: () => {
      const circular: Record<string, unknown> = {};
      circular.self = circular;
      return circular;
    },
    shows: fault,
  },
  "returns the error": { handle: (error) => error, shows: fault },
  "sends the error": { handle: (error, _request, reply) => reply.send(error), shows: fault },
  "sends twice": {
    handle: (_error, _request, reply) => {
      reply.code(500).send("oops");
      reply.send("again");
    },
    shows: own("oops", { status: 500 }),
  },
  "sends a bad status": { handle: (_error, _request, reply) => reply.code(999).send("oops"), shows: fault },
  "sends status 100": { handle: (_error, _request, reply) => reply.code(100).send("oops"), shows: fault },
  "sends a bad field": {
    handle: (_error, _request, reply) => reply.code(500).header("x-y", "a\r\nb").send("oops"),
    shows: fault,
  },
  "sends an object under text/plain": {
    handle: (_error, _request, reply) => reply.code(500).type("text/plain").send({ a: 1 }),
    shows: fault,
  },
  "sends 502": { handle: (_error, _request, reply) => reply.code(502).send("oops"), shows: fault },
  "destroys the response": { handle: (_error, _request, reply) => reply.raw.destroy(), shows: fault },
  "hijacks and leaves": { handle: (_error, _request, reply) => void reply.hijack(), shows: late },
  "answers by reply.raw": {
    handle: (_error, _request, reply) => void reply.raw.writeHead(500).end("oops"),
    shows: own("oops", { status: 500 }),
    control: true,
  },
  "answers as it should": {
    handle: (_error, _request, reply) => reply.code(422).send({ mine: true }),
    shows: own('{"mine":true}', { status: 422 }),
    control: true,
  },
  "answers as it should, later": {
    handle: async (_error, _request, reply) => {
      await sleep(5);
      return reply.code(422).send({ mine: true });
    },
    shows: own('{"mine":true}', { status: 422 }),
    control: true,
  },
  "answers with a stream that fails": {
    handle: async (_error, _request, reply) => {
      const { Readable } = await import("node:stream");
      return reply.code(500).send(
        new Readable({
          read() {
            this.destroy(new Error("secret stream"));
          },
        }),
      );
    },
    shows: fault,
  },
};
for (const [does, { handle, shows, control }] of Object.entries(HANDLERS)) {
  add(
    `an error handler that ${does}`,
    (app) => {
      app.setErrorHandler(handle);
      app.get("/", async () => {
        throw new Error("secret cause");
      });
    },
    { shows, ...(control ? { control } : {}) },
  );
}
add(
  "an error handler of a plugin that throws into the app's own",
  (app) => {
    app.setErrorHandler((_error: Misused, _request: Misused, reply: Misused) => reply.code(422).send("outer"));
    app.register(async (inner: Misused) => {
      inner.setErrorHandler(() => {
        throw new Error("secret second");
      });
      inner.get("/", async () => {
        throw new Error("secret cause");
      });
    });
  },
  { shows: own("outer", { status: 422 }), control: true },
);
add(
  "an error handler of a route that throws",
  (app) =>
    app.get(
      "/",
      {
        errorHandler: () => {
          throw new Error("secret second");
        },
      },
      async () => {
        throw new Error("secret cause");
      },
    ),
  { shows: fault },
);

/** Fields of the lost answer that must not describe the error. */
const KEPT = {
  "content-encoding": "gzip",
  "cache-control": "public, max-age=31536000",
  etag: '"1"',
  "last-modified": "Thu, 01 Jan 2026 00:00:00 GMT",
  "set-cookie": "session=lost",
};
for (const [what, fail] of Object.entries({
  "a throw": () => {
    throw new Error("secret cause");
  },
  "an error with status 404": () => {
    throw withFields("secret", { statusCode: 404 });
  },
})) {
  add(
    `${what} after fields of the content were set`,
    route((_request, reply) => {
      reply.headers({ ...KEPT, "access-control-allow-origin": "*", vary: "Origin" });
      fail();
    }),
    {
      shows: {
        kind: "replaced",
        statuses: [500, 404],
        fields: {
          "content-encoding": null,
          etag: null,
          "last-modified": null,
          "access-control-allow-origin": "*",
          "cache-control": /no-store/,
          "set-cookie": null,
        },
      },
    },
  );
}
add(
  "a throw after Transfer-Encoding was set",
  route((_request, reply) => {
    reply.header("transfer-encoding", "chunked");
    throw new Error("secret cause");
  }),
  { shows: fault, rules: ["FR-1"] },
);
add(
  "a throw after a bad field was set",
  route((_request, reply) => {
    reply.header("x-y", "a\r\nb");
    throw new Error("secret cause");
  }),
  { shows: fault },
);
add(
  "a throw after Trailer was set",
  route((_request, reply) => {
    reply.header("trailer", "x-sum");
    throw new Error("secret cause");
  }),
  { shows: fault, rules: ["TR-1"] },
);
add(
  "a throw after 304 was set",
  route((_request, reply) => {
    reply.code(304);
    throw new Error("secret cause");
  }),
  { shows: fault },
);

/** Faults around reply.raw. */
add(
  "a throw after reply.raw.writeHead",
  route((_request, reply) => {
    reply.raw.writeHead(200, { etag: '"1"' });
    throw new Error("secret cause");
  }),
  { shows: fault, rules: ["MC-2"] },
);
add(
  "a rejection after reply.raw.write",
  route(async (_request, reply) => {
    reply.raw.write("hello");
    throw new Error("secret cause");
  }),
  { shows: [fault, cut], rules: ["MC-2"] },
);
add(
  "a rejection after reply.raw.end",
  route(async (_request, reply) => {
    reply.raw.end("hello");
    throw new Error("secret cause");
  }),
  { shows: own("hello"), secondTakesMs: 30 },
);
add(
  "a throw after reply.send",
  route((_request, reply) => {
    reply.send("hello");
    throw new Error("secret cause");
  }),
  { shows: own("hello"), secondTakesMs: 30, rules: ["MC-7"] },
);
add(
  "a rejection after reply.send of 8 MB",
  route(async (_request, reply) => {
    reply.send("x".repeat(8 << 20));
    throw new Error("secret cause");
  }),
  { shows: own((content) => content.length === 8 << 20) },
);
add(
  "a rejection after hijack()",
  route(async (_request, reply) => {
    reply.hijack();
    throw new Error("secret cause");
  }),
  { shows: [fault, late] },
);
add(
  "an error that schemas refuse to serialize",
  (app) =>
    app.get(
      "/",
      {
        schema: {
          response: { 500: { type: "object", required: ["nowhere"], properties: { nowhere: { type: "string" } } } },
        },
      },
      async () => {
        throw new Error("secret cause");
      },
    ),
  { shows: fault },
);
add(
  "a not-found handler that throws",
  (app) =>
    app.setNotFoundHandler(() => {
      throw new Error("secret cause");
    }),
  { shows: fault },
);
add("a not-found handler that never answers", (app) => app.setNotFoundHandler(() => {}), { shows: late });
add(
  "reply.callNotFound twice",
  route((_request, reply) => {
    reply.callNotFound();
    reply.callNotFound();
  }),
  { shows: replaced(404, 500) },
);
add("a handler timeout", (app) => app.get("/", { handlerTimeout: 50 }, async () => new Promise(() => {})), {
  shows: replaced(500, 503),
  control: true,
});
add("a frameworkErrors handler that throws", (app) => app.get("/:id", async () => "hello"), {
  fastifyOptions: {
    frameworkErrors: () => {
      throw new Error("secret cause");
    },
  },
  request: { path: "/%E0%A4%A" },
  shows: [fault, replaced(400)],
});
add("a frameworkErrors handler that never answers", (app) => app.get("/:id", async () => "hello"), {
  fastifyOptions: { frameworkErrors: () => {} },
  request: { path: "/%E0%A4%A" },
  shows: late,
});
add(
  "a logger whose serializer throws",
  (app) =>
    app.get("/", async () => {
      throw new Error("secret cause");
    }),
  {
    fastifyOptions: {
      logger: {
        level: "error",
        stream: { write() {} },
        serializers: {
          err() {
            throw new Error("secret serializer");
          },
        },
      },
    },
    provokes: "uncaughtException",
    shows: [fault, late],
  },
);
add(
  "a logger that throws",
  (app) =>
    app.get("/", async () => {
      throw new Error("secret cause");
    }),
  {
    fastifyOptions: {
      logger: {
        level: "error",
        stream: {
          write() {
            throw new Error("secret log");
          },
        },
      },
    },
    provokes: "uncaughtException",
    shows: [fault, late],
  },
);
add("an error page while an upload is unfinished", (app) => app.post("/", async () => "hello"), {
  client: async (wire) => {
    wire.sendPart(
      "POST / HTTP/1.1\r\nHost: origin\r\nContent-Type: application/x-unknown\r\nContent-Length: 100000\r\n\r\nhello",
    );
    await wire.answers(1);
  },
  shows: replaced(415),
  rules: ["CX-7", "CX-8"],
});
add(
  "a preHandler fault while an upload is unfinished",
  (app) => {
    app.post("/", { onRequest: async () => Promise.reject(new Error("secret cause")) }, async () => "hello");
  },
  {
    client: async (wire) => {
      wire.sendPart(
        "POST / HTTP/1.1\r\nHost: origin\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{",
      );
      await wire.answers(1);
    },
    shows: fault,
  },
);

export default group("fastify errors", scenarios);
