import { fault, group, late, type Misused, own, type Scenario, sleep } from "../scenario.js";

const scenarios: Scenario[] = [];
const add = (
  name: string,
  fastify: NonNullable<Scenario["fastify"]>,
  rest: Partial<Scenario> & Pick<Scenario, "shows">,
) => scenarios.push({ name: `fastify: ${name}`, on: ["fastify"], fastify, ...rest });

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

export default group("fastify: error handlers", scenarios);
