import { createServer, type RequestListener, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { types } from "node:util";
import { runInNewContext } from "node:vm";
import express from "express";
import fastify from "fastify";
import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { rayguard as expressGuard } from "../adapters/express.js";
import fastifyGuard from "../adapters/fastify.js";
import { createGuard, type GuardOptions, type Logger } from "../src/index.js";
import { exchange } from "../src/testing/index.js";
import { listen } from "./testing/servers.js";

/** What no terminal, viewer or person may be handed: controls, line separators, changes of direction. */
const UNSAFE = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/;

const EVIL = "\u001b[2J\u009b31m\u0085\u007f\u2028\u2029\u202e\u2066\u0000\u200f\r";

/** Everything in a value that is text. */
function textsIn(value: unknown, depth = 0): string[] {
  if (typeof value === "string") return [value];
  if (value === null || typeof value !== "object" || depth > 8) return [];
  const { message, stack, cause, errors } = value as AggregateError;
  const isError = types.isNativeError(value) || typeof message === "string";
  const hidden = isError ? [message, stack, cause, errors].flatMap((one) => textsIn(one, depth + 1)) : [];
  return [...hidden, ...Object.entries(value).flatMap(([name, member]) => [name, ...textsIn(member, depth + 1)])];
}

/** A logger of the user's own, which prints whatever it is given. */
function ownLogger() {
  const records: object[] = [];
  const take = (record: object) => void records.push(record);
  return { logger: { info: take, warn: take, error: take } as Logger, texts: () => textsIn(records) };
}

/** pino, and a person who looks at what its lines say. */
function pinoLogger() {
  const lines: string[] = [];
  const stream = { write: (line: string) => void lines.push(line) };
  const texts = () => [
    ...lines.map((line) => line.slice(0, -1)),
    ...lines.flatMap((line) => textsIn(JSON.parse(line))),
  ];
  return { logger: pino({ base: null }, stream) as unknown as Logger, stream, lines, texts };
}

/** An app that quotes its client in an error, as parsers do. */
const quoting =
  (thrown: () => unknown): RequestListener =>
  () => {
    throw thrown();
  };

const ERRORS: [string, () => unknown][] = [
  ["in the message", () => new Error(`unexpected token ${EVIL}`)],
  ["in a member", () => Object.assign(new Error("no"), { body: EVIL, nested: { [EVIL]: [EVIL] } })],
  ["in the cause", () => new Error("no", { cause: new Error(EVIL) })],
  ["in an error among others", () => new AggregateError([new Error(EVIL)], "no")],
  ["in what is no error", () => EVIL],
  ["in an error of another realm", () => runInNewContext("new TypeError(text)", { text: EVIL })],
  ["in a cause of another realm", () => new Error("no", { cause: runInNewContext("new Error(text)", { text: EVIL }) })],
  [
    "in what looks like an error",
    () =>
      new (class HttpError {
        get message() {
          return EVIL;
        }
      })(),
  ],
  [
    "in a member of a class",
    () =>
      Object.assign(new Error(EVIL), {
        body: new (class {
          text = "\u001b[2J";
        })(),
      }),
  ],
  [
    "in a record of another realm",
    () => Object.assign(new Error(EVIL), { body: runInNewContext("({ text: '\u001b[2J' })") }),
  ],
  ["in an exception of the DOM", () => new DOMException(`no ${EVIL}`, "AbortError")],
  ["in what an error is for JSON", () => Object.assign(new Error(EVIL), { toJSON: () => ({ text: EVIL }) })],
  ["in what a member is for JSON", () => Object.assign(new Error("no"), { body: { toJSON: () => ({ text: EVIL }) } })],
  ["in a stack trace", () => Object.assign(new Error("no"), { stack: `Error: ${EVIL}\n    at x` })],
];

describe.each(ERRORS)("what a client wrote, %s", (_where, thrown) => {
  it.each([
    ["a logger of the user's own", ownLogger],
    ["pino", pinoLogger],
  ])("reaches %s escaped", async (_which, make) => {
    const { logger, texts } = make();
    const guard = createGuard({ logger });
    const server = guard.attach(createServer(guard.listener(quoting(thrown))));
    await exchange(await listen(server), { path: "/" });
    expect(texts().filter((text) => UNSAFE.test(text))).toEqual([]);
    expect(texts().join()).toContain("\\u009b31m");
  });
});

describe("the frameworks", () => {
  it("Express: what a client wrote reaches the log escaped", async () => {
    const { logger, texts } = ownLogger();
    const guard = expressGuard({ logger });
    const app = express();
    app.use(guard);
    app.use(quoting(() => new Error(EVIL)));
    app.use(guard.errorHandler);
    await exchange(await listen(guard.attach(createServer(app))), { path: "/" });
    expect(texts().filter((text) => UNSAFE.test(text))).toEqual([]);
  });

  it("Fastify: what a client wrote reaches its logger escaped", async () => {
    const { stream, texts, lines } = pinoLogger();
    const app = fastify({ logger: { stream } });
    await app.register(fastifyGuard);
    app.get("/", (_request, reply) => {
      reply.raw.destroy(new Error(EVIL));
    });
    await app.ready();
    await exchange(await listen(app.server), { path: "/" });
    expect(lines.join("")).toContain('"code":"MC-2"');
    expect(texts().filter((text) => UNSAFE.test(text))).toEqual([]);
    await app.close();
  });
});

describe("a line of the log", () => {
  it.each<[string, () => unknown]>([
    ["a message", () => new Error("x".repeat(10_000_000))],
    ["a member", () => Object.assign(new Error("no"), { body: "x".repeat(10_000_000) })],
    ["what it is for JSON", () => Object.assign(new Error("no"), { toJSON: () => "x".repeat(10_000_000) })],
    ["octets", () => Object.assign(new Error("no"), { rawPacket: Buffer.alloc(1_000_000) })],
    [
      "many members",
      () => Object.assign(new Error("no"), Object.fromEntries(Array.from({ length: 1e4 }, (_, n) => [`m${n}`, n]))),
    ],
    ["a long list", () => Object.assign(new Error("no"), { list: Array(1e4).fill("x") })],
  ])("is bounded, whatever has %s without bounds", async (_what, thrown) => {
    const { logger, lines } = pinoLogger();
    const guard = createGuard({ logger });
    const server = guard.attach(createServer(guard.listener(quoting(thrown))));
    await exchange(await listen(server), { path: "/" });
    expect(lines).toHaveLength(2);
    for (const line of lines) expect(line.length).toBeLessThan(65_536);
  });

  it("names no secret that an HTTP client has put into its error", async () => {
    const { logger, lines } = pinoLogger();
    const guard = createGuard({ logger });
    const headers = {
      Authorization: "Bearer s3cret",
      cookie: ["id=s3cret"],
      "Proxy-Authorization": "s3cret",
      Accept: "a/b",
    };
    const failed = () => Object.assign(new Error("status 401"), { config: { headers }, response: { headers } });
    const server = guard.attach(createServer(guard.listener(quoting(failed))));
    await exchange(await listen(server), { path: "/" });
    expect(lines.join("")).toContain('"Accept":"a/b"');
    expect(lines.join("")).not.toContain("s3cret");
  });

  it("says how much of a message was cut", async () => {
    const { logger, lines } = pinoLogger();
    const guard = createGuard({ logger });
    const server = guard.attach(createServer(guard.listener(quoting(() => new Error("x".repeat(5_000))))));
    await exchange(await listen(server), { path: "/" });
    expect(lines.join("")).toContain("... (2952 more characters)");
  });

  it("has an error that needs no change as it is", async () => {
    const error = Object.assign(new Error("as it is"), { code: "E_OWN", at: new Date(0) });
    const seen: unknown[] = [];
    const take = (record: object) => void ("err" in record && seen.push(record.err));
    const guard = createGuard({ logger: { info: take, warn: take, error: take } });
    await exchange(await listen(guard.attach(createServer(guard.listener(quoting(() => error))))), { path: "/" });
    expect(seen).toEqual([error]);
    expect(seen[0]).toBe(error);
  });

  it("has an error of its class where it had to be changed", async () => {
    class OwnError extends Error {}
    const seen: unknown[] = [];
    const take = (record: object) => void ("err" in record && seen.push(record.err));
    const guard = createGuard({ logger: { info: take, warn: take, error: take } });
    const listener = quoting(() => Object.assign(new OwnError(EVIL), { code: "E_OWN" }));
    await exchange(await listen(guard.attach(createServer(guard.listener(listener)))), { path: "/" });
    expect(seen[0]).toBeInstanceOf(OwnError);
    expect(seen[0]).toMatchObject({ code: "E_OWN" });
  });
});

describe("an error that pino cannot take as it is", () => {
  const unreadable = () =>
    Object.defineProperty(new Error("boom"), "body", {
      enumerable: true,
      get() {
        throw new Error("not now");
      },
    });

  it.each<[string, () => unknown]>([
    ["a frozen one", () => Object.freeze(new Error("boom"))],
    ["a sealed one", () => Object.seal(new Error("boom"))],
    ["one with a frozen cause", () => new Error("boom", { cause: Object.freeze(new Error("why")) })],
    ["one with a frozen member", () => Object.assign(new Error("boom"), { inner: Object.freeze(new Error("why")) })],
    ["several frozen ones", () => Object.freeze(new AggregateError([Object.freeze(new Error("why"))], "boom"))],
    ["a frozen one of another realm", () => runInNewContext('Object.freeze(new Error("boom"))')],
    ["a frozen object with a message", () => Object.freeze({ message: "boom" })],
    ["one with a member that cannot be read", unreadable],
    ["one with an unreadable error in it", () => Object.assign(new Error("boom"), { inner: unreadable() })],
  ])("costs an incident nothing: %s", async (_which, thrown) => {
    const { logger, lines } = pinoLogger();
    const guard = createGuard({ logger });
    const server = guard.attach(createServer(guard.listener(quoting(thrown))));
    await exchange(await listen(server), { path: "/" });
    expect(lines).toHaveLength(2);
    const incident = JSON.parse(lines[0] as string);
    expect(incident).toMatchObject({ code: "HANDLER_ERROR", action: "replaced", url: "/", status: 500 });
    expect(incident.err.message).toMatch(/^boom/);
  });
});

describe("octets that are no request, by the hundred", () => {
  const CONNECTIONS = 200;

  async function flood(options: GuardOptions): Promise<Server> {
    const guard = createGuard(options);
    const server = await listen(guard.attach(createServer()));
    const { port } = server.address() as AddressInfo;
    for (let n = 0; n < CONNECTIONS; n += 20) {
      await Promise.all(
        Array.from({ length: 20 }, () => {
          const socket = connect(port, "127.0.0.1").on("error", () => {});
          socket.end("\u0001\r\n\r\n");
          socket.resume();
          return new Promise((resolve) => socket.once("close", resolve));
        }),
      );
    }
    guard.close();
    expect(guard.stats().incidents).toEqual({ CLIENT_ERROR: CONNECTIONS });
    return server;
  }

  it("cost a log some lines in full, and one with their number", async () => {
    const { logger, lines } = pinoLogger();
    await flood({ logger });
    const records = lines.map((line) => JSON.parse(line));
    const incidents = records.filter(({ msg }) => msg === "incident");
    const left = records.filter(({ count }) => count !== undefined);
    expect(incidents.length).toBeGreaterThan(0);
    expect(left).toEqual([expect.objectContaining({ code: "CLIENT_ERROR", peer: "127.0.0.1" })]);
    expect(incidents.length + left[0].count).toBe(CONNECTIONS);
    expect(lines.join("").length / CONNECTIONS).toBeLessThan(50);
  });
});
