import { createHmac } from "node:crypto";
import { chmod, truncate, unlink } from "node:fs/promises";
import { Readable } from "node:stream";
import compression from "compression";
import cookieParser from "cookie-parser";
import session from "express-session";
import helmet from "helmet";
import {
  type Aid,
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
} from "../scenario.js";

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

/** Files as answers. */
add(
  "sendFile of a missing file",
  route((_req, res) => res.sendFile("/nonexistent/file")),
  { shows: replaced(404, 500), control: true },
);
add(
  "sendFile of a missing file with a callback that does nothing",
  route((_req, res) => res.sendFile("/nonexistent/file", () => {})),
  { shows: late },
);
add(
  "sendFile of a relative path",
  route((_req, res) => res.sendFile("relative.txt")),
  { shows: fault, control: true },
);
add(
  "sendFile of undefined",
  route((_req, res) => res.sendFile(undefined)),
  { shows: fault, control: true },
);
add(
  "sendFile of a directory",
  route((_req, res) => res.sendFile("/tmp")),
  { shows: replaced(404, 500), control: true },
);
add(
  "sendFile of a /proc file, whose size is 0",
  route((_req, res) => res.sendFile("/proc/self/status")),
  { shows: [fault, own(/Name/), own("")], rules: ["MC-7"] },
);
add(
  "sendFile of a file that shrinks",
  route(async (_req, res, aid) => {
    const path = await aid.file(3_000_000);
    res.sendFile(path);
    res.once("pipe", () => void truncate(path, 100_000));
  }),
  { shows: faultOrCut, rules: ["MC-5"] },
);
add(
  "sendFile of a file that is emptied",
  route(async (_req, res, aid) => {
    const path = await aid.file(100);
    res.on("newListener", () => {});
    const { writeHead } = res;
    void writeHead;
    res.sendFile(path, { headers: { "x-y": "1" } });
    await truncate(path, 0);
  }),
  { shows: [fault, own(/^x*$/), cut], rules: ["MC-5"] },
);
add(
  "sendFile of a file that is deleted",
  route(async (_req, res, aid) => {
    const path = await aid.file(100);
    await unlink(path);
    res.sendFile(path);
  }),
  { shows: replaced(404, 500), control: true },
);
add(
  "sendFile of an unreadable file",
  route(async (_req, res, aid) => {
    const path = await aid.file(100);
    await chmod(path, 0o000);
    res.sendFile(path);
  }),
  { shows: [replaced(403, 404, 500), own(/^x+$/)], control: true },
);
add(
  "sendFile with bad headers",
  route(async (_req, res, aid) => res.sendFile(await aid.file(100), { headers: { "x-y": "a\r\nb" } })),
  { shows: fault },
);
add(
  "sendFile with maxAge that is no number",
  route(async (_req, res, aid) => res.sendFile(await aid.file(100), { maxAge: "soon" })),
  { shows: { kind: "complete" } },
);
add(
  "download of a missing file",
  route((_req, res) => res.download("/nonexistent/file")),
  { shows: replaced(404, 500), control: true },
);
add(
  "download with a name that has a line break",
  route(async (_req, res, aid) => res.download(await aid.file(100), "a\nb.txt")),
  { shows: [fault, own(/^x{100}$/)] },
);
add(
  "sendFile, then another answer",
  route(async (_req, res, aid) => {
    res.sendFile(await aid.file(100));
    res.send("hello");
  }),
  { shows: [own("hello"), own(/^x{100}$/)], settleMs: 20 },
);
add(
  "sendFile, then a destroyed response",
  route(async (_req, res, aid) => {
    res.sendFile(await aid.file(100_000));
    res.destroy();
  }),
  { shows: fault },
);
add("a static directory that is missing", (app, _aid, express) => app.use(express.static("/nonexistent")), {
  shows: replaced(404),
  control: true,
});
add("a static path that climbs out", (app, _aid, express) => app.use(express.static("/tmp")), {
  request: { path: "/%2e%2e/%2e%2e/etc/passwd" },
  shows: replaced(403, 404),
  control: true,
});
add("a path that cannot be decoded", (app) => app.get("/:id", (_req: Misused, res: Misused) => res.send("hello")), {
  request: { path: "/%E0%A4%A" },
  shows: replaced(400),
  control: true,
});

