import fastifyPlugin from "fastify-plugin";
import {
  fault,
  group,
  late,
  type Misused,
  own,
  refused,
  replaced,
  type Scenario,
  sleep,
  unfinished,
} from "../scenario.js";

const scenarios: Scenario[] = [];
const add = (
  name: string,
  fastify: NonNullable<Scenario["fastify"]>,
  rest: Partial<Scenario> & Pick<Scenario, "shows">,
) => scenarios.push({ name: `fastify: ${name}`, on: ["fastify"], fastify, ...rest });

/** Plugins, scopes, schemas and parsers. */
add(
  "a content type parser that throws",
  (app) => {
    app.addContentTypeParser("text/x", () => {
      throw new Error("secret cause");
    });
    app.post("/", async () => "hello");
  },
  {
    request: { method: "POST", body: "x", headers: { "content-type": "text/x" } },
    shows: [fault, late],
    provokes: "uncaughtException",
  },
);
add(
  "a content type parser that never calls back",
  (app) => {
    app.addContentTypeParser("text/x", (_request: Misused, _content: Misused, _done: Misused) => {});
    app.post("/", async () => "hello");
  },
  { request: { method: "POST", body: "x", headers: { "content-type": "text/x" } }, shows: late },
);
add(
  "a content type parser that calls back twice",
  (app) => {
    app.addContentTypeParser("text/x", (_request: Misused, content: Misused, done: Misused) => {
      content.resume();
      done(null, "x");
      done(null, "y");
    });
    app.post("/", async () => "hello");
  },
  { request: { method: "POST", body: "x", headers: { "content-type": "text/x" } }, shows: own("hello") },
);
add("a body that is too large", (app) => app.post("/", async () => "hello"), {
  fastifyOptions: { bodyLimit: 10 },
  request: { method: "POST", body: '"xxxxxxxxxxxxxxxxxxxxxx"', headers: { "content-type": "application/json" } },
  shows: replaced(413),
});
add(
  "a validator that throws",
  (app) => {
    app.setValidatorCompiler(() => () => {
      throw new Error("secret cause");
    });
    app.get("/", { schema: { querystring: { type: "object" } } }, async () => "hello");
  },
  { shows: fault },
);
add(
  "a validator that never settles",
  (app) => {
    app.setValidatorCompiler(() => () => new Promise(() => {}));
    app.get("/", { schema: { querystring: { type: "object" } } }, async () => "hello");
  },
  { shows: late },
);
add(
  "a schemaErrorFormatter that throws",
  (app) =>
    app.get(
      "/",
      {
        schema: { querystring: { type: "object", required: ["q"] } },
        schemaErrorFormatter: () => {
          throw new Error("secret cause");
        },
      },
      async () => "hello",
    ),
  { shows: fault },
);
add("a constraint that throws", (app) => app.get("/", { constraints: { host: "other" } }, async () => "hello"), {
  shows: replaced(404),
  control: true,
});
add(
  "a request decorator that throws",
  (app) => {
    app.decorateRequest("user", {
      getter() {
        throw new Error("secret cause");
      },
    });
    app.get("/", async (request: Misused) => request.user);
  },
  { shows: fault },
);
add(
  "a fault in an encapsulated plugin",
  (app) =>
    app.register(
      async (inner: Misused) => {
        inner.addHook("preHandler", async () => {
          throw new Error("secret cause");
        });
        inner.get("/a", async () => "hello");
      },
      { prefix: "/inner" },
    ),
  { request: { path: "/inner/a" }, shows: fault },
);
add(
  "a fault in a plugin outside its own scope",
  (app) =>
    app.register(
      fastifyPlugin(async (inner: Misused) => {
        inner.get("/", (_request: Misused, reply: Misused) => void reply.raw.destroy());
      }),
    ),
  { shows: fault },
);
add("a hook registered before the guard that destroys", (app) => app.get("/", async () => "hello"), {
  before: (app) =>
    app.addHook("onRequest", (request: Misused, reply: Misused, done: Misused) => {
      if (request.url !== "/") return done();
      reply.raw.destroy();
    }),
  shows: fault,
});
add("a hook registered before the guard that throws", (app) => app.get("/", async () => "hello"), {
  before: (app) =>
    app.addHook("onRequest", (request: Misused, _reply: Misused, done: Misused) => {
      if (request.url !== "/") return done();
      throw new Error("secret cause");
    }),
  shows: fault,
});
add("a hook registered before the guard that never calls back", (app) => app.get("/", async () => "hello"), {
  before: (app) =>
    app.addHook("onRequest", (request: Misused, _reply: Misused, done: Misused) => {
      if (request.url !== "/") done();
    }),
  shows: late,
});
add("rewriteUrl that throws", (app) => app.get("/", async () => "hello"), {
  fastifyOptions: {
    rewriteUrl(request: Misused) {
      if (request.url === "/") throw new Error("secret cause");
      return request.url;
    },
  },
  provokes: "uncaughtException",
  shows: [fault, late],
});
add("genReqId that throws", (app) => app.get("/", async () => "hello"), {
  fastifyOptions: {
    genReqId(request: Misused) {
      if (request.url === "/") throw new Error("secret cause");
      return "r";
    },
  },
  provokes: "uncaughtException",
  shows: [fault, late],
});

