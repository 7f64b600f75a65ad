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

/** Error handlers of the app that fail themselves. */
const HANDLERS: Record<
  string,
  { handle: (error: unknown, req: Misused, res: Misused, next: Misused) => unknown; shows: Scenario["shows"] }
> = {
  throws: {
    handle: () => {
      throw new Error("secret second");
    },
    shows: fault,
  },
  rejects: { handle: async () => Promise.reject(new Error("secret second")), shows: fault },
  "never answers": { handle: () => {}, shows: late },
  "calls next(error)": { handle: (error, _req, _res, next) => next(error), shows: fault },
  "calls next() without the error": { handle: (_error, _req, _res, next) => next(), shows: [fault, replaced(404)] },
  "destroys the response": { handle: (_error, _req, res) => res.destroy(), shows: fault },
  "answers with a bad status": { handle: (_error, _req, res) => res.status(999).send("oops"), shows: fault },
  "answers with the error's undefined status": {
    handle: (error: Misused, _req, res) => res.status(error.status).send("oops"),
    shows: fault,
  },
  "answers with a bad field": { handle: (_error, _req, res) => res.set("x-y", "a\r\nb").send("oops"), shows: fault },
  "answers twice": {
    handle: (_error, _req, res) => {
      res.status(500).send("oops");
      res.send("again");
    },
    shows: own("oops", { status: 500 }),
  },
  "renders a missing view": { handle: (_error, _req, res) => res.render("missing"), shows: fault },
  "answers as it should": {
    handle: (_error, _req, res) => res.status(422).json({ mine: true }),
    shows: own('{"mine":true}', { status: 422 }),
  },
  "answers 502": { handle: (_error, _req, res) => res.status(502).send("oops"), shows: fault },
  "keeps the fields of the lost content": {
    handle: (_error, _req, res) => {
      res.set({ "content-length": "9999", "content-encoding": "gzip" });
      throw new Error("secret second");
    },
    shows: { kind: "replaced", statuses: [500], fields: { "content-encoding": null } },
  },
};
for (const [does, { handle, shows }] of Object.entries(HANDLERS)) {
  add(
    `an error handler that ${does}`,
    (app) => {
      app.get("/", () => {
        throw new Error("secret cause");
      });
      // Express tells an error handler by its four parameters.
      app.use((error: unknown, req: Misused, res: Misused, next: Misused) => handle(error, req, res, next));
    },
    { shows, ...(does === "answers as it should" ? { control: true as const } : {}) },
  );
}

add(
  "an asynchronous middleware that rejects",
  (app) => app.use(async () => Promise.reject(new Error("secret cause"))),
  { shows: fault },
);
add("an asynchronous route that rejects with undefined", (app) => app.get("/", async () => Promise.reject(undefined)), {
  shows: fault,
});
add(
  "an asynchronous param callback that rejects",
  (app) => {
    app.param("id", async () => Promise.reject(new Error("secret cause")));
    app.get("/:id", (_req: Misused, res: Misused) => res.send("hello"));
  },
  { request: { path: "/5" }, shows: fault },
);
add(
  "an asynchronous route in a router that rejects",
  (app, _aid, express) => {
    const router = express.Router();
    router.get("/", async () => {
      await sleep(1);
      throw new Error("secret cause");
    });
    app.use(router);
  },
  { shows: fault },
);
add(
  "an asynchronous route in a mounted app that rejects",
  (app, _aid, express) => {
    const inner = express();
    inner.get("/", async () => {
      await sleep(1);
      throw new Error("secret cause");
    });
    app.use("/", inner);
  },
  { shows: fault },
);
add(
  "an asynchronous route by app.route().all() that rejects",
  (app) => app.route("/").all(async () => Promise.reject(new Error("secret cause"))),
  { shows: fault },
);
add(
  "an asynchronous error handler after an asynchronous route",
  (app) => {
    app.get("/", async () => Promise.reject(new Error("secret cause")));
    app.use(async (_error: unknown, _req: Misused, _res: Misused, _next: Misused) => {
      await sleep(1);
      throw new Error("secret second");
    });
  },
  { shows: fault },
);
add("a route that never calls next", (app) => app.use((_req: Misused, _res: Misused, _next: Misused) => {}), {
  shows: late,
});
add(
  "next() called twice, two routes answer",
  (app) => {
    app.use((_req: Misused, _res: Misused, next: Misused) => {
      next();
      next();
    });
    app.get("/", (_req: Misused, res: Misused) => res.send("hello"));
  },
  { shows: own("hello") },
);
add(
  "next() called twice, the second time late",
  (app) => {
    app.use((_req: Misused, _res: Misused, next: Misused) => {
      next();
      setTimeout(next, 15);
    });
    app.get("/", (_req: Misused, res: Misused) => res.send("hello"));
  },
  { shows: own("hello"), secondTakesMs: 40 },
);
add("no route at all", () => {}, { shows: replaced(404), control: true, bothHandlers: false as never });
add(
  "an error page while an upload is unfinished",
  (app) => app.post("/", (_req: Misused, _res: Misused, next: Misused) => next(new Error("secret cause"))),
  {
    rules: ["CX-8", "CX-9"],
    client: async (wire) => {
      wire.sendPart("POST / HTTP/1.1\r\nHost: origin\r\nContent-Length: 100000\r\n\r\nhello");
      await wire.answers(1);
    },
    shows: fault,
  },
);
add("a 404 while an upload is unfinished", () => {}, {
  rules: ["CX-8"],
  client: async (wire) => {
    wire.sendPart("POST / HTTP/1.1\r\nHost: origin\r\nContent-Length: 100000\r\n\r\nhello");
    await wire.answers(1);
  },
  shows: [replaced(404), late],
});
add(
  "an error page after Trailer was set",
  (app) =>
    app.get("/", (_req: Misused, res: Misused) => {
      res.set("trailer", "x-sum");
      throw new Error("secret cause");
    }),
  { shows: fault, rules: ["TR-1"] },
);
add(
  "an error page after Transfer-Encoding was set",
  (app) =>
    app.get("/", (_req: Misused, res: Misused) => {
      res.set("transfer-encoding", "chunked");
      throw new Error("secret cause");
    }),
  { shows: fault, rules: ["FR-1"] },
);
add(
  "an error page after caching fields were set",
  (app) =>
    app.get("/", (_req: Misused, res: Misused) => {
      res.set({
        "cache-control": "public, max-age=31536000",
        etag: '"1"',
        "content-encoding": "gzip",
        "access-control-allow-origin": "*",
      });
      throw new Error("secret cause");
    }),
  {
    shows: {
      kind: "replaced",
      statuses: [500],
      fields: { "content-encoding": null, "access-control-allow-origin": "*" },
    },
  },
);

export default group("express errors", scenarios);
