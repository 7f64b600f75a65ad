import { group, replaced, type Scenario, sleep, thrown } from "../scenario.js";

const withFields = (message: string, fields: object) => Object.assign(new Error(message), fields);

/** What origins throw; every message says "secret", so that a fallback that shows it is found out. */
const THROWN: Record<string, () => unknown> = {
  "an Error": () => new Error("secret cause"),
  "a TypeError of the engine": () => (undefined as never as { secret: { cause: 1 } }).secret.cause,
  "a string": () => "secret cause",
  "an empty string": () => "",
  "a number": () => 42,
  "a symbol": () => Symbol("secret"),
  undefined: () => undefined,
  null: () => null,
  false: () => false,
  "a plain object": () => ({ secret: "cause" }),
  "an array": () => ["secret"],
  "a function": () => () => "secret",
  "a frozen error": () => Object.freeze(new Error("secret cause")),
  "an object without prototype": () => Object.create(null),
  "an error without a stack": () => withFields("secret cause", { stack: undefined }),
  "an error whose message throws": () =>
    Object.defineProperty(new Error(), "message", {
      get() {
        throw new Error("secret getter");
      },
    }),
  "an error whose stack throws": () =>
    Object.defineProperty(new Error("secret"), "stack", {
      get() {
        throw new Error("secret getter");
      },
    }),
  "an error whose status throws": () =>
    Object.defineProperty(new Error("secret"), "status", {
      get() {
        throw new Error("secret getter");
      },
    }),
  "an error whose statusCode throws": () =>
    Object.defineProperty(new Error("secret"), "statusCode", {
      get() {
        throw new Error("secret getter");
      },
    }),
  "an error whose headers throw": () =>
    Object.defineProperty(withFields("secret", { status: 400 }), "headers", {
      get() {
        throw new Error("secret getter");
      },
    }),
  "an object whose text throws": () => ({
    toString() {
      throw new Error("secret text");
    },
  }),
  "a proxy that throws on everything": () =>
    new Proxy(
      {},
      {
        get() {
          throw new Error("secret trap");
        },
        has() {
          throw new Error("secret trap");
        },
        getPrototypeOf() {
          throw new Error("secret trap");
        },
      },
    ),
  "a revoked proxy": () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  },
  "an error with a circular cause": () => {
    const error = new Error("secret cause");
    error.cause = error;
    return error;
  },
  "an AggregateError": () => new AggregateError([new Error("secret")], "secret cause"),
  "an AbortError": () => new DOMException("secret", "AbortError"),
  "an error with status 200": () => withFields("secret", { status: 200 }),
  "an error with status 302": () => withFields("secret", { statusCode: 302 }),
  "an error with status 103": () => withFields("secret", { status: 103 }),
  "an error with status 600": () => withFields("secret", { status: 600 }),
  "an error with status 999": () => withFields("secret", { statusCode: 999 }),
  "an error with status '404x'": () => withFields("secret", { status: "404x" }),
  "an error with status NaN": () => withFields("secret", { status: Number.NaN }),
  "an error with bad headers": () =>
    withFields("secret", { status: 500, headers: { "bad name": "1", "x-y": "a\r\nb", "content-length": "abc" } }),
};

const scenarios: Scenario[] = [];
for (const [what, make] of Object.entries(THROWN)) {
  // Express takes a thrown null, undefined or "" for "no error", and then finds no route: its 404 is its answer.
  const falsy = ["undefined", "null", "false", "an empty string", "a number"].includes(what);
  const shows = falsy ? [thrown, replaced(404)] : thrown;
  scenarios.push(
    {
      name: `throws ${what}`,
      rules: ["MC-2"],
      bothHandlers: true,
      origin: () => {
        throw make();
      },
      shows,
    },
    {
      name: `rejects with ${what}`,
      rules: ["MC-2"],
      bothHandlers: true,
      origin: async () => {
        await sleep(1);
        throw make();
      },
      shows,
    },
  );
}

for (const status of [400, 401, 403, 404, 409, 413, 422, 429, 451, 500, 503]) {
  scenarios.push({
    name: `throws an error with status ${status}`,
    bothHandlers: true,
    origin: () => {
      throw withFields("secret cause", { status, headers: { "x-reason": "r" } });
    },
    shows: [replaced(status), thrown],
  });
}

export default group("throwing: values", scenarios);
