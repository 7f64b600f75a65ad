import { cut, fault, group, late, type Misused, own, replaced, type Scenario, unfinished } from "../scenario.js";

const withFields = (message: string, fields: object) => Object.assign(new Error(message), fields);

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
      also: ([first]) => !/public/.test(first?.field("cache-control") ?? "") || "the error page is cacheable",
      shows: {
        kind: "replaced",
        statuses: [500, 404],
        fields: {
          "content-encoding": null,
          etag: null,
          "last-modified": null,
          "access-control-allow-origin": "*",
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
  {
    shows: own((content) => content.length === 8 << 20),
    // Fastify destroys the stream in the middle of it.
    http2: { shows: [own((content) => content.length === 8 << 20), cut] },
  },
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
  http2: unfinished("hello", { "content-type": "application/x-unknown", "content-length": "100000" }),
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
    http2: unfinished("{", { "content-type": "application/json", "content-length": "100000" }),
    shows: fault,
  },
);

export default group("fastify: errors", scenarios);
