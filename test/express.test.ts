import { createServer, type Server } from "node:http";
import compression from "compression";
import express5, { type Express, type RequestHandler } from "express";
import session from "express-session";
import helmet from "helmet";
import supertest from "supertest";
import { describe, expect, it } from "vitest";
import { rayguard } from "../adapters/express.js";
import type { GuardOptions, Incident } from "../src/index.js";
import { exchange } from "../src/testing/index.js";
import { listen } from "./testing/servers.js";

const { default: express4 } = (await import("express4" as string)) as { default: typeof express5 };

type Attached = "attached" | "not attached";
type Setup = (app: Express, guard: ReturnType<typeof rayguard>, express: typeof express5) => void;

const VERSIONS = [
  ["Express 4", express4],
  ["Express 5", express5],
] as const;
const PLAIN = { headers: { Accept: "text/plain", "CF-RAY": "0123456789abcdef" } };

describe.each(VERSIONS)("%s", (version, express) => {
  async function serve(setup: Setup, options: GuardOptions = {}, attached: Attached = "attached") {
    const incidents: Incident[] = [];
    const messages: string[] = [];
    const note = (record: object, message: string) =>
      message === "incident" ? incidents.push(record as Incident) : messages.push(message);
    const app = express();
    app.set("env", "test"); // keeps Express from printing errors
    const guard = rayguard({ trust: "loopback", logger: { info() {}, warn: note, error: note }, ...options });
    setup(app, guard, express);
    const server = createServer(app);
    if (attached === "attached") guard.attach(server);
    return { app, guard, incidents, messages, server: await listen(server) };
  }

  async function statusesOf(server: Server, ...paths: string[]): Promise<number[]> {
    const { responses, valid, problems } = await exchange(
      server,
      paths.map((path) => ({ ...PLAIN, path })),
    );
    expect(problems).toEqual([]);
    expect(valid).toBe(true);
    return responses.map(({ status }) => status);
  }

  const routes: Setup = (app) => {
    app.get("/ok", (_request, response) => void response.send("ok"));
    app.get("/throw", () => {
      throw new Error("SECRET");
    });
    app.get("/reject", async () => {
      throw new Error("SECRET");
    });
    app.get("/next", (_request, _response, next) => next(new Error("SECRET")));
    app.get("/teapot", (_request, _response, next) => next(Object.assign(new Error("SECRET"), { status: 418 })));
    app.get("/write", (_request, response) => {
      response.write("partial");
      throw new Error("SECRET");
    });
    app.get("/destroy", (request) => {
      request.socket.destroy();
    });
    app.get("/twice", (_request, response) => {
      response.send("ok");
      response.send("again");
    });
    app.get("/late", (_request, response, next) => {
      response.send("ok");
      next(new Error("SECRET"));
    });
  };
  const PATHS = [
    "/ok",
    "/throw",
    "/reject",
    "/next",
    "/teapot",
    "/write",
    "/twice",
    "/late",
    "/nowhere",
    "/ok",
    "/destroy",
  ];
  const STATUSES = [200, 500, 500, 500, 418, 500, 200, 200, 404, 200, 500];

  describe.each(["attached", "not attached"] as const)("%s", (attached) => {
    it.each<[where: string, setup: Setup]>([
      [
        "on the app",
        (app, guard) => {
          app.use(guard);
          routes(app, guard, express);
        },
      ],
      [
        "on the app, with errorHandler",
        (app, guard) => {
          app.use(guard);
          routes(app, guard, express);
          app.use(guard.errorHandler);
        },
      ],
      [
        "on the app twice",
        (app, guard) => {
          app.use(guard);
          app.use(guard);
          routes(app, guard, express);
        },
      ],
      [
        "two guards",
        (app, guard) => {
          app.use(guard);
          app.use(rayguard({ logger: false }));
          routes(app, guard, express);
        },
      ],
      [
        "on a router",
        (app, guard) => {
          const router = express.Router();
          router.use(guard);
          routes(router as unknown as Express, guard, express);
          app.use(router);
        },
      ],
      [
        "on a mounted app",
        (app, guard) => {
          const inner = express();
          inner.set("env", "test");
          inner.use(guard);
          routes(inner, guard, express);
          app.use(inner);
        },
      ],
    ])("answers every request with the guard %s", async (_where, setup) => {
      const { server } = await serve(setup, {}, attached);
      expect(await statusesOf(server, ...PATHS)).toEqual(STATUSES);
      expect(await statusesOf(server, "/ok")).toEqual([200]);
    });
  });

  it("says once that it was mounted late", async () => {
    const { server, messages } = await serve((app, guard) => {
      app.use((_request, _response, next) => next());
      app.use(guard);
      routes(app, guard, express);
    });
    await statusesOf(server, "/ok", "/ok", "/throw");
    expect(messages.filter((message) => /mounted after/.test(message))).toHaveLength(1);
  });

  it("says nothing of the kind where it is first", async () => {
    const { server, messages } = await serve((app, guard) => {
      app.use(guard);
      routes(app, guard, express);
    });
    await statusesOf(server, "/ok");
    expect(messages).toEqual([]);
  });

  describe("guard.errorHandler", () => {
    const setup: Setup = (app, guard) => {
      app.use(guard);
      routes(app, guard, express);
      app.use(guard.errorHandler);
    };

    it("answers with negotiated content and the Ray ID, and gives the incident its cause", async () => {
      const { server, incidents } = await serve(setup);
      const { responses } = await exchange(server, { ...PLAIN, path: "/next" });
      expect(responses[0]?.field("content-type")).toBe("text/plain; charset=utf-8");
      expect(responses[0]?.text()).toContain("0123456789abcdef");
      expect(responses[0]?.text()).not.toContain("SECRET");
      expect(incidents).toMatchObject([{ code: "HANDLER_ERROR", action: "replaced", err: { message: "SECRET" } }]);
    });

    it("leaves errors the app has handled alone", async () => {
      const { server, incidents } = await serve((app, guard) => {
        app.use(guard);
        routes(app, guard, express);
        app.use(
          ((_error, _request, response, _next) =>
            void response.status(422).send("mine")) as express5.ErrorRequestHandler,
        );
        app.use(guard.errorHandler);
      });
      expect(await statusesOf(server, "/next", "/reject")).toEqual([422, 422]);
      expect(incidents).toEqual([]);
    });

    it("passes on what another guard, or none, looks after", () => {
      const seen: unknown[] = [];
      rayguard({ logger: false }).errorHandler("error", {} as never, {} as never, (error) => seen.push(error));
      expect(seen).toEqual(["error"]);
    });
  });

  it("answers 500 quickly while the upload is unfinished", async () => {
    const { server } = await serve((app, guard) => {
      app.use(guard);
      app.post("/", () => {
        throw new Error("x");
      });
    });
    const octets = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nhello";
    const { responses, ms } = await exchange(server, octets);
    expect(responses.map(({ status, complete }) => [status, complete])).toEqual([[500, true]]);
    expect(ms).toBeLessThan(3_000);
  });

  it("takes what described the lost content off Express's own error page", async () => {
    const { server } = await serve((app, guard) => {
      app.use(guard);
      app.get("/", (_request, response) => {
        response.set({
          ETag: '"x"',
          "Cache-Control": "public, max-age=60",
          "Content-Encoding": "gzip",
          "Access-Control-Allow-Origin": "*",
        });
        throw new Error("x");
      });
    });
    const { responses } = await exchange(server, { ...PLAIN, path: "/" });
    expect(responses[0]?.status).toBe(500);
    for (const name of ["etag", "content-encoding"]) expect(responses[0]?.field(name), name).toBeUndefined();
    expect(responses[0]?.field("cache-control") ?? "").not.toContain("public");
    expect(responses[0]?.field("access-control-allow-origin")).toBe("*");
  });

  it("lets a late next(err) harm nothing, not even the request after it on the connection", async () => {
    let fail = () => {};
    const { server, incidents } = await serve((app, guard) => {
      app.use(guard);
      app.get("/first", (_request, response, next) => {
        response.send("x".repeat(500_000));
        fail = () => next(new Error("late"));
      });
      app.get("/second", (_request, response) => {
        fail();
        setImmediate(() => response.send("second"));
      });
    });
    expect(await statusesOf(server, "/first", "/second")).toEqual([200, 200]);
    expect(incidents).toMatchObject([{ code: "LATE_ERROR", action: "ignored" }]);
  });

  it("works through supertest, which listens by itself", async () => {
    const app = express();
    app.set("env", "test");
    const guard = rayguard({ logger: false });
    app.use(guard);
    routes(app, guard, express);
    const agent = supertest(app);
    await agent.get("/ok").expect(200, "ok");
    await agent.get("/reject").expect(500);
    await agent.get("/destroy").expect(500);
    await agent.get("/health").expect(200);
    expect(guard.stats().requests).toBe(4);
  });

  describe.each(["before", "behind"] as const)("with the guard %s compression, helmet and express-session", (order) => {
    const stack: readonly RequestHandler[] = [
      compression({ threshold: 0 }) as unknown as RequestHandler,
      helmet() as unknown as RequestHandler,
      session({ secret: "s", resave: false, saveUninitialized: true }) as unknown as RequestHandler,
    ];
    const setup: Setup = (app, guard) => {
      if (order === "before") app.use(guard);
      for (const middleware of stack) app.use(middleware);
      if (order === "behind") app.use(guard);
      routes(app, guard, express);
      app.get("/big", (_request, response) => void response.send("x".repeat(200_000)));
      app.get("/zipped", (_request, response) => {
        response.type("text/plain").write("x".repeat(20_000));
        throw new Error("x");
      });
    };

    it("answers every request", async () => {
      const { server } = await serve(setup);
      const headers = { "Accept-Encoding": "gzip", Accept: "text/plain" };
      const paths = ["/ok", "/big", "/throw", "/reject", "/zipped", "/nowhere", "/ok"];
      const { responses, problems } = await exchange(
        server,
        paths.map((path) => ({ path, headers })),
      );
      expect(problems).toEqual([]);
      expect(responses.map(({ status }) => status)).toEqual([200, 200, 500, 500, 500, 404, 200]);
      expect(responses[1]?.field("content-encoding")).toBe("gzip");
      for (const response of responses) expect(response.field("x-content-type-options")).toBe("nosniff");
      const failed = responses[4];
      if (failed?.field("content-encoding") === undefined) expect(failed?.text()).toContain("500");
    });
  });

  it("gives every request its context", async () => {
    const { server } = await serve((app, guard) => {
      app.use(guard);
      app.get(
        "/",
        (request, response) => void response.json({ ray: request.rayguard?.ray, ip: request.rayguard?.clientIp }),
      );
    });
    const { responses } = await exchange(server, {
      path: "/",
      headers: { "CF-RAY": "0123456789abcdef-FRA", "CF-Connecting-IP": "203.0.113.7" },
    });
    expect(JSON.parse(responses[0]?.text() ?? "")).toEqual({
      ray: { id: "0123456789abcdef", colo: "FRA" },
      ip: "203.0.113.7",
    });
  });

  it("overrides the numbers of the outer guard where it is mounted on a router", async () => {
    const { server } = await serve(
      (app, guard, make) => {
        app.use(guard);
        const router = make.Router();
        router.use(rayguard({ logger: false, firstByteDeadlineMs: 30 }));
        router.get("/", () => {});
        app.use("/fast", router);
      },
      { firstByteDeadlineMs: 60_000 },
    );
    expect(await statusesOf(server, "/fast")).toEqual([503]);
  });

  it("is a function of three arguments with the methods of a guard", () => {
    const guard = rayguard({ logger: false });
    expect(guard).toHaveLength(3);
    expect(guard.errorHandler).toHaveLength(4);
    expect(guard.state).toBe("serving");
    const server = createServer();
    expect(guard.attach(server)).toBe(server);
    guard.health.register("db", () => true);
    expect(guard.health.remove("db")).toBe(true);
    guard.close();
    expect(guard.state).toBe("closed");
    expect(version).toMatch(/^Express [45]$/);
  });
});
