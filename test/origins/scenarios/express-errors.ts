import {
  fault,
  group,
  late,
  type Misused,
  type Over,
  own,
  replaced,
  type Scenario,
  sleep,
  unfinished,
} from "../scenario.js";

const scenarios: Scenario[] = [];
const add = (name: string, express: Scenario["express"], rest: Partial<Scenario> & Pick<Scenario, "shows">) =>
  scenarios.push({
    name: `express: ${name}`,
    bothHandlers: true,
    on: ["express5", "express4"],
    ...(express ? { express } : {}),
    ...rest,
  });

/** Error handlers of the app that fail themselves. */
const HANDLERS: Record<
  string,
  {
    handle: (error: unknown, req: Misused, res: Misused, next: Misused) => unknown;
    shows: Scenario["shows"];
    http2?: Over;
  }
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
  "answers with a bad field": {
    handle: (_error, _req, res) => res.set("x-y", "a\r\nb").send("oops"),
    shows: fault,
    // The compatibility API takes it, so that it can be mended.
    http2: { shows: [fault, own("oops")] },
  },
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
for (const [does, { handle, shows, http2 }] of Object.entries(HANDLERS)) {
  add(
    `an error handler that ${does}`,
    (app) => {
      app.get("/", () => {
        throw new Error("secret cause");
      });
      // Express tells an error handler by its four parameters.
      app.use((error: unknown, req: Misused, res: Misused, next: Misused) => handle(error, req, res, next));
    },
    { shows, ...(http2 && { http2 }), ...(does === "answers as it should" ? { control: true as const } : {}) },
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
    http2: unfinished("hello"),
    shows: fault,
  },
);
add("a 404 while an upload is unfinished", () => {}, {
  rules: ["CX-8"],
  client: async (wire) => {
    wire.sendPart("POST / HTTP/1.1\r\nHost: origin\r\nContent-Length: 100000\r\n\r\nhello");
    await wire.answers(1);
  },
  http2: unfinished("hello"),
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

export default group("express: error handlers", scenarios);
