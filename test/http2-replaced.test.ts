import { type ClientHttp2Session, connect, type Http2ServerResponse } from "node:http2";
import fastify from "fastify";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import fastifyGuard from "../adapters/fastify.js";
import { seen, send, start, stopAll } from "./helpers/http2.js";
import { CallOrigin, type Objects, type Shown, type Step } from "./helpers/http2-calls.js";

vi.setConfig({ testTimeout: 30_000, maxConcurrency: 16 });

type Any = Objects["stream"];
const LINK = "</a>; rel=preload";
const DEADLINE_MS = 60;
const waits: Step = () => new Promise((resolve) => setTimeout(resolve, 2 * DEADLINE_MS));
const tooMany = () => Object.fromEntries(Array.from({ length: 300 }, (_, at) => [`x-${at}`, "1"]));
/** Notes that something was called back. */
const told = (stream: Any) => (error?: Error | null) =>
  stream.emit("prefinish", new Error(`called back ${error?.message}`));

/** Why the guard has answered in the place of the app, which does not know of it. */
const CORE: Readonly<Record<string, readonly Step[]>> = {
  "a deadline": [waits],
  "content that is too long": [
    ({ stream }) => stream.respond({ ":status": 200, "content-length": 4 }),
    ({ stream }) => stream.write("too long"),
  ],
  "a header section with too much": [({ stream }) => stream.respond({ ":status": 200, ...tooMany() })],
};
const CORE_CALLS: Readonly<Record<string, (stream: Any) => unknown>> = {
  "respond()": (s) => s.respond({ ":status": 201 }),
  "respond() twice": (s) => {
    if (!s.headersSent) s.respond({ ":status": 201 });
    try {
      return s.respond();
    } catch {
      return "thrown";
    }
  },
  "respond(600)": (s) => s.respond({ ":status": 600 }),
  "respond(null)": (s) => s.respond(null),
  "respond(connection)": (s) => s.respond({ connection: "x" }),
  "respondWithFile()": (s) => s.respondWithFile("/dev/null"),
  "additionalHeaders(103)": (s) => s.additionalHeaders({ ":status": 103, link: LINK }),
  "additionalHeaders(101)": (s) => s.additionalHeaders({ ":status": 101 }),
  "additionalHeaders(200)": (s) => s.additionalHeaders({ ":status": 200 }),
  "additionalHeaders(5)": (s) => s.additionalHeaders(5),
  "pushStream()": (s) =>
    s.pushStream({ ":path": "/p" }, (_error: unknown, pushed: Any) => {
      pushed?.on("error", () => {});
      pushed?.end();
    }),
  "write(text)": (s) => s.write("x", told(s)),
  "write(null)": (s) => s.write(null),
  "write(5)": (s) => s.write(5, told(s)),
  "write, encoding": (s) => s.write("x", "none"),
  "end()": (s) => s.end(told(s)),
  "end(text)": (s) => s.end("y", told(s)),
  "end(5)": (s) => s.end(5, told(s)),
  "close()": (s) => s.close(0, () => told(s)()),
  "close(text)": (s) => s.close("x", () => told(s)()),
  "destroy()": (s) => s.destroy(),
  headersSent: (s) => s.headersSent,
  sentHeaders: (s) => JSON.stringify(s.sentHeaders, (name, value) => (name === "date" ? "now" : value)),
};

const COMPAT: Readonly<Record<string, readonly Step[]>> = {
  "a deadline": [waits],
  "a deadline, with fields": [({ response }) => response.setHeader("x-a", "1"), waits],
  "content that is too long": [
    ({ response }) => response.setHeader("content-length", 4),
    ({ response }) => response.write("too long"),
  ],
  "a header section with too much": [({ response }) => response.writeHead(200, tooMany())],
};
const COMPAT_CALLS: Readonly<Record<string, (response: Any) => unknown>> = {
  setHeader: (r) => r.setHeader("x-b", "2"),
  "setHeader, bad": (r) => r.setHeader("x b", "2"),
  "setHeader, undefined": (r) => r.setHeader("x-b", undefined),
  appendHeader: (r) => r.appendHeader("x-b", "2"),
  removeHeader: (r) => r.removeHeader("x-a"),
  "removeHeader(5)": (r) => r.removeHeader(5),
  hasHeader: (r) => r.hasHeader("x-a"),
  "statusCode = 404": (r) => {
    r.statusCode = 404;
  },
  "statusCode = 101": (r) => {
    r.statusCode = 101;
  },
  writeHead: (r) => r.writeHead(201, { "x-b": "1" }),
  flushHeaders: (r) => r.flushHeaders(),
  "end()": (r) => r.end(told(r.stream)),
  "end(text)": (r) => r.end("y", told(r.stream)),
  "end twice": (r) => r.end("y").end("z"),
  "addTrailers, bad": (r) => r.addTrailers({ "x sum": "1", ":path": "2" }),
  addTrailers: (r) => r.addTrailers({ "x-sum": "1" }),
  "writeEarlyHints(null)": (r) => r.writeEarlyHints(null),
  "writeEarlyHints, none": (r) => r.writeEarlyHints({ link: [] }),
  "createPushResponse, bad": (r) => r.createPushResponse({ ":path": "/p" }),
  headersSent: (r) => r.headersSent,
  "an answer": (r) => {
    r.setHeader("content-type", "text/plain");
    return r.end("late");
  },
};
/** What Node does otherwise once a stream is closed, as it is behind a client that has left: it must not throw. */
const CLOSED_CALLS: Readonly<Record<string, (response: Any) => unknown>> = {
  "write(text)": (r) => r.write("x"),
  "write(5)": (r) => r.write(5),
  "writeHead, bad": (r) => r.writeHead(200, { "x b": "2" }),
  writeContinue: (r) => r.writeContinue(),
  writeEarlyHints: (r) => r.writeEarlyHints({ link: LINK }),
  createPushResponse: (r) => r.createPushResponse({ ":path": "/p" }, (_e: unknown, pushed: Any) => pushed?.end()),
  setTimeout: (r) => r.setTimeout(5),
  "destroy(error)": (r) => r.destroy(new Error("own")),
};

