import { createServer } from "node:http";
import { runInNewContext } from "node:vm";
import fastify, { type FastifyReply } from "fastify";
import { describe, expect, it } from "vitest";
import fastifyGuard from "../adapters/fastify.js";
import { createGuard, type GuardOptions } from "../src/index.js";
import { exchange } from "../src/testing/index.js";
import { listen } from "./testing/servers.js";

// An object made in a vm context (Jest, sandboxes) is an instance of none of the classes here, and promises are of many libraries.

/** Answers of a kind that Node, or a framework, takes as well. */
const PROMISES: [string, (settle: "resolve" | "reject", value?: unknown) => unknown][] = [
  ["of another realm", (settle, value) => runInNewContext(`Promise.${settle}(value)`, { value })],
  [
    "of a library",
    (settle, value) => ({
      // biome-ignore lint/suspicious/noThenProperty: what it is about
      then: (resolved: (value: unknown) => void, rejected: (error: unknown) => void) =>
        void setImmediate(() => (settle === "resolve" ? resolved(value) : rejected(value))),
    }),
  ],
];

const OPTIONS: GuardOptions = { logger: false, shutdown: false, crash: false, firstByteDeadlineMs: 1_000 };

async function ask(app: ReturnType<typeof fastify>) {
  await app.listen({ port: 0, host: "127.0.0.1" });
  const { responses } = await exchange(app.server, { path: "/" });
  await app.close();
  return responses[0];
}

describe.each(PROMISES)("a promise %s", (_what, promise) => {
  it("of a hijacked reply is heard when it rejects", async () => {
    const app = fastify();
    await app.register(fastifyGuard, OPTIONS);
    app.get("/", ((_request: unknown, reply: FastifyReply) => {
      reply.hijack();
      return promise("reject", new Error("x"));
    }) as never);
    expect((await ask(app))?.status).toBe(500);
  });

  it("of a hijacked reply is asked once", async () => {
    let times = 0;
    const app = fastify();
    await app.register(fastifyGuard, OPTIONS);
    app.get("/", ((_request: unknown, reply: FastifyReply) => {
      reply.hijack();
      reply.raw.end("raw");
      const made = promise("resolve") as PromiseLike<unknown>;
      return {
        // biome-ignore lint/suspicious/noThenProperty: what it is about
        then(...args: Parameters<typeof made.then>) {
          times++;
          return made.then(...args);
        },
      };
    }) as never);
    expect((await ask(app))?.text()).toBe("raw");
    expect(times).toBe(1);
  });

  it.each([
    ["nothing", "resolve", undefined],
    ["what is no error", "reject", "x"],
  ] as const)("of an error handler that comes to %s is a failure", async (_to, settle, value) => {
    const app = fastify();
    await app.register(fastifyGuard, OPTIONS);
    app.setErrorHandler((() => promise(settle, value)) as never);
    app.get("/", () => {
      throw new Error("x");
    });
    expect((await ask(app))?.status).toBe(500);
  });
});

it("octets of another realm are the content of a fallback", async () => {
  const body = runInNewContext("new Uint8Array([104, 105])") as Uint8Array;
  const guard = createGuard({ ...OPTIONS, errorContent: () => ({ contentType: "text/plain", body }) });
  const server = guard.attach(
    createServer(
      guard.listener(() => {
        throw new Error("x");
      }),
    ),
  );
  const { responses } = await exchange(await listen(server), { path: "/" });
  expect(responses[0]?.text()).toBe("hi");
});
