import { Readable } from "node:stream";
import { type Aid, cut, fault, group, late, type Misused, own, type Scenario, type Shown } from "../scenario.js";

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
  { shows: late, http2: { shows: [late, cut] } },
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

export default group("fastify: payloads", scenarios);
