import { createServer, type Server } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import type { AddressInfo } from "node:net";
import express5 from "express";
import fastify, { type FastifyInstance } from "fastify";
import { afterEach, describe, expect, it } from "vitest";
import { rayguard as expressGuard } from "../adapters/express.js";
import { rayguard as fastifyGuard } from "../adapters/fastify.js";
import { createGuard, type GuardOptions } from "../src/index.js";
import { exchange } from "../src/testing/index.js";

const { default: express4 } = (await import("express4" as string)) as { default: typeof express5 };

/** Every field here says something of content that the error answer is not. */
const LOST = {
  "Content-Encoding": "br",
  "content-language": "de",
  "Content-Length": "5",
  "Content-Location": "/a",
  "CONTENT-RANGE": "bytes 0-4/5",
  "Content-Disposition": "attachment",
  "Content-MD5": "x",
  "Content-Digest": "sha-256=:x:",
  "Repr-Digest": "sha-256=:x:",
  Digest: "sha-256=x",
  "Accept-Ranges": "bytes",
  "Transfer-Encoding": "chunked",
  Trailer: "X-Sum",
  ETag: '"lost"',
  "Last-Modified": "Sun, 06 Nov 1994 08:49:37 GMT",
} as const;
const CACHING = {
  Expires: "Sun, 06 Nov 2094 08:49:37 GMT",
  Age: "5",
  Pragma: "x",
  "CDN-Cache-Control": "max-age=60",
  "Cloudflare-CDN-Cache-Control": "max-age=60",
  "Surrogate-Control": "max-age=60",
} as const;
const KEPT = { "Retry-After": "7", "WWW-Authenticate": "Bearer", Allow: "GET", "X-Mine": "1" } as const;

type Thrown = { status: number; headers: Record<string, string> };
type Way = (error: () => Error, options: GuardOptions) => Promise<Server>;

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function listening(server: Server): Promise<Server> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return server;
}

function express(framework: typeof express5, how: "default" | "errorHandler" = "default"): Way {
  return async (error, options) => {
    const app = framework();
    app.set("env", "test"); // keeps Express from printing errors
    const guard = expressGuard(options);
    app.use(guard);
    app.all("/", (_request, _response, next) => next(error()));
    if (how === "errorHandler") app.use(guard.errorHandler);
    const server = createServer(app);
    guard.attach(server);
    return listening(server);
  };
}

function fastifyWith(routes: (app: FastifyInstance, error: () => Error) => unknown): Way {
  return async (error, options) => {
    const app = fastify({ logger: false });
    await app.register(fastifyGuard, options);
    await routes(app, error);
    await app.listen({ port: 0, host: "127.0.0.1" });
    closers.push(() => app.close());
    return app.server;
  };
}

const WAYS: Record<string, Way> = {
  async node(error, options) {
    const guard = createGuard(options);
    const server = createServer(
      guard.listener(() => {
        throw error();
      }),
    );
    guard.attach(server);
    return listening(server);
  },
  "Express 4": express(express4),
  "Express 5": express(express5),
  "Express 4, guard.errorHandler": express(express4, "errorHandler"),
  "Express 5, guard.errorHandler": express(express5, "errorHandler"),
  Fastify: fastifyWith((app, error) => {
    app.all("/", async () => {
      throw error();
    });
  }),
  "Fastify, reply.send(error)": fastifyWith((app, error) => {
    app.all("/", (_request, reply) => void reply.send(error()));
  }),
  "Fastify, a hook": fastifyWith((app, error) => {
    app.addHook("preHandler", (_request, _reply, done) => done(error()));
    app.all("/", async () => "never");
  }),
  "Fastify, a handler that sends the error on": fastifyWith((app, error) => {
    app.setErrorHandler((thrown, _request, reply) => void reply.send(thrown));
    app.all("/", async () => {
      throw error();
    });
  }),
  "Fastify, a handler that throws": fastifyWith((app, error) => {
    app.setErrorHandler(() => {
      throw error();
    });
    app.all("/", async () => {
      throw new Error("first");
    });
  }),
  "Fastify, the handler of a route": fastifyWith((app, error) => {
    app.route({
      method: ["GET", "HEAD"],
      url: "/",
      errorHandler: (thrown, _request, reply) => void reply.send(thrown),
      handler: async () => {
        throw error();
      },
    });
  }),
  "Fastify, the handler of a context": fastifyWith((app, error) =>
    app.register(async (child) => {
      child.setErrorHandler(async (thrown) => {
        throw thrown;
      });
      child.all("/", async () => {
        throw error();
      });
    }),
  ),
};
const QUIET = { logger: false, trust: "loopback" } as const;
const thrown =
  ({ status, headers }: Thrown) =>
  () =>
    Object.assign(new Error("told"), { status, statusCode: status, headers });

