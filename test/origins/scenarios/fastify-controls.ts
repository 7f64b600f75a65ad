import helmet from "@fastify/helmet";
import fastifyStatic from "@fastify/static";
import { type Aid, group, type Misused, own, replaced, type Scenario, sleep } from "../scenario.js";

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

export default group("fastify: controls", scenarios);