const OPTIONS = { firstByteDeadlineMs: DEADLINE_MS };
const origins = {
  core: [new CallOrigin("core", "bare"), new CallOrigin("core", "enforce", OPTIONS)],
  compat: [new CallOrigin("compat", "bare"), new CallOrigin("compat", "enforce", OPTIONS)],
} as const;
beforeAll(async () => {
  for (const origin of Object.values(origins).flat()) await origin.listen();
});
afterAll(async () => {
  for (const origin of Object.values(origins).flat()) await origin.close();
  await stopAll();
});

/** What the last call returned or threw, and what it called back. */
function resultOf({ log }: Shown) {
  const calls = log.filter((line) => /^(?:returns|throws)/.test(line)).map((line) => line.replace(/ \{.*/, ""));
  return { call: calls.at(-1), calledBack: log.filter((line) => line.includes("called back")) };
}

describe.each(Object.entries(CORE))("a stream that the guard has answered for: %s", (_why, before) => {
  it.concurrent.each(Object.entries(CORE_CALLS))("takes a call as without the guard: %s", async (_name, call) => {
    const steps: Step[] = [...before, ({ stream }) => call(stream)];
    const [bare, enforced] = (await Promise.all(origins.core.map((origin) => origin.show("GET", steps)))) as Shown[];
    expect(enforced?.client).toMatchObject({ status: expect.toSatisfy((status) => status >= 500), ended: true });
    expect(resultOf(enforced as Shown)).toEqual(resultOf(bare as Shown));
  });
});

describe.each(Object.entries(COMPAT))("a response that the guard has answered for: %s", (_why, before) => {
  it.concurrent.each(Object.entries(COMPAT_CALLS))("takes a call as without the guard: %s", async (_name, call) => {
    const steps: Step[] = [...before, ({ response }) => call(response)];
    const [bare, enforced] = (await Promise.all(origins.compat.map((origin) => origin.show("GET", steps)))) as Shown[];
    expect(enforced?.client).toMatchObject({ status: expect.toSatisfy((status) => status >= 500), ended: true });
    expect(resultOf(enforced as Shown)).toEqual(resultOf(bare as Shown));
  });

  it.concurrent.each(Object.entries(CLOSED_CALLS))("throws nothing that Node does not: %s", async (_name, call) => {
    const steps: Step[] = [...before, ({ response }) => call(response)];
    const [bare, enforced] = (await Promise.all(origins.compat.map((origin) => origin.show("GET", steps)))) as Shown[];
    const { call: result } = resultOf(enforced as Shown);
    if (result?.startsWith("throws")) expect(result).toBe(resultOf(bare as Shown).call);
  });
});

describe("an app that answers behind the deadline, where nobody catches", () => {
  /** Answers late. @returns what that has thrown, once it is known */
  const late = (answer: () => void, done: (thrown: unknown) => void) => {
    setTimeout(() => {
      try {
        answer();
        done(undefined);
      } catch (error) {
        done(error);
      }
    }, 2 * DEADLINE_MS);
  };

  it.each(["core", "compat", "fastify"] as const)("throws nothing: %s", async (api) => {
    let told = (_thrown: unknown) => {};
    const thrown = new Promise<unknown>((resolve) => {
      told = resolve;
    });
    let client: ClientHttp2Session;
    let close = () => {};
    if (api === "fastify") {
      const app = fastify({ http2: true } as never);
      await app.register(fastifyGuard as never, { logger: false, shutdown: false, crash: false, ...OPTIONS } as never);
      app.get("/", (_request, reply) => {
        late(() => void reply.header("x-a", "1").send({ late: true }), told);
      });
      client = connect(await app.listen({ port: 0, host: "127.0.0.1" }));
      close = () => void client.close(() => app.close());
    } else {
      const respond = (stream: Any) => {
        stream.additionalHeaders({ ":status": 103, link: LINK });
        stream.respond({ ":status": 200 });
        stream.end("late");
      };
      const respondThrough = (response: Http2ServerResponse) => {
        response.setHeader("content-type", "text/plain");
        response.writeHead(200);
        response.end("late");
      };
      ({ client } = await start((server) => {
        if (api === "core") server.on("stream", (stream) => late(() => respond(stream), told));
        else server.on("request", (_request, response) => late(() => respondThrough(response), told));
      }, OPTIONS));
    }
    expect(await seen(send(client))).toMatchObject({ status: 503, complete: true });
    expect(await thrown).toBeUndefined();
    close();
  });
});
