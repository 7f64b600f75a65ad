import { cut, fault, group, late, type Misused, own, replaced, type Scenario, sleep } from "../scenario.js";

const withFields = (message: string, fields: object) => Object.assign(new Error(message), fields);
const throwing = (name: string) =>
  Object.defineProperty(new Error("secret"), name, {
    get() {
      throw new Error("secret getter");
    },
  });

/** What is given to next(). */
const GIVEN: Record<string, { make: () => unknown; status?: number[] }> = {
  "an Error": { make: () => new Error("secret cause") },
  "a string": { make: () => "secret cause" },
  "a symbol": { make: () => Symbol("secret") },
  "a number": { make: () => 42 },
  "a plain object": { make: () => ({ secret: true }) },
  "a frozen error": { make: () => Object.freeze(new Error("secret")) },
  "an object without prototype": { make: () => Object.create(null) },
  "'route'": { make: () => "route", status: [404] },
  "'router'": { make: () => "router", status: [404] },
  "an error with status 404": { make: () => withFields("secret", { status: 404 }), status: [404] },
  "an error with status 418 and headers": {
    make: () => withFields("secret", { status: 418, headers: { "x-reason": "tea" } }),
    status: [418],
  },
  "an error with status 200": { make: () => withFields("secret", { status: 200 }) },
  "an error with status 999": { make: () => withFields("secret", { status: 999 }) },
  "an error with status '404'": { make: () => withFields("secret", { status: "404" }), status: [404, 500] },
  "an error with statusCode 502": { make: () => withFields("secret", { statusCode: 502 }) },
  "an error with statusCode 504": { make: () => withFields("secret", { statusCode: 504 }), status: [500, 503] },
  "an error with headers of a bad name": {
    make: () => withFields("secret", { status: 400, headers: { "bad name": "1" } }),
    status: [400, 500],
  },
  "an error with headers of a bad value": {
    make: () => withFields("secret", { status: 400, headers: { "x-y": "a\r\nb" } }),
    status: [400, 500],
  },
  "an error with framing headers": {
    make: () =>
      withFields("secret", { status: 400, headers: { "transfer-encoding": "chunked", "content-length": "3" } }),
    status: [400, 500],
  },
  "an error with huge headers": {
    make: () => withFields("secret", { status: 400, headers: { "x-large": "x".repeat(200_000) } }),
    status: [400, 500],
  },
  "an error with headers that are no object": {
    make: () => withFields("secret", { status: 400, headers: "secret" }),
    status: [400, 500],
  },
  "an error whose status throws": { make: () => throwing("status") },
  "an error whose statusCode throws": { make: () => throwing("statusCode") },
  "an error whose headers throw": {
    make: () => Object.assign(throwing("headers"), { status: 400 }),
    status: [400, 500],
  },
  "an error whose message throws": { make: () => throwing("message") },
  "an error whose stack throws": { make: () => throwing("stack") },
  "an object whose text throws": {
    make: () => ({
      toString() {
        throw new Error("secret text");
      },
    }),
  },
};

const scenarios: Scenario[] = [];
const add = (name: string, express: Scenario["express"], rest: Partial<Scenario> & Pick<Scenario, "shows">) =>
  scenarios.push({
    name: `express: ${name}`,
    bothHandlers: true,
    on: ["express5", "express4"],
    ...(express ? { express } : {}),
    ...rest,
  });

for (const [what, { make, status }] of Object.entries(GIVEN)) {
  add(`next() with ${what}`, (app) => app.get("/", (_req: Misused, _res: Misused, next: Misused) => next(make())), {
    shows: replaced(...(status ?? [500])),
  });
  add(
    `next() with ${what}, 5 ms later`,
    (app) => app.get("/", (_req: Misused, _res: Misused, next: Misused) => void setTimeout(() => next(make()), 5)),
    {
      shows: replaced(...(status ?? [500])),
    },
  );
}

/** Faults after a part of the answer. */
const STAGES: Record<string, { act: (res: Misused) => unknown; shows: Scenario["shows"] }> = {
  writeHead: { act: (res) => res.writeHead(200, { etag: '"1"' }), shows: fault },
  write: { act: (res) => res.write("hello"), shows: fault },
  flushHeaders: { act: (res) => res.flushHeaders(), shows: [fault, cut] },
  send: { act: (res) => res.send("hello"), shows: own("hello") },
  json: { act: (res) => res.json({ a: 1 }), shows: own('{"a":1}') },
  "send of 8 MB": { act: (res) => res.send("x".repeat(8 << 20)), shows: own((content) => content.length === 8 << 20) },
  redirect: { act: (res) => res.redirect("/elsewhere"), shows: own(undefined, { status: 302 }) },
  sendStatus: { act: (res) => res.sendStatus(204), shows: own("", { status: 204 }) },
};
const FAULTS: Record<string, (next: Misused) => unknown> = {
  "a throw": () => {
    throw new Error("secret cause");
  },
  "next(error)": (next) => next(new Error("secret cause")),
  "next(error) 20 ms later": (next) => void setTimeout(() => next(new Error("secret cause")), 20),
  "next()": (next) => next(),
  "next() 20 ms later": (next) => void setTimeout(() => next(), 20),
  "a rejection": () => Promise.reject(new Error("secret cause")),
  "a rejection 20 ms later": async () => {
    await sleep(20);
    throw new Error("secret cause");
  },
};
for (const [stage, { act, shows }] of Object.entries(STAGES)) {
  for (const [what, fail] of Object.entries(FAULTS)) {
    const answered = ["send", "json", "send of 8 MB", "redirect", "sendStatus"].includes(stage);
    const late20 = what.includes("20 ms");
    // next() without an error after the head finds the router's end, which leaves a started response alone.
    const silent = what.startsWith("next()")
      ? [late, cut, ...(Array.isArray(shows) ? shows : [shows])]
      : late20 && !answered
        ? [fault, cut]
        : shows;
    add(
      `${what} after ${stage}`,
      (app) =>
        app.get("/", (_req: Misused, res: Misused, next: Misused) => {
          act(res);
          return fail(next);
        }),
      {
        shows: answered ? shows : (silent as Scenario["shows"]),
        ...(answered ? { secondTakesMs: 60 } : {}),
        rules: ["MC-2"],
      },
    );
  }
}

export default group("express: next()", scenarios);
