import { type Aid, fault, group, late, type Misused, own, type Scenario, sleep } from "../scenario.js";

const scenarios: Scenario[] = [];
const add = (name: string, express: Scenario["express"], rest: Partial<Scenario> & Pick<Scenario, "shows">) =>
  scenarios.push({ name: `express: ${name}`, on: ["express5", "express4"], ...(express ? { express } : {}), ...rest });
/** A route at "/" of the app. */
const route =
  (handle: (req: Misused, res: Misused, aid: Aid) => unknown): NonNullable<Scenario["express"]> =>
  (app, aid) =>
    app.get("/", (req: Misused, res: Misused, next: Misused) => {
      const result = handle(req, res, aid) as Misused;
      // Express 4 does not look at promises; what is awaited here is the scenario's own preparation.
      if (typeof result?.catch === "function") result.catch(next);
    });

/** Values given to res.send and res.json that cannot be sent. */
const BAD_CONTENT: Record<string, unknown> = {
  "a circular object": (() => {
    const circular: Record<string, unknown> = {};
    circular.self = circular;
    return circular;
  })(),
  "a bigint in an object": { big: 5n },
  "an object whose toJSON throws": {
    toJSON() {
      throw new Error("secret cause");
    },
  },
};
for (const [what, content] of Object.entries(BAD_CONTENT)) {
  for (const method of ["send", "json", "jsonp"]) {
    add(
      `res.${method} of ${what}`,
      route((_req, res) => res[method](content)),
      { shows: fault, bothHandlers: true },
    );
    add(
      `res.${method} of ${what}, 5 ms later`,
      route(async (_req, res) => {
        await sleep(5);
        res[method](content);
      }),
      { shows: fault },
    );
  }
}
const ODD_CONTENT: Record<string, unknown> = {
  undefined: undefined,
  null: null,
  "a symbol": Symbol("secret"),
  "a function": () => {},
  "a number": 42,
  true: true,
  "a bigint": 5n,
  "a Date": new Date(0),
  "a Map": new Map([["a", 1]]),
  "an iterator": [1, 2].values(),
};
for (const [what, content] of Object.entries(ODD_CONTENT)) {
  add(
    `res.send of ${what}`,
    route((_req, res) => res.send(content)),
    { shows: { kind: "complete" } },
  );
  add(
    `res.json of ${what}`,
    route((_req, res) => res.json(content)),
    { shows: { kind: "complete" } },
  );
}

for (const status of [0, 99, 100, 101, 103, 199, 600, 999, 1000, "abc", undefined, null, Number.NaN, -1, 200.5]) {
  add(
    `res.status(${status})`,
    route((_req, res) => res.status(status).send("hello")),
    { shows: status === 200.5 ? [fault, own("hello")] : fault, rules: ["SL-1", "SL-3"] },
  );
  add(
    `res.sendStatus(${status})`,
    route((_req, res) => res.sendStatus(status)),
    { shows: status === 200.5 ? [fault, own()] : fault, rules: ["SL-1", "SL-3"] },
  );
}
for (const status of [204, 205, 304]) {
  add(
    `res.status(${status}).send(content)`,
    route((_req, res) => res.status(status).send("hello")),
    { shows: own("", { status }), rules: ["FR-12", "FR-13"] },
  );
  add(
    `res.status(${status}).json(content)`,
    route((_req, res) => res.status(status).json({ a: 1 })),
    { shows: own("", { status }) },
  );
}

/** Answers that come twice, whatever the way. */
const ANSWERS: Record<string, (res: Misused) => unknown> = {
  send: (res) => res.send("hello"),
  json: (res) => res.json({ a: 1 }),
  redirect: (res) => res.redirect("/x"),
  end: (res) => res.end("hello"),
  sendStatus: (res) => res.sendStatus(200),
  render: (res) => res.render("missing"),
};
for (const [first, one] of Object.entries(ANSWERS).slice(0, 5)) {
  for (const [second, two] of Object.entries(ANSWERS)) {
    add(
      `${second} after ${first}`,
      route((_req, res) => {
        one(res);
        two(res);
      }),
      { shows: own(undefined, { status: first === "redirect" ? 302 : 200 }), rules: ["MC-7"], secondTakesMs: 20 },
    );
  }
  add(
    `${first} after the deadline`,
    route(async (_req, res) => {
      await sleep(450);
      one(res);
    }),
    { shows: late, settleMs: 250 },
  );
}

export default group("express: content", scenarios);
