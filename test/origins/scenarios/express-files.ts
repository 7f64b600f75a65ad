import { chmod, truncate, unlink } from "node:fs/promises";
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
  // `send` sets them in a callback of its own, where nobody catches what that throws.
  {
    shows: [fault, replaced(503)],
    provokes: "uncaughtException",
    http2: { shows: [fault, replaced(503), own("x".repeat(100))] },
  },
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

export default group("express: files and views", scenarios);
