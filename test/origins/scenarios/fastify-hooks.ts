import fastifyPlugin from "fastify-plugin";
import { cut, fault, group, late, type Misused, own, refused, replaced, type Scenario, sleep } from "../scenario.js";

const scenarios: Scenario[] = [];
const add = (
  name: string,
  fastify: NonNullable<Scenario["fastify"]>,
  rest: Partial<Scenario> & Pick<Scenario, "shows">,
) => scenarios.push({ name: `fastify: ${name}`, on: ["fastify"], fastify, ...rest });

/** Hooks in front of the answer. */
const EARLY = ["onRequest", "preParsing", "preValidation", "preHandler"] as const;
/** What a hook does; `done` is the last argument. */
const DOES: Record<
  string,
  { hook: (...args: Misused[]) => unknown; shows: Scenario["shows"]; provokes?: Scenario["provokes"] }
> = {
  throws: {
    hook: (..._args) => {
      throw new Error("secret cause");
    },
    shows: fault,
  },
  "calls done with an error": { hook: (...args) => args.at(-1)(new Error("secret cause")), shows: fault },
  "calls done with a string": { hook: (...args) => args.at(-1)("secret"), shows: [fault, { kind: "complete" }] },
  "never calls done": { hook: () => {}, shows: late },
  "calls done twice": {
    hook: (...args) => {
      args.at(-1)();
      args.at(-1)();
    },
    shows: [own("hello"), fault],
  },
  "calls done again 15 ms later": {
    hook: (...args) => {
      args.at(-1)();
      setTimeout(args.at(-1), 15);
    },
    shows: own("hello"),
  },
  "throws 5 ms later": {
    hook: () =>
      void setTimeout(() => {
        throw new Error("secret cause");
      }, 5),
    shows: [fault, late],
    provokes: "uncaughtException",
  },
  "destroys the response": { hook: (_request, reply) => reply.raw.destroy(), shows: fault },
  "destroys the socket and goes on": {
    hook: (request, _reply, ...rest) => {
      request.raw.socket.destroy();
      rest.at(-1)();
    },
    shows: [fault, own("hello")],
  },
  "answers and goes on": {
    hook: (_request, reply, ...rest) => {
      reply.send("early");
      rest.at(-1)();
    },
    shows: own("early"),
  },
  "hijacks and leaves": { hook: (_request, reply) => void reply.hijack(), shows: late },
  "writes to reply.raw and goes on": {
    hook: (_request, reply, ...rest) => {
      reply.raw.write("early");
      rest.at(-1)();
    },
    shows: [fault, own(/early/), cut, late],
  },
};
for (const name of EARLY) {
  for (const [does, { hook, shows, provokes }] of Object.entries(DOES)) {
    add(`a ${name} hook that ${does}`, withHook(name, hook), {
      shows,
      ...(provokes ? { provokes } : {}),
      ...(does.includes("again") ? { secondTakesMs: 30 } : {}),
    });
  }
  for (const [does, hook, shows] of [
    ["rejects", async () => Promise.reject(new Error("secret cause")), fault],
    ["rejects with undefined", async () => Promise.reject(undefined), [fault, { kind: "complete" }, late]],
    ["never settles", () => new Promise(() => {}), late],
    [
      "answers and returns the reply",
      async (_request: Misused, reply: Misused) => reply.code(401).send("early"),
      own("early", { status: 401 }),
    ],
  ] as const) {
    add(
      `an async ${name} hook that ${does}`,
      (app) => {
        app.get("/", { [name]: async (request: Misused, reply: Misused) => hook(request, reply) }, async () => "hello");
      },
      { shows: shows as Scenario["shows"], ...(does.startsWith("answers") ? { control: true as const } : {}) },
    );
  }
}

/** Fastify tells callback hooks by their number of parameters. */
function withHook(name: string, hook: (...args: Misused[]) => unknown): NonNullable<Scenario["fastify"]> {
  const four = (request: Misused, reply: Misused, content: Misused, done: Misused) =>
    hook(request, reply, content, done);
  const three = (request: Misused, reply: Misused, done: Misused) => hook(request, reply, done);
  return (app) => app.get("/", { [name]: name === "preParsing" ? four : three }, async () => "hello");
}

