import { once } from "node:events";
import http2 from "node:http2";
import { type AddressInfo, connect } from "node:net";
import { Readable } from "node:stream";
import fastifyCompress from "@fastify/compress";
import fastifyHelmet from "@fastify/helmet";
import fastify, { type FastifyInstance, type FastifyServerOptions } from "fastify";
import { afterEach, describe, expect, it } from "vitest";
import rayguardDefault, { rayguard } from "../adapters/fastify.js";
import type { GuardOptions, Incident } from "../src/index.js";
import { exchange } from "../src/testing/index.js";

const closing: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

type Setup = (app: FastifyInstance, register: (scope?: FastifyInstance) => Promise<unknown>) => unknown;

async function serve(setup: Setup, options: GuardOptions = {}, server: FastifyServerOptions = {}) {
  const incidents: Incident[] = [];
  const note = (record: object, message: string) => {
    if (message === "incident") incidents.push(record as Incident);
  };
  const app = fastify(server);
  const given = { logger: { info() {}, warn: note, error: note }, ...options };
  await setup(app, async (scope = app) => scope.register(rayguard, given));
  await app.listen({ port: 0, host: "127.0.0.1" });
  closing.push(() => app.close());
  return { app, incidents };
}

const PLAIN = { Accept: "text/plain", "CF-RAY": "0123456789abcdef" };

/** Answers to one request each, since some close their connection. */
async function answersOf(app: FastifyInstance, ...paths: string[]) {
  const answers = [];
  for (const path of paths) {
    const { responses, problems } = await exchange(app.server, { path, headers: PLAIN }, { keepOpenMs: 5 });
    expect(problems, path).toEqual([]);
    expect(responses, path).toHaveLength(1);
    answers.push(...responses);
  }
  return answers;
}

async function statusesOf(app: FastifyInstance, ...paths: string[]): Promise<number[]> {
  return (await answersOf(app, ...paths)).map(({ status }) => status);
}

function routes(app: FastifyInstance): void {
  app.get("/ok", () => ({ ok: true }));
  app.get("/throw", () => {
    throw new Error("x");
  });
  app.get("/reject", async () => {
    throw new Error("x");
  });
  app.get("/teapot", async () => {
    throw Object.assign(new Error("x"), { statusCode: 418 });
  });
  app.get("/getter", async () => {
    throw {
      get statusCode() {
        throw new Error("getter");
      },
    };
  });
  app.get("/undefined", () => undefined);
  app.get("/stream", (_request, reply) =>
    reply.send(
      new Readable({
        read() {
          this.destroy(new Error("x"));
        },
      }),
    ),
  );
  app.get("/raw", (_request, reply) => {
    reply.raw.write("a");
    throw new Error("x");
  });
  app.get("/destroy", (_request, reply) => {
    reply.raw.destroy();
    return reply;
  });
  app.get("/hijack", (_request, reply) => {
    reply.hijack();
    throw new Error("x");
  });
  app.get("/hijack-late", async (_request, reply) => {
    reply.hijack();
    await Promise.resolve();
    throw new Error("x");
  });
  app.get("/hijack-ok", (_request, reply) => {
    reply.hijack();
    reply.raw.end("raw");
  });
}
const PATHS = [
  "/ok",
  "/throw",
  "/reject",
  "/teapot",
  "/getter",
  "/stream",
  "/raw",
  "/hijack",
  "/hijack-late",
  "/hijack-ok",
  "/none",
  "/undefined",
  "/destroy",
];
const STATUSES = [200, 500, 500, 418, 500, 500, 500, 500, 500, 200, 404, 503, 500];

