import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import compress from "@fastify/compress";
import { type Aid, cut, fault, group, late, type Misused, own, type Scenario, type Shown, sleep } from "../scenario.js";

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
const failing = () =>
  new Readable({
    read() {
      this.destroy(new Error("secret cause"));
    },
  });

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
  // The error page is what the plugin compresses then, and it says so rightly.
  { request: gzip, shows: { kind: "replaced", statuses: [500], fields: { "content-encoding": "gzip" } } },
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

export default group("fastify: trailers, serializers, compression", scenarios);
