import { fault, group, late, type Misused, replaced, type Scenario, type Shown, sleep } from "../scenario.js";

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

export default group("fastify: thrown", scenarios);