describe("the plugin", () => {
  it("is the default export and a named one", () => {
    expect(rayguardDefault).toBe(rayguard);
  });

  it.each<[where: string, setup: Setup]>([
    [
      "before the routes",
      async (app, register) => {
        await register();
        routes(app);
      },
    ],
    [
      "not awaited",
      (app, register) => {
        void register();
        app.register(async (inner) => routes(inner));
      },
    ],
    [
      "twice",
      async (app, register) => {
        await register();
        await register();
        routes(app);
      },
    ],
    [
      "in an inner scope",
      async (app, register) => {
        await app.register(async (inner) => {
          await register(inner);
          routes(inner);
        });
      },
    ],
    [
      "in an outer and an inner scope",
      async (app, register) => {
        await register();
        await app.register(async (inner) => {
          await register(inner);
          routes(inner);
        });
      },
    ],
    [
      "behind other plugins",
      async (app, register) => {
        await app.register(fastifyHelmet);
        await register();
        routes(app);
      },
    ],
  ])("answers every request when it is registered %s", async (_where, setup) => {
    const { app } = await serve(setup, { firstByteDeadlineMs: 100 });
    expect(await statusesOf(app, ...PATHS)).toEqual(STATUSES);
    expect(await statusesOf(app, "/ok")).toEqual([200]);
  });

  it("answers every request of routes that were there before it", async () => {
    const { app } = await serve(
      async (instance, register) => {
        routes(instance);
        await register();
      },
      { firstByteDeadlineMs: 100 },
    );
    expect(await statusesOf(app, "/ok", "/throw", "/raw", "/none", "/destroy")).toEqual([200, 500, 500, 404, 500]);
  });

  it("decorates the app with the guard and requests with their context", async () => {
    const { app } = await serve(async (instance, register) => {
      await register();
      instance.get("/", (request) => ({ ray: request.rayguard.ray, same: request.rayguard === request.raw.rayguard }));
    });
    expect(JSON.parse((await answersOf(app, "/"))[0]?.text() ?? "")).toEqual({
      ray: { id: "0123456789abcdef", colo: null },
      same: true,
    });
    expect(app.rayguard.state).toBe("serving");
    expect(app.rayguard.stats().requests).toBe(1);
  });

  it("refuses bad options when it is registered", async () => {
    const app = fastify();
    await expect(async () => {
      await app.register(rayguard, { holdBackMs: 0 });
    }).rejects.toMatchObject({ code: "ERR_RAYGUARD_INVALID_OPTION" });
  });

  it("closes its guard with the app", async () => {
    const app = fastify();
    await app.register(rayguard, { logger: false });
    await app.close();
    expect(app.rayguard.state).toBe("closed");
  });
});

describe("error and not-found handlers of the user", () => {
  it("are called and answer, without an incident", async () => {
    const { app, incidents } = await serve(async (instance, register) => {
      instance.setErrorHandler((error, _request, reply) => reply.code(422).send({ mine: (error as Error).message }));
      await register();
      instance.setNotFoundHandler((_request, reply) => reply.code(404).send("mine"));
      routes(instance);
    });
    const [thrown, missing] = await answersOf(app, "/throw", "/none");
    expect([thrown?.status, thrown?.text(), missing?.text()]).toEqual([422, '{"mine":"x"}', "mine"]);
    expect(incidents).toEqual([]);
  });

  it("can be set after the plugin, since it sets none of its own", async () => {
    const { app } = await serve(async (instance, register) => {
      await register();
      instance.setErrorHandler((_error, _request, reply) => reply.code(500).send("mine"));
      instance.setNotFoundHandler((_request, reply) => reply.code(404).send("mine"));
      routes(instance);
    });
    expect((await answersOf(app, "/throw", "/none")).map((response) => response.text())).toEqual(["mine", "mine"]);
  });

  it.each<[how: string, handler: (...args: never[]) => unknown]>([
    [
      "throws",
      () => {
        throw new Error("again");
      },
    ],
    [
      "throws undefined",
      () => {
        throw undefined;
      },
    ],
    [
      "rejects",
      async () => {
        throw new Error("again");
      },
    ],
    ["returns a symbol", () => Symbol("s")],
    ["never answers", () => new Promise(() => {})],
    [
      "sends twice",
      ((_error: unknown, _request: unknown, reply: { code(n: number): { send(v: unknown): void } }) => {
        reply.code(500).send("a");
        reply.code(500).send("b");
      }) as never,
    ],
  ])("that fail leave a complete error answer: one that %s", async (_how, handler) => {
    const { app } = await serve(
      async (instance, register) => {
        await register();
        instance.setErrorHandler(handler as never);
        routes(instance);
      },
      { firstByteDeadlineMs: 100 },
    );
    const [status] = await statusesOf(app, "/throw", "/ok");
    expect([500, 503]).toContain(status);
  });
});