/** Hooks behind the answer. */
type Late = {
  hook: (...args: Misused[]) => unknown;
  shows: Scenario["shows"];
  provokes?: Scenario["provokes"];
  on: string;
  handler?: () => unknown;
};
const BEHIND: Record<string, Late> = {
  "preSerialization hook that throws": {
    on: "preSerialization",
    hook: async () => {
      throw new Error("secret cause");
    },
    shows: fault,
  },
  "preSerialization hook that never settles": { on: "preSerialization", hook: (_a, _b, _c, _done) => {}, shows: late },
  "preSerialization hook that gives a symbol": {
    on: "preSerialization",
    hook: async () => Symbol("secret"),
    shows: [fault, { kind: "complete" }],
  },
  "onSend hook that throws": {
    on: "onSend",
    hook: async () => {
      throw new Error("secret cause");
    },
    shows: fault,
  },
  "onSend hook that never calls back": { on: "onSend", hook: (_a, _b, _c, _done) => {}, shows: late },
  "onSend hook that calls back twice": {
    on: "onSend",
    hook: (_request, _reply, payload, done) => {
      done(null, payload);
      done(null, payload);
    },
    shows: own('{"a":1}'),
  },
  "onSend hook that calls back an error after the answer": {
    on: "onSend",
    hook: (_request, _reply, payload, done) => {
      done(null, payload);
      setTimeout(() => done(new Error("secret cause")), 15);
    },
    shows: own('{"a":1}'),
    provokes: "uncaughtException",
  },
  "onSend hook that gives an object": { on: "onSend", hook: async () => ({ not: "octets" }), shows: fault },
  "onSend hook that gives a number": { on: "onSend", hook: async () => 5, shows: fault },
  "onSend hook that gives null": { on: "onSend", hook: async () => null, shows: own("") },
  "onSend hook that gives a shorter payload": {
    on: "onSend",
    hook: async (_request, reply) => {
      reply.header("content-length", 100);
      return "short";
    },
    shows: [own("short"), fault],
  },
  "onSend hook that gives a failing stream": {
    on: "onSend",
    hook: async () => {
      const { Readable } = await import("node:stream");
      return new Readable({
        read() {
          this.destroy(new Error("secret cause"));
        },
      });
    },
    shows: fault,
  },
  "onSend hook that sends": {
    on: "onSend",
    hook: (_request, reply, payload, done) => {
      reply.send("again");
      done(null, payload);
    },
    shows: [own('{"a":1}'), own("again"), fault, late],
  },
  "onSend hook that sets a bad field": {
    on: "onSend",
    hook: async (_request, reply, payload) => {
      reply.header("x-y", "a\r\nb");
      return payload;
    },
    shows: fault,
  },
  "onSend hook that destroys the response": {
    on: "onSend",
    hook: async (_request, reply, payload) => {
      reply.raw.destroy();
      return payload;
    },
    shows: fault,
  },
  "onSend hook that throws on every answer": {
    on: "onSend",
    hook: (_request, _reply, _payload, _done) => {
      throw new Error("secret cause");
    },
    shows: fault,
  },
  "onResponse hook that throws": {
    on: "onResponse",
    hook: async () => {
      throw new Error("secret cause");
    },
    shows: own('{"a":1}'),
  },
  "onResponse hook that never settles": { on: "onResponse", hook: () => new Promise(() => {}), shows: own('{"a":1}') },
  "onResponse hook that sends": {
    on: "onResponse",
    hook: async (_request, reply) => reply.send("again"),
    shows: own('{"a":1}'),
  },
  "onResponse hook that throws at once": {
    on: "onResponse",
    hook: (_request, _reply, _done) => {
      throw new Error("secret cause");
    },
    shows: own('{"a":1}'),
    provokes: "uncaughtException",
  },
  "onError hook that throws": {
    on: "onError",
    hook: async () => {
      throw new Error("secret second");
    },
    shows: fault,
    handler: () => {
      throw new Error("secret cause");
    },
  },
  "onError hook that never calls back": {
    on: "onError",
    hook: (_request, _reply, _error, _done) => {},
    shows: late,
    handler: () => {
      throw new Error("secret cause");
    },
  },
  "onError hook that sends": {
    on: "onError",
    hook: async (_request, reply) => reply.send("again"),
    shows: fault,
    handler: () => {
      throw new Error("secret cause");
    },
  },
  "onTimeout hook that throws": {
    on: "onTimeout",
    hook: async () => {
      throw new Error("secret second");
    },
    shows: late,
    handler: () => new Promise(() => {}),
  },
  "onRequestAbort hook that throws": {
    on: "onRequestAbort",
    hook: async () => {
      throw new Error("secret second");
    },
    shows: own('{"a":1}'),
  },
};
for (const [what, { on, hook, shows, provokes, handler }] of Object.entries(BEHIND)) {
  add(`an ${what}`, (app) => app.get("/", { [on]: hook }, handler ?? (async () => ({ a: 1 }))), {
    shows,
    ...(provokes ? { provokes } : {}),
    settleMs: what.includes("after") ? 30 : 0,
  });
}

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
  },
);
add("an upload that stalls, which Fastify waits for without end", (app) => app.post("/", async () => "hello"), {
  client: async (wire) => {
    wire.sendPart("POST / HTTP/1.1\r\nHost: origin\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{");
    await wire.answers(1);
  },
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

export default group("fastify hooks", scenarios);