const urlOf = (server: Server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;

describe.each(Object.entries(WAYS))("err.headers: %s", (name, way) => {
  it.each([503, 500, 404, 401])("%d takes no field that describes other content", async (status) => {
    const server = await way(thrown({ status, headers: { ...LOST, ...KEPT } }), QUIET);
    const response = await fetch(urlOf(server));
    expect(response.status).toBe(status);
    expect(await response.text()).not.toBe("");
    for (const lost of Object.keys(LOST)) {
      if (lost !== "Content-Length") expect(response.headers.get(lost), lost).toBeNull();
    }
    for (const [kept, value] of Object.entries(KEPT)) expect(response.headers.get(kept), kept).toBe(value);
    const raw = await exchange(server, [{ path: "/" }, { path: "/", method: "HEAD" }, { path: "/" }], {
      keepOpenMs: 5,
    });
    expect(raw.problems).toEqual([]);
  });

  it("503 says nothing of caching", async () => {
    const server = await way(thrown({ status: 503, headers: { ...CACHING, "Cache-Control": "public" } }), QUIET);
    const { headers } = await fetch(urlOf(server));
    for (const field of Object.keys(CACHING)) expect(headers.get(field), field).toBeNull();
    expect(headers.get("cache-control") ?? "no-store").toBe("no-store");
  });

  it("416 says which ranges there are", async () => {
    const headers = { "Content-Range": "bytes */5", "Accept-Ranges": "bytes", ETag: '"lost"' };
    const response = await fetch(urlOf(await way(thrown({ status: 416, headers }), QUIET)));
    expect([response.status, response.headers.get("content-range"), response.headers.get("etag")]).toEqual([
      416,
      "bytes */5",
      null,
    ]);
    expect(response.headers.get("accept-ranges")).toBe("bytes");
  });

  it.runIf(!/^node|guard\.errorHandler/.test(name))("keeps what is a framework's own answer otherwise", async () => {
    const headers = { "Set-Cookie": "a=1", "Cache-Control": "public, max-age=60" };
    const response = await fetch(urlOf(await way(thrown({ status: 404, headers }), QUIET)));
    expect(response.headers.getSetCookie()).toEqual(["a=1"]);
    expect(response.headers.get("cache-control")).toBe("public, max-age=60");
  });

  it.runIf(name !== "node")("changes nothing in report mode", async () => {
    const server = await way(thrown({ status: 503, headers: { ETag: '"lost"', Digest: "x" } }), {
      ...QUIET,
      mode: "report",
    });
    const { headers } = await fetch(urlOf(server));
    expect([headers.get("etag"), headers.get("digest")]).toEqual(['"lost"', "x"]);
  });
});

describe("an app that answers an error itself", () => {
  const error = () => Object.assign(new Error("told"), { status: 503, headers: { ETag: '"lost"' } });
  const OWN = { etag: '"lost"', "content-encoding": "gzip" };
  const zipped = Buffer.from("H4sIAAAAAAAAA8tIzcnJBwCGphA2BQAAAA==", "base64");

  it("keeps its fields under Express, from an error handler", async () => {
    const app = express5();
    const guard = expressGuard(QUIET);
    app.use(guard);
    app.get("/", (_request, _response, next) => next(error()));
    app.use((_error: unknown, _request: unknown, response: express5.Response, _next: unknown) => {
      response.writeHead(503, OWN).end(zipped);
    });
    const { headers } = await fetch(urlOf(await listening(createServer(app))));
    expect([headers.get("etag"), headers.get("content-encoding")]).toEqual(['"lost"', "gzip"]);
  });

  it("keeps its fields under Express, while the final handler waits for the rest of an upload", async () => {
    const app = express5();
    app.set("env", "test");
    const guard = expressGuard(QUIET);
    app.use(guard);
    app.post("/", (_request, response, next) => {
      next(error());
      setTimeout(() => response.status(409).set("ETag", '"mine"').send("mine"), 10);
    });
    const server = await listening(createServer(app));
    guard.attach(server);
    const cut = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab";
    const { responses } = await exchange(server, cut, { keepOpenMs: 5 });
    expect([responses[0]?.status, responses[0]?.field("etag")]).toEqual([409, '"mine"']);
  });

  it("keeps its fields under Fastify, from an error handler and an onSend hook", async () => {
    const app = fastify();
    await app.register(fastifyGuard, QUIET);
    app.addHook("onSend", (_request, reply, payload, done) => {
      reply.headers({ "last-modified": "Sun, 06 Nov 1994 08:49:37 GMT" });
      done(null, payload);
    });
    app.setErrorHandler((thrown, _request, reply) =>
      reply
        .code(503)
        .headers((thrown as { headers: object }).headers)
        .send("mine"),
    );
    app.get("/", async () => {
      throw error();
    });
    app.get("/default", { errorHandler: (thrown, _request, reply) => void reply.send(thrown) }, async () => {
      throw new Error("no headers");
    });
    await app.listen({ port: 0, host: "127.0.0.1" });
    closers.push(() => app.close());
    const [own, byDefault] = [await fetch(urlOf(app.server)), await fetch(`${urlOf(app.server)}default`)];
    expect([own.headers.get("etag"), await own.text()]).toEqual(['"lost"', "mine"]);
    for (const { headers } of [own, byDefault]) {
      expect(headers.get("last-modified")).toBe("Sun, 06 Nov 1994 08:49:37 GMT");
    }
  });
});

it("err.headers: Fastify over HTTP/2", async () => {
  const app = fastify({ http2: true });
  await app.register(fastifyGuard as never, QUIET);
  app.get("/", async () => {
    throw thrown({ status: 503, headers: { ...KEPT, "content-encoding": "br", etag: '"lost"' } })();
  });
  await app.listen({ port: 0, host: "127.0.0.1" });
  closers.push(() => app.close());
  const session = connectHttp2(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}`);
  const stream = session.request({ ":path": "/" });
  const headers = await new Promise<Record<string, unknown>>((resolve) => stream.once("response", resolve));
  stream.resume();
  await new Promise((resolve) => stream.once("close", resolve));
  session.close();
  expect(headers).toMatchObject({ ":status": 503, "retry-after": "7" });
  expect([headers["content-encoding"], headers.etag]).toEqual([undefined, undefined]);
});