describe("an error answer", () => {
  const LOST = {
    "Content-Encoding": "gzip",
    ETag: '"x"',
    "Cache-Control": "public, max-age=60",
    "Set-Cookie": "sid=1",
    "Content-Disposition": "attachment",
  };

  it("loses the fields of the content it replaces, and keeps the others", async () => {
    const { app } = await serve(async (instance, register) => {
      await register();
      instance.get("/", (_request, reply) => {
        reply.headers({ ...LOST, "Access-Control-Allow-Origin": "*", Vary: "Origin" });
        throw new Error("x");
      });
    });
    const [response] = await answersOf(app, "/");
    expect(response?.status).toBe(500);
    for (const name of Object.keys(LOST)) expect(response?.field(name), name).toBeUndefined();
    expect(response?.field("access-control-allow-origin")).toBe("*");
    expect(response?.field("vary")).toBe("Origin");
  });

  it("keeps what the user's error handler sets", async () => {
    const { app } = await serve(async (instance, register) => {
      await register();
      instance.setErrorHandler((_error, _request, reply) =>
        reply.code(500).header("etag", '"mine"').header("set-cookie", "mine=1").send("mine"),
      );
      instance.get("/", (_request, reply) => {
        reply.headers(LOST);
        throw new Error("x");
      });
    });
    const [response] = await answersOf(app, "/");
    expect([response?.field("etag"), response?.field("set-cookie"), response?.field("content-encoding")]).toEqual([
      '"mine"',
      "mine=1",
      undefined,
    ]);
  });

  it("is no gzip where @fastify/compress was at work", async () => {
    const { app } = await serve(async (instance, register) => {
      await register();
      await instance.register(fastifyCompress, { threshold: 0 });
      instance.get("/", (_request, reply) => {
        reply.send("x".repeat(5_000));
        throw new Error("x");
      });
      instance.get("/ok", () => "x".repeat(5_000));
    });
    const { responses, problems } = await exchange(
      app.server,
      ["/ok", "/"].map((path) => ({ path, headers: { "Accept-Encoding": "gzip" } })),
    );
    expect(problems).toEqual([]);
    expect(responses[0]?.field("content-encoding")).toBe("gzip");
    if (responses[1]?.status !== 200) expect(responses[1]?.field("content-encoding")).toBeUndefined();
  });
});

describe("config: { rayguard }", () => {
  it("sets the numbers of a route", async () => {
    const { app } = await serve(async (instance, register) => {
      await register();
      instance.get("/short", { config: { rayguard: { firstByteDeadlineMs: 30 } } }, () => new Promise(() => {}));
      instance.get("/small", { config: { rayguard: { maxHeaderSectionOctets: 512 } } }, (_request, reply) =>
        reply.header("x-big", "x".repeat(600)).send("ok"),
      );
      instance.get("/big", (_request, reply) => reply.header("x-big", "x".repeat(600)).send("ok"));
    });
    expect(await statusesOf(app, "/short", "/small", "/big")).toEqual([503, 500, 200]);
  });

  it("is refused when the route is declared, not when it is asked for", async () => {
    const app = fastify();
    await app.register(rayguard, { logger: false });
    expect(() => app.get("/", { config: { rayguard: { firstByteDeadlineMs: -1 } } }, () => "x")).toThrow(
      /firstByteDeadlineMs must be/,
    );
    await app.close();
  });
});

describe("inject()", () => {
  it("gets an answer to every request", async () => {
    const app = fastify();
    await app.register(rayguard, { logger: false, firstByteDeadlineMs: 100 });
    routes(app);
    const statuses: Record<string, number> = {};
    for (const path of [
      "/ok",
      "/throw",
      "/reject",
      "/teapot",
      "/hijack",
      "/hijack-ok",
      "/none",
      "/undefined",
      "/destroy",
    ]) {
      statuses[path] = (await app.inject(path)).statusCode;
    }
    expect(statuses).toEqual({
      ...{ "/ok": 200, "/throw": 500, "/reject": 500, "/teapot": 418, "/hijack": 500, "/hijack-ok": 200 },
      ...{ "/none": 404, "/undefined": 503, "/destroy": 500 },
    });
    expect(app.rayguard.stats()).toMatchObject({ requests: 9, inFlight: 0 });
    await app.close();
  });

  it("gives requests their context", async () => {
    const app = fastify();
    await app.register(rayguard, { logger: false });
    app.get("/", (request) => ({ ray: request.rayguard?.ray ?? null, ip: request.rayguard?.clientIp ?? null }));
    const { json } = await app.inject({ url: "/", headers: { "cf-ray": "0123456789abcdef" } });
    expect(json()).toEqual({ ray: { id: "0123456789abcdef", colo: null }, ip: "127.0.0.1" });
    await app.close();
  });
});