/** Client errors. */
const NO_CLIENT_ERROR = "octets that its parser refuses are frames to nghttp2, which answers for itself";
const garbage: NonNullable<Scenario["client"]> = async (wire) => {
  wire.send("garbage\r\n\r\n", [{ method: "GET", version: "1.1" }]);
  await wire.answers(1);
};
for (const [does, clientErrorHandler] of Object.entries({
  "destroys the socket": (_error: Misused, socket: Misused) => socket.destroy(),
  "does nothing": () => {},
  "ends the socket": (_error: Misused, socket: Misused) => socket.end(),
  "writes garbage": (_error: Misused, socket: Misused) => socket.end("garbage"),
})) {
  add(`a clientErrorHandler that ${does}`, (app) => app.get("/", async () => "hello"), {
    fastifyOptions: { clientErrorHandler },
    client: garbage,
    onlyHttp1: NO_CLIENT_ERROR,
    shows: [refused(400), late],
  });
}
add(
  "Fastify's own clientErrorHandler and a response in progress",
  (app) =>
    app.get("/", async (_request: Misused, reply: Misused) => {
      reply.hijack();
      reply.raw.write("x".repeat(100_000));
      await sleep(100);
      reply.raw.end("end");
    }),
  {
    client: async (wire) => {
      wire.send("GET / HTTP/1.1\r\nHost: origin\r\n\r\n");
      await sleep(50);
      wire.send("garbage\r\n\r\n", [{ method: "GET", version: "1.1" }]);
      await wire.answers(2);
    },
    shows: own(/^x+end$/),
    showsAll: [own(/^x+end$/), [refused(400), { kind: "gone" }]],
    onlyHttp1: NO_CLIENT_ERROR,
    rules: ["MC-7"],
  },
);
add(
  "Fastify's own clientErrorHandler and a slow answer",
  (app) =>
    app.get("/", async () => {
      await sleep(100);
      return "hello";
    }),
  {
    client: async (wire) => {
      wire.send("GET / HTTP/1.1\r\nHost: origin\r\n\r\n");
      await sleep(30);
      wire.send("garbage\r\n\r\n", [{ method: "GET", version: "1.1" }]);
      await wire.answers(2);
    },
    shows: own("hello"),
    showsAll: [own("hello"), [refused(400), { kind: "gone" }]],
    onlyHttp1: NO_CLIENT_ERROR,
  },
);
add("an upload that stalls, which Fastify waits for without end", (app) => app.post("/", async () => "hello"), {
  client: async (wire) => {
    wire.sendPart("POST / HTTP/1.1\r\nHost: origin\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{");
    await wire.answers(1);
  },
  http2: unfinished("{", { "content-type": "application/json", "content-length": "50" }),
  shows: [late, refused(408)],
  rules: ["MC-10"],
});
add(
  "a connectionTimeout shorter than the handler",
  (app) =>
    app.get("/", async () => {
      await sleep(150);
      return "hello";
    }),
  { fastifyOptions: { connectionTimeout: 50 }, shows: [own("hello"), fault, replaced(503)] },
);
add("forceCloseConnections and an open answer", (app) => app.get("/", async () => "hello"), {
  fastifyOptions: { forceCloseConnections: true },
  shows: own("hello"),
  control: true,
});

export default group("fastify: plugins", scenarios);
