import { createHmac } from "node:crypto";
import { Readable } from "node:stream";
import compression from "compression";
import session from "express-session";
import {
  cut,
  fault,
  faultOrCut,
  group,
  late,
  type Misused,
  own,
  replaced,
  type Scenario,
  sleep,
  unfinished,
} from "../scenario.js";

const scenarios: Scenario[] = [];
const add = (name: string, express: Scenario["express"], rest: Partial<Scenario> & Pick<Scenario, "shows">) =>
  scenarios.push({ name: `express: ${name}`, on: ["express5", "express4"], ...(express ? { express } : {}), ...rest });

/** Middleware in between. */
const compressed = { headers: { "accept-encoding": "gzip" } };
add(
  "compression and an end() that throws",
  (app) => {
    app.use(compression({ threshold: 0 }));
    app.get("/", (_req: Misused, res: Misused) => {
      res.set("content-type", "text/plain");
      res.statusCode = 1000;
      res.end("hello");
    });
  },
  {
    request: compressed,
    shows: { kind: "replaced", statuses: [500], fields: { "content-encoding": null } },
    // The status throws where it is set, and compression takes the answer to that.
    http2: { shows: fault },
    bothHandlers: true,
  },
);
add(
  "compression and a fault after a write",
  (app) => {
    app.use(compression({ threshold: 0 }));
    app.get("/", (_req: Misused, res: Misused) => {
      res.set("content-type", "text/plain");
      res.write("hello");
      throw new Error("secret cause");
    });
  },
  {
    request: compressed,
    shows: { kind: "replaced", statuses: [500], fields: { "content-encoding": null } },
    bothHandlers: true,
    rules: ["MD-9", "MD-10"],
  },
);
add(
  "compression and a source that fails",
  (app) => {
    app.use(compression({ threshold: 0 }));
    app.get("/", (_req: Misused, res: Misused) => {
      res.set("content-type", "text/plain");
      const source = Readable.from(
        (async function* () {
          yield "x".repeat(300_000);
          await sleep(60);
          throw new Error("secret cause");
        })(),
      );
      source.on("error", () => res.destroy());
      source.pipe(res);
    });
  },
  { request: compressed, shows: faultOrCut },
);
add(
  "compression and a destroyed response",
  (app) => {
    app.use(compression({ threshold: 0 }));
    app.get("/", (_req: Misused, res: Misused) => {
      res.type("text").write("hello");
      res.destroy();
    });
  },
  { request: compressed, shows: fault },
);
add(
  "compression and a handler that never ends",
  (app) => {
    app.use(compression({ threshold: 0 }));
    app.get("/", (_req: Misused, res: Misused) => res.type("text").write("hello"));
  },
  { request: compressed, shows: [late, cut] },
);
add(
  "compression and writes after the end",
  (app) => {
    app.use(compression({ threshold: 0 }));
    app.get("/", (_req: Misused, res: Misused) => {
      res.type("text").end("hello");
      res.write("again");
      res.end("again");
    });
  },
  { request: compressed, shows: own() },
);
add(
  "a session that cannot be saved",
  (app) => {
    class Store extends session.Store {
      get(_id: string, done: (error: unknown, found?: never) => void) {
        done(null);
      }
      set(_id: string, _value: unknown, done?: (error?: unknown) => void) {
        done?.(new Error("secret cause"));
      }
      destroy(_id: string, done?: (error?: unknown) => void) {
        done?.(new Error("secret cause"));
      }
    }
    app.use(session({ secret: "s", resave: true, saveUninitialized: true, store: new Store() as never }));
    app.get("/", (_req: Misused, res: Misused) => res.send("hello"));
  },
  { shows: [own("hello"), fault] },
);
add(
  "a session store that never answers a save",
  (app) => {
    class Store extends session.Store {
      get(_id: string, done: (error: unknown, found?: never) => void) {
        done(null);
      }
      set() {}
      destroy() {}
    }
    app.use(session({ secret: "s", resave: true, saveUninitialized: true, store: new Store() as never }));
    app.get("/", (_req: Misused, res: Misused) => res.send("hello"));
  },
  { shows: [late, cut] },
);
add(
  "a session store that never answers a load",
  (app) => {
    class Store extends session.Store {
      get() {}
      set() {}
      destroy() {}
    }
    app.use(session({ secret: "s", resave: true, saveUninitialized: true, store: new Store() as never }));
    app.get("/", (_req: Misused, res: Misused) => res.send("hello"));
  },
  {
    request: {
      headers: {
        cookie: `connect.sid=${encodeURIComponent(`s:abc.${createHmac("sha256", "s").update("abc").digest("base64").replace(/=+$/, "")}`)}`,
      },
    },
    shows: late,
  },
);
add(
  "an on-headers listener that throws",
  (app) => {
    app.use((_req: Misused, res: Misused, next: Misused) => {
      const { writeHead } = res;
      res.writeHead = (...args: unknown[]) => {
        if (!res.thrown) {
          res.thrown = true;
          throw new Error("secret cause");
        }
        return writeHead.apply(res, args);
      };
      next();
    });
    app.get("/", (_req: Misused, res: Misused) => res.send("hello"));
  },
  { shows: [fault, own("hello")], bothHandlers: true },
);
add(
  "a body parser fed with bad JSON",
  (app, _aid, express) => {
    app.use(express.json());
    app.post("/", (_req: Misused, res: Misused) => res.send("hello"));
  },
  {
    request: { method: "POST", body: "{bad", headers: { "content-type": "application/json" } },
    shows: replaced(400),
    control: true,
  },
);
add(
  "a body parser whose upload is aborted",
  (app, _aid, express) => {
    app.use(express.json());
    app.post("/", (_req: Misused, res: Misused) => res.send("hello"));
  },
  {
    client: async (wire) => {
      wire.sendPart(
        "POST / HTTP/1.1\r\nHost: origin\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{",
      );
      await sleep(20);
      wire.destroy();
      await sleep(40);
    },
    http2: unfinished("{", { "content-type": "application/json", "content-length": "500" }, 20),
    shows: { kind: "gone" },
    control: true,
  },
);
add(
  "a body parser fed with too much",
  (app, _aid, express) => {
    app.use(express.json({ limit: 100 }));
    app.post("/", (_req: Misused, res: Misused) => res.send("hello"));
  },
  {
    request: { method: "POST", body: `"${"x".repeat(500)}"`, headers: { "content-type": "application/json" } },
    shows: replaced(413),
    control: true,
  },
);
add(
  "a body parser fed with too much that never ends",
  (app, _aid, express) => {
    app.use(express.json({ limit: 100 }));
    app.post("/", (_req: Misused, res: Misused) => res.send("hello"));
  },
  {
    client: async (wire) => {
      wire.sendPart(
        `POST / HTTP/1.1\r\nHost: origin\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n${"x".repeat(200)}`,
      );
      await wire.answers(1);
    },
    http2: unfinished("x".repeat(200), { "content-type": "application/json", "content-length": "500" }),
    shows: [replaced(413), late],
    bothHandlers: true,
  },
);

export default group("express: middleware", scenarios);