describe("http2: true", () => {
  it("is guarded", async () => {
    const app = fastify({ http2: true });
    await app.register(rayguard, { logger: false, firstByteDeadlineMs: 100 });
    routes(app as unknown as FastifyInstance);
    // Fastify's last resort answers with the status nobody has set.
    app.get("/no-headers", () => {
      throw Object.assign(new Error("secret"), { headers: null });
    });
    await app.listen({ port: 0, host: "127.0.0.1" });
    const client = http2.connect(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}`);
    closing.push(() => {
      client.destroy();
      return app.close();
    });
    const seen: Record<string, unknown> = {};
    for (const path of [
      "/ok",
      "/throw",
      "/teapot",
      "/undefined",
      "/stream",
      "/raw",
      "/destroy",
      "/hijack",
      "/no-headers",
      "/health",
      "/ok",
    ]) {
      const stream = client.request({ ":path": path });
      stream.on("error", () => {});
      stream.on("response", (headers) => {
        seen[path] = headers[":status"];
      });
      stream.resume();
      const closed = new Promise((resolve) => stream.on("close", () => resolve(stream.rstCode)));
      const time = new Promise((resolve) => setTimeout(resolve, 500, "never answered").unref());
      expect(await Promise.race([closed, time]), path).toBe(0);
    }
    expect(seen).toEqual({
      ...{ "/ok": 200, "/throw": 500, "/teapot": 418, "/undefined": 503, "/stream": 500, "/raw": 500, "/destroy": 500 },
      ...{ "/hijack": 500, "/no-headers": 500, "/health": 200 },
    });
  });
});

describe("settings of the server", () => {
  it("guards both addresses of localhost", async () => {
    const app = fastify();
    await app.register(rayguard, { logger: false });
    app.get("/destroy", (request) => {
      request.raw.socket.destroy();
    });
    await app.listen({ port: 0, host: "localhost" });
    closing.push(() => app.close());
    for (const { address, port } of app.addresses() as AddressInfo[]) {
      const { responses } = await exchange({ host: address, port }, { path: "/destroy" });
      expect(
        responses.map(({ status }) => status),
        address,
      ).toEqual([500]);
    }
  });

  it.each([true, "idle"] as const)("close() ends with forceCloseConnections: %j", async (forceCloseConnections) => {
    const app = fastify({ forceCloseConnections });
    await app.register(rayguard, { logger: false });
    routes(app);
    await app.listen({ port: 0, host: "127.0.0.1" });
    await exchange(app.server, { path: "/ok" });
    await app.close();
    expect(app.server.listening).toBe(false);
  });

  it("close() is not held up by a connection that is kept alive", async () => {
    const app = fastify();
    await app.register(rayguard, { logger: false });
    routes(app);
    await app.listen({ port: 0, host: "127.0.0.1" });
    const { port } = app.server.address() as AddressInfo;
    const socket = connect(port, "127.0.0.1");
    socket.write("GET /ok HTTP/1.1\r\nHost: a\r\n\r\n");
    await once(socket, "data");
    const closed = once(socket, "close");
    await app.close();
    await closed;
    expect(app.server.listening).toBe(false);
  });

  it("keeps to a serverFactory and requestTimeout of the user", async () => {
    const { app } = await serve(
      async (instance, register) => {
        await register();
        routes(instance);
      },
      {},
      { requestTimeout: 5_000, keepAliveTimeout: 2_000_000 },
    );
    expect(app.server.requestTimeout).toBe(5_000);
    expect(app.server.keepAliveTimeout).toBe(2_000_000);
    expect(await statusesOf(app, "/ok")).toEqual([200]);
  });
});