/** Views. */
add(
  "a missing view",
  route((_req, res) => res.render("missing")),
  { shows: fault, bothHandlers: true },
);
add(
  "a view engine that throws",
  (app, aid) => {
    app.engine("html", () => {
      throw new Error("secret cause");
    });
    app.set("view engine", "html");
    app.get("/", async (_req: Misused, res: Misused) => res.render(await aid.file(5, "view.html")));
  },
  { shows: fault, bothHandlers: true },
);
add(
  "a view engine that never calls back",
  (app, aid) => {
    app.engine("html", () => {});
    app.set("view engine", "html");
    app.get("/", async (_req: Misused, res: Misused) => res.render(await aid.file(5, "view.html")));
  },
  { shows: late },
);
add(
  "a view engine that calls back twice",
  (app, aid) => {
    app.engine("html", (_path: string, _options: unknown, done: Misused) => {
      done(null, "hello");
      setTimeout(() => done(null, "again"), 5);
    });
    app.set("view engine", "html");
    app.get("/", async (_req: Misused, res: Misused) => res.render(await aid.file(5, "view.html")));
  },
  { shows: own("hello"), settleMs: 20, provokes: "uncaughtException" },
);

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
    shows: [replaced(413), late],
    bothHandlers: true,
  },
);

/** Fields by Express's own methods. */
const FIELDS: Record<string, (res: Misused) => unknown> = {
  "res.set with CR LF": (res) => res.set("x-y", "a\r\nb"),
  "res.cookie with a bad name": (res) => res.cookie("bad name", "1"),
  "res.cookie with CR LF in its path": (res) => res.cookie("a", "1", { path: "/\r\nx: 1" }),
  "res.cookie signed without a secret": (res) => res.cookie("a", "1", { signed: true }),
  "res.cookie with a bad maxAge": (res) => res.cookie("a", "1", { maxAge: "soon", expires: "never" }),
  "res.type of undefined": (res) => res.type(undefined),
  "res.vary of nothing": (res) => res.vary(),
  "res.links with CR LF": (res) => res.links({ next: "a\r\nb" }),
  "res.location of undefined": (res) => res.location(undefined),
  "res.attachment with a line break": (res) => res.attachment("a\nb.txt"),
  "res.append with a bad value": (res) => res.append("x-y", ["a", "b\r\nc"]),
  "res.set of a huge value": (res) => res.set("x-large", "x".repeat(200_000)),
  "res.set of a Content-Length that is wrong": (res) => res.set("content-length", "3"),
};
for (const [what, act] of Object.entries(FIELDS)) {
  add(
    `${what}, then res.send`,
    route((_req, res) => {
      act(res);
      res.send("hello");
    }),
    { shows: [fault, own("hello")], bothHandlers: true },
  );
}
add(
  "res.redirect outside ASCII",
  route((_req, res) => res.redirect("/日本語")),
  { shows: own(undefined, { status: 302 }), control: true },
);
add(
  "res.redirect with CR LF",
  route((_req, res) => res.redirect("/a\r\nset-cookie: stolen=1")),
  { shows: [own(undefined, { status: 302, fields: { "set-cookie": null } }), fault], control: true },
);
add(
  "res.redirect of undefined",
  route((_req, res) => res.redirect(undefined)),
  { shows: [fault, own(undefined, { status: 302 })] },
);
add(
  "res.format without a match",
  route((_req, res) => res.format({ "image/png": () => res.send("hello") })),
  { request: { headers: { accept: "text/html" } }, shows: replaced(406), control: true },
);
add(
  "res.send, then fields",
  route((_req, res) => {
    res.send("hello");
    res.set("x-y", "1");
  }),
  { shows: own("hello"), rules: ["MC-7"] },
);

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

export default group("express answers", scenarios);
