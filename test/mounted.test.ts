import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import { connect, createServer as createHttp2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import express5 from "express";
import express4 from "express4";
import fastify from "fastify";
import { afterEach, describe, expect, it } from "vitest";
import { rayguard } from "../adapters/express.js";
import fastifyGuard from "../adapters/fastify.js";
import { createGuard, type Guard, type GuardOptions, type Logger } from "../src/index.js";
import type { GuardCore } from "../src/internals.js";
import { endOfProcess } from "../src/report/incidents.js";
import { exchange } from "../src/testing/index.js";
import { listen } from "./testing/servers.js";

/** A guard of whose app a part goes to it: everything under `/api`. What is not under `/api` is beside it. */
type Mount = (options: GuardOptions | undefined, app: RequestListener) => Promise<{ server: Server; guard?: Guard }>;
type Framework = typeof express5;

const open: Guard[] = [];

afterEach(() => {
  for (const guard of open.splice(0)) guard.close();
});

function kept<G extends Guard>(guard: G): G {
  open.push(guard);
  return guard;
}

/** @param mount - gets a guard, or none, and puts it and the app under `/api` of the root */
function inExpress(
  framework: Framework,
  mount: (root: express5.Express, guards: express5.RequestHandler[], app: express5.RequestHandler) => void,
): Mount {
  return async (options, app) => {
    const guard = options === undefined ? undefined : kept(rayguard(options));
    const root = framework();
    mount(root, guard === undefined ? [] : [guard as never], app as never);
    root.use(app as never);
    return {
      server: await listen(createServer(root)),
      ...(guard ? { guard } : {}),
    };
  };
}

function used(stack: { use(...handlers: express5.RequestHandler[]): unknown }, guards: express5.RequestHandler[]) {
  for (const guard of guards) stack.use(guard);
}

const MOUNTS: Record<string, Mount> = {
  "guard.listener() for some requests": async (options, app) => {
    const guard = options === undefined ? undefined : kept(createGuard(options));
    const guarded = guard?.listener(app) ?? app;
    const server = createServer((request, response) => (inApi(request) ? guarded : app)(request, response));
    return { server: await listen(server), ...(guard ? { guard } : {}) };
  },
  "Fastify, in a plugin": async (options, app) => {
    const root = fastify();
    const answer = (request: { raw: IncomingMessage }, reply: { raw: ServerResponse; hijack(): unknown }) => {
      reply.hijack();
      app(request.raw, reply.raw);
    };
    let guard: Guard | undefined;
    await root.register(
      async (inside) => {
        if (options !== undefined) {
          await inside.register(fastifyGuard, options);
          guard = kept(inside.rayguard);
        }
        inside.all("/*", answer);
      },
      { prefix: "/api" },
    );
    root.all("/*", answer);
    await root.ready();
    return { server: await listen(root.server), ...(guard ? { guard } : {}) };
  },
};
for (const [name, framework] of [
  ["Express 4", express4 as unknown as Framework],
  ["Express 5", express5],
] as const) {
  MOUNTS[`${name}, app.use() with a path`] = inExpress(framework, (root, guards, app) => {
    root.use("/api", ...guards, app);
  });
  MOUNTS[`${name}, in a router with a path`] = inExpress(framework, (root, guards, app) => {
    const router = framework.Router();
    used(router, guards);
    root.use("/api", router.use(app));
  });
  MOUNTS[`${name}, in an app with a path`] = inExpress(framework, (root, guards, app) => {
    const inner = framework();
    used(inner, guards);
    root.use("/api", inner.use(app));
  });
  MOUNTS[`${name}, at a route`] = inExpress(framework, (root, guards, app) => {
    root.all(/^\/api/, ...guards, app);
  });
}

const get = (path: string, ...fields: string[]) =>
  `GET ${path} HTTP/1.1\r\nHost: a\r\n${fields.map((field) => `${field}\r\n`).join("")}Connection: close\r\n\r\n`;
const upgrade = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n`;
const CONNECT = "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n";

/** Everything that came back for one request. */
async function ask(server: Server, octets: string): Promise<string> {
  const result = await exchange(server, octets);
  return result.octets.toString("latin1").replace(/^date: .*$/im, "Date");
}

const SECRET = { secret: { header: "X-Edge-Secret", value: "0123456789abcdef" } };
const PROVEN = "X-Edge-Secret: 0123456789abcdef";

const statusOf = (octets: string) => Number(/^HTTP\/1\.1 ([0-9]{3})/.exec(octets)?.[1]);

const answerByHand = (_request: unknown, socket: Duplex) => {
  const fields = "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: 2\r\nConnection: close";
  socket.on("error", () => undefined).end(`HTTP/1.1 200 OK\r\n${fields}\r\n\r\nup`);
};
const ok: RequestListener = (_request, response) => void response.end("app");
const status502: RequestListener = (_request, response) => void response.writeHead(502).end("of the app");
const inApi = ({ url, originalUrl = url }: IncomingMessage & { originalUrl?: string | undefined }) =>
  originalUrl?.startsWith("/api") === true;
const slow: RequestListener = (request, response) => {
  if (!inApi(request)) setTimeout(() => response.end("late"), 200);
};
const stalled: RequestListener = (request, response) => {
  response.write("first");
  slow(request, response);
};
const unsound: RequestListener = (_request, response) => void response.setHeader("Age", "very").end("app");

interface Case {
  options: GuardOptions;
  app?: RequestListener;
  /** What is asked under the path, and what must come back for the option to be in force there. */
  inside?: { octets: string; status: number };
  /** What is asked beside it. */
  beside: string[];
}

const CASES: Record<string, Case> = {
  'direct: "reject"': {
    options: { direct: "reject", health: false },
    inside: { octets: get("/api/x"), status: 403 },
    beside: [get("/"), get("/x", "Expect: 100-continue"), upgrade("/ws"), CONNECT, get("/%2fapi")],
  },
  health: {
    options: { health: { path: "/health", livePath: "/api/live" } },
    inside: { octets: get("/api/live"), status: 200 },
    beside: [
      get("/health"),
      get("/health?x"),
      "POST /health HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    ],
  },
  firstByteDeadlineMs: {
    options: { firstByteDeadlineMs: 60 },
    app: slow,
    inside: { octets: get("/api/x"), status: 503 },
    beside: [get("/")],
  },
  idleDeadlineMs: {
    options: { idleDeadlineMs: 60 },
    app: stalled,
    beside: [get("/")],
  },
  gatewayStatus: {
    options: {},
    app: status502,
    inside: { octets: get("/api/x"), status: 500 },
    beside: [get("/")],
  },
};

describe.each(Object.entries(MOUNTS))("a guard for a part of an app: %s", (_name, mount) => {
  const start = (options: GuardOptions | undefined, app: RequestListener = ok) =>
    mount(options && { logger: false, shutdown: false, ...options }, app);

  it.each(Object.entries(CASES))(
    "leaves what is beside it as it is: %s",
    async (_option, { options, app, inside, beside }) => {
      const [bare, guarded] = [await start(undefined, app), await start(options, app)];
      for (const { server } of [bare, guarded])
        for (const event of ["upgrade", "connect"]) server.on(event, answerByHand);
      const expected = await Promise.all(beside.map((octets) => ask(bare.server, octets)));
      expect(await Promise.all(beside.map((octets) => ask(guarded.server, octets)))).toEqual(expected);
      const within = await ask(guarded.server, inside?.octets ?? get("/api/x"));
      if (inside !== undefined) expect(statusOf(within)).toBe(inside.status);
      // From here on it has a server.
      expect(await Promise.all(beside.map((octets) => ask(guarded.server, octets)))).toEqual(expected);
      if (inside !== undefined) expect(statusOf(await ask(guarded.server, inside.octets))).toBe(inside.status);
    },
  );

  it("lets everybody in beside it, whatever waits under its path", async () => {
    const waiting: ServerResponse[] = [];
    const { server } = await start(
      {
        overload: {
          maxInFlight: 1,
          maxQueued: 0,
          maxEventLoopDelayMs: false,
        },
      },
      (request, response) => {
        if (request.headers["x-wait"] === undefined) response.end("app");
        else waiting.push(response);
      },
    );
    await ask(server, get("/api/first"));
    const first = ask(server, get("/api/x", "X-Wait: 1"));
    await expect.poll(() => waiting.length).toBe(1);
    expect(statusOf(await ask(server, get("/api/y")))).toBe(503);
    expect(statusOf(await ask(server, get("/y")))).toBe(200);
    const beside = ask(server, get("/", "X-Wait: 1"));
    await expect.poll(() => waiting.length).toBe(2);
    waiting[0]?.end("app");
    expect(statusOf(await first)).toBe(200);
    // What is under way beside it takes nobody's place.
    expect(statusOf(await ask(server, get("/api/z")))).toBe(200);
    waiting[1]?.end("app");
    expect(statusOf(await beside)).toBe(200);
  });

  it("asks errorContent for what is under its path, and completes the rest as well", async () => {
    const errorContent = () => ({
      contentType: "text/plain",
      body: "of the user",
    });
    const { server } = await start({ errorContent }, (_request, response) => {
      response.writeHead(200, { "Content-Length": 5 }).end("abc");
    });
    await ask(server, get("/api/first"));
    const [inside, beside] = [await ask(server, get("/api/x")), await ask(server, get("/x"))];
    expect([statusOf(inside), statusOf(beside)]).toEqual([500, 500]);
    expect(inside).toContain("of the user");
    expect(beside).not.toContain("of the user");
  });

  it("marks and lints what is under its path", async () => {
    const lines: {
      url?: string;
      direct?: true;
      found?: string;
      route?: string;
    }[] = [];
    const keep = (line: object) => void lines.push(line);
    const logger: Logger = { info: keep, warn: keep, error: keep };
    const { server } = await start({ logger, direct: "flag", lint: "report" }, unsound);
    const routes = () => lines.filter(({ found }) => found !== undefined).map(({ route }) => route);
    const firstFound = async () => {
      await ask(server, get("/api/first")); // the rules are loaded on demand
      return routes().length;
    };
    await expect.poll(firstFound).toBeGreaterThan(0);
    for (const path of ["/beside", "/api/x"]) await ask(server, get(path));
    await expect.poll(() => lines.filter(({ url }) => url === "/api/x").length).toBe(1);
    expect(lines.find(({ url }) => url === "/beside")).not.toHaveProperty("direct");
    expect(lines.find(({ url }) => url === "/api/x")).toMatchObject({ direct: true });
    expect(routes().filter((route) => /beside/.test(route ?? ""))).toEqual([]);
  });

  it("is one for the whole server once it is attached", async () => {
    const { server, guard } = await start({ direct: "reject" });
    expect(statusOf(await ask(server, get("/")))).toBe(200);
    expect(statusOf(await ask(server, get("/api/x")))).toBe(403);
    expect(statusOf(await ask(server, get("/")))).toBe(200);
    guard?.attach(server);
    expect(statusOf(await ask(server, get("/")))).toBe(403);
    expect(statusOf(await ask(server, upgrade("/")))).toBe(403);
    expect(statusOf(await ask(server, get("/health")))).toBe(200);
    guard?.close();
    expect(Object.hasOwn(server, "emit")).toBe(false);
    expect(statusOf(await ask(server, get("/")))).toBe(200);
  });
});

describe("guards for several parts of an app", () => {
  it.each([
    ["Express 4", express4 as unknown as Framework],
    ["Express 5", express5],
  ])("each have their own options hold there, whichever came first: %s", async (_name, framework) => {
    const contentOf = (body: string) => () => ({ contentType: "text/plain", body });
    const [a, b] = ["a", "b"].map((name) =>
      kept(
        rayguard({
          logger: false,
          shutdown: false,
          health: { path: `/${name}/health` },
          errorContent: contentOf(name),
        }),
      ),
    );
    const root = framework();
    root.use("/a", a as never).use("/b", b as never);
    root.use(((request, response) => {
      if (request.url?.endsWith("short")) response.writeHead(200, { "Content-Length": 5 }).end("abc");
      else response.writeHead(502).end();
    }) satisfies RequestListener as never);
    const server = await listen(createServer(root));
    for (const path of ["/a/x", "/b/x"]) expect(statusOf(await ask(server, get(path)))).toBe(500);
    for (const name of ["a", "b"]) {
      const answer = await ask(server, get(`/${name}/short`));
      expect([statusOf(answer), answer.at(-1)]).toEqual([500, name]);
      expect(statusOf(await ask(server, get(`/${name}/health`)))).toBe(200);
    }
    expect(statusOf(await ask(server, get("/x")))).toBe(502);
  });
});

describe.each([true, false])(
  "a guard for the whole of a server, where one for a part was there first: %s",
  (comesLate) => {
    it("is asked for every request, and the other one for its own", async () => {
      const part = kept(rayguard({ logger: false, shutdown: false, health: { path: "/api/health" } }));
      const whole = kept(createGuard({ logger: false, shutdown: false, direct: "reject", trust: SECRET }));
      const root = express5();
      root.use("/api", part as never).use(ok as never);
      const server = await listen(createServer(root));
      server.on("upgrade", answerByHand);
      const { emit } = server;
      if (comesLate) expect(statusOf(await ask(server, get("/api/x")))).toBe(200);
      whole.attach(server);
      for (const octets of [get("/api/x"), get("/x"), upgrade("/")])
        expect(statusOf(await ask(server, octets))).toBe(403);
      for (const path of ["/api/x", "/x", "/api/health", "/health"])
        expect(statusOf(await ask(server, get(path, PROVEN)))).toBe(200);
      whole.close();
      part.close();
      expect(server.emit).toBe(emit);
      expect(statusOf(await ask(server, get("/x")))).toBe(200);
    });
  },
);

describe("a guard for some requests of a server for HTTP/2", () => {
  it("leaves the others as they are, and refuses what comes to it", async () => {
    const guard = kept(
      createGuard({ logger: false, shutdown: false, direct: "reject", health: { path: "/api/health" } }),
    );
    const guarded = guard.listener(status502);
    const server = createHttp2Server((request, response) =>
      (inApi(request as never) ? guarded : status502)(request as never, response as never),
    );
    await listen(server);
    const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const statusAt = async (path: string) => {
      const [headers] = await once(session.request({ ":path": path }).resume(), "response");
      return headers[":status"];
    };
    for (let round = 0; round < 2; round++) {
      expect(await statusAt("/x")).toBe(502);
      expect(await statusAt("/api/x")).toBe(403);
      expect(await statusAt("/api/health")).toBe(200);
    }
    guard.attach(server);
    expect(await statusAt("/x")).toBe(403);
    session.close();
  });
});

describe("the connections of a server that is guarded in part", () => {
  it("are drained, all of them, and their requests completed", async () => {
    const guard = kept(rayguard({ logger: false, shutdown: false }));
    const waiting: ServerResponse[] = [];
    const root = express5();
    root.use("/api", guard as never);
    root.use("/api/first", (_request, response) => void response.end());
    root.use((_request, response) => void waiting.push(response));
    const server = await listen(createServer(root));
    await ask(server, get("/api/first"));
    const answers = ["/api/x", "/x"].map((path) => ask(server, `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`));
    await expect.poll(() => waiting.length).toBe(2);
    const drained = guard.drain({ graceMs: 5_000 });
    for (const response of waiting) response.end("app");
    for (const answer of await Promise.all(answers)) expect(statusOf(answer)).toBe(200);
    await drained;
    expect(server.listening).toBe(false);
  });
});

describe("a process that is about to end, guarded in part", () => {
  it("refuses every new request, and goes on to tell its health", async () => {
    const guard = kept(createGuard({ logger: false, shutdown: false, health: { path: "/api/health" } })) as GuardCore;
    const guarded = guard.listener(ok);
    const server = await listen(
      createServer((request, response) => (inApi(request) ? guarded : ok)(request, response)),
    );
    for (const path of ["/api/x", "/x"]) expect(statusOf(await ask(server, get(path)))).toBe(200);
    guard.lifecycle.refuse(endOfProcess("CRASHING"));
    for (const path of ["/api/x", "/x"]) expect(statusOf(await ask(server, get(path)))).toBe(503);
    expect(statusOf(await ask(server, get("/api/health")))).toBe(200);
  });
});
