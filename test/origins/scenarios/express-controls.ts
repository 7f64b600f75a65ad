import compression from "compression";
import cookieParser from "cookie-parser";
import helmet from "helmet";
import { type Aid, group, type Misused, own, replaced, type Scenario, sleep } from "../scenario.js";

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

const compressed = { headers: { "accept-encoding": "gzip" } };

/** Transparency. */
const right = (name: string, express: NonNullable<Scenario["express"]>, rest: Partial<Scenario> = {}) =>
  add(`right: ${name}`, express, { shows: own("hello"), control: true, ...rest });
right(
  "res.send",
  route((_req, res) => res.send("hello")),
);
right(
  "res.send of a Buffer",
  route((_req, res) => res.send(Buffer.from("hello"))),
);
right(
  "res.json",
  route((_req, res) => res.json({ a: 1 })),
  { shows: own('{"a":1}') },
);
right(
  "res.jsonp",
  route((_req, res) => res.jsonp({ a: 1 })),
  { request: { path: "/?callback=f" }, shows: own(/f\(/) },
);
right(
  "HEAD of res.send",
  route((_req, res) => res.send("hello")),
  { request: { method: "HEAD" }, shows: own("") },
);
right(
  "304 for a fresh ETag",
  route((_req, res) => res.send("hello")),
  { request: { headers: { "if-none-match": 'W/"5-qvTGHdzF6KLavt4PO0gs2a6pQ00"' } }, shows: own("", { status: 304 }) },
);
right(
  "sendFile",
  route(async (_req, res, aid) => res.sendFile(await aid.file(100_000), { lastModified: false, etag: false })),
  { shows: own((content) => content.length === 100_000) },
);
right(
  "sendFile with a range",
  route(async (_req, res, aid) => res.sendFile(await aid.file(1000), { lastModified: false, etag: false })),
  { request: { headers: { range: "bytes=10-19" } }, shows: own("x".repeat(10), { status: 206 }) },
);
right(
  "sendFile with a range that cannot be satisfied",
  route(async (_req, res, aid) => res.sendFile(await aid.file(10), { lastModified: false, etag: false })),
  { request: { headers: { range: "bytes=100-" } }, shows: { kind: "refused", statuses: [416] } },
);
right(
  "download",
  route(async (_req, res, aid) => res.download(await aid.file(10), "name.txt", { lastModified: false, etag: false })),
  { shows: own("x".repeat(10)) },
);
right(
  "compression",
  (app) => {
    app.use(compression({ threshold: 0 }));
    app.get("/", (_req: Misused, res: Misused) => res.send("hello ".repeat(1000)));
  },
  { request: compressed, shows: own(undefined, { fields: { "content-encoding": "gzip" } }) },
);
right(
  "compression of a stream",
  (app) => {
    app.use(compression({ threshold: 0 }));
    app.get("/", async (_req: Misused, res: Misused) => {
      res.type("text");
      for (let i = 0; i < 5; i++) {
        res.write("x".repeat(20_000));
        await sleep(10);
      }
      res.end();
    });
  },
  { request: compressed, shows: own(undefined, { fields: { "content-encoding": "gzip" } }) },
);
right("helmet", (app) => {
  app.use(helmet());
  app.get("/", (_req: Misused, res: Misused) => res.send("hello"));
});
right(
  "cookies",
  (app) => {
    app.use(cookieParser());
    app.get("/", (req: Misused, res: Misused) => res.cookie("a", req.cookies.a).cookie("b", "2").send("hello"));
  },
  { request: { headers: { cookie: "a=1" } } },
);
right("routers and mounted apps", (app, _aid, express) => {
  const router = express.Router();
  const inner = express();
  inner.get("/", (_req: Misused, res: Misused) => res.send("hello"));
  router.use("/", inner);
  app.use("/", router);
});
right("OPTIONS answered by the router", (app) => app.get("/", (_req: Misused, res: Misused) => res.send("hello")), {
  request: { method: "OPTIONS" },
  shows: own(),
});
right("404", () => {}, { shows: replaced(404) });
right("an asynchronous route", (app) =>
  app.get("/", async (_req: Misused, res: Misused) => {
    await sleep(5);
    res.send("hello");
  }),
);
right(
  "server-sent events with a flush",
  (app) => {
    app.use(compression());
    app.get("/", async (_req: Misused, res: Misused) => {
      res.set({ "content-type": "text/event-stream", "cache-control": "no-transform" });
      res.flushHeaders();
      for (let i = 0; i < 3; i++) {
        res.write(`data: ${i}\n\n`);
        await sleep(15);
      }
      res.end();
    });
  },
  { shows: own(/data: 2/) },
);

export default group("express: controls", scenarios);
