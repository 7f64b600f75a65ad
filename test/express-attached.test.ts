import { createServer, type RequestListener, type Server } from "node:http";
import { createRequire } from "node:module";
import type express from "express";
import type { Express } from "express";
import { describe, expect, it } from "vitest";
import { rayguard } from "../adapters/express.js";
import { createGuard, type Guard } from "../src/index.js";
import { exchange } from "../src/testing/index.js";
import { listen } from "./testing/servers.js";

// Express puts each response on a prototype of the application: a guard that is only attached must follow it there.

const require = createRequire(import.meta.url);

/** A copy of Express of its own: one whose prototypes no guard has seen. */
function freshCopy(name: "express" | "express4"): typeof express {
  for (const path of Object.keys(require.cache))
    if (path.includes(`/node_modules/${name}/lib/`)) delete require.cache[path];
  return require(name) as typeof express;
}

const OPTIONS = { logger: false, lint: false, firstByteDeadlineMs: 100 } as const;
const VERSIONS = [
  ["Express 4", "express4"],
  ["Express 5", "express"],
] as const;
const GUARDS = [
  ["createGuard()", () => createGuard(OPTIONS)],
  ["rayguard() of the adapter", () => rayguard(OPTIONS)],
] as const;
const SERVERS: readonly (readonly [string, (app: Express, guard: Guard) => Server])[] = [
  ["the application as its listener", (app, guard) => guard.attach(createServer(app as RequestListener))],
  [
    "the application as a listener added later",
    (app, guard) => guard.attach(createServer()).on("request", app as RequestListener),
  ],
  [
    "the application behind another listener",
    (app, guard) =>
      guard
        .attach(createServer())
        .on("request", () => {})
        .on("request", app as RequestListener),
  ],
  [
    "the application called by an async listener",
    (app, guard) =>
      guard.attach(
        createServer(async (request, response) => {
          (app as RequestListener)(request, response);
          await null;
        }),
      ),
  ],
  [
    "the application called by a listener that answers the first request itself",
    (app, guard) => {
      let first = true;
      return guard.attach(
        createServer((request, response) => {
          if (first) response.end("itself");
          else (app as RequestListener)(request, response);
          first = false;
        }),
      );
    },
  ],
];

function routes(app: Express): Express {
  app.set("env", "test"); // keeps Express from printing errors
  app.get("/ok", (_request, response) => void response.send("ok"));
  app.get("/later", (_request, response) => void setTimeout(() => response.send("later"), 5));
  app.get("/throw", () => {
    throw new Error("SECRET");
  });
  app.get("/destroy", (_request, response) => void response.destroy());
  app.get("/socket", (_request, response) => void response.socket?.destroy());
  app.get("/short", (_request, response) => void response.set("Content-Length", "100").end("short"));
  app.get("/both", (_request, response) => {
    response.set({ "Content-Length": "2", "Transfer-Encoding": "chunked" }).end("ab");
  });
  app.get("/status", (_request, response) => {
    response.statusCode = 199;
    response.end("199");
  });
  app.get("/hang", () => {});
  return app;
}

const ANSWERS = {
  "/ok": 200,
  "/ok?again": 200,
  "/destroy": 500,
  "/throw": 500,
  "/later": 200,
  "/socket": 500,
  "/short": 500,
  "/both": 200,
  "/status": 500,
  "/hang": 503,
};

describe.each(VERSIONS)("%s with a guard that is only attached", (_version, name) => {
  describe.each(GUARDS)("%s", (_which, make) => {
    it.each(SERVERS)("answers every request, with %s", async (_how, serve) => {
      const guard = make();
      const app = routes(freshCopy(name)());
      const server = await listen(serve(app, guard));
      const got: Record<string, number | undefined> = {};
      // Each on a connection of its own, since some announce its end.
      for (const path of Object.keys(ANSWERS)) {
        const { responses, problems } = await exchange(server, [{ path }]);
        expect(problems, path).toEqual([]);
        got[path] = responses[0]?.status;
      }
      expect(got).toEqual(ANSWERS);
      guard.close();
    });
  });

  it("answers a rejection, which the adapter waits for", async () => {
    const guard = rayguard(OPTIONS);
    const app = routes(freshCopy(name)());
    app.get("/reject", async () => {
      throw new Error("SECRET");
    });
    const server = await listen(guard.attach(createServer(app as RequestListener)));
    const { responses } = await exchange(server, [{ path: "/reject" }, { path: "/ok" }]);
    expect(responses.map(({ status }) => status)).toEqual([500, 200]);
    guard.close();
  });

  it("answers on a route ahead of app.use(guard)", async () => {
    const guard = rayguard(OPTIONS);
    const app = routes(freshCopy(name)());
    app.use(guard);
    const server = await listen(guard.attach(createServer(app as RequestListener)));
    const { responses, problems } = await exchange(server, [{ path: "/short" }, { path: "/ok" }, { path: "/destroy" }]);
    expect(problems).toEqual([]);
    expect(responses.map(({ status }) => status)).toEqual([500, 200, 500]);
    guard.close();
  });
});
