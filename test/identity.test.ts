import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import net, { type AddressInfo } from "node:net";
import proxy from "@fastify/http-proxy";
import fastify from "fastify";
import { request as send } from "undici";
import { afterEach, describe, expect, it } from "vitest";
import plugin from "../adapters/fastify.js";
import { createGuard } from "../src/index.js";
import { exchange } from "../src/testing/index.js";
import { seen, send as sendOverHttp2, start, stopAll } from "./helpers/http2.js";
import { listen } from "./testing/servers.js";

const closing: (() => unknown)[] = [];
afterEach(async () => {
  await stopAll();
  for (const close of closing.splice(0)) await close();
});

/** An upstream that refuses an upload as soon as it has begun, and closes. */
async function refusing(): Promise<string> {
  const server = net.createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () =>
      socket.end("HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge"),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closing.push(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** The head of an upload with its first part; the rest never comes. */
const UPLOAD = `POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/octet-stream\r\nContent-Length: 1000000\r\n\r\n${"x".repeat(1000)}`;

describe.each(["enforce", "report"] as const)(
  "in mode %s, an upstream that answers 413 before the upload is over",
  (mode) => {
    const options = { mode, logger: false } as const;

    it("costs an app that passes its request to undici nothing of its own answer", async () => {
      const upstream = await refusing();
      const server = createServer((request, response) => {
        send(upstream, { method: "POST", body: request }).then(
          async ({ statusCode, body }) => response.writeHead(statusCode).end(await body.text()),
          () => response.writeHead(413).end("refused"),
        );
      });
      createGuard(options).attach(server);
      const { responses, problems } = await exchange(await listen(server), UPLOAD, { timeoutMs: 3_000 });
      expect(problems).toEqual([]);
      expect(responses[0]?.status).toBe(413);
    });

    it("costs @fastify/http-proxy nothing of the answer it passes on", async () => {
      const upstream = await refusing();
      const app = fastify();
      closing.push(() => app.close());
      await app.register(plugin, options);
      await app.register(proxy, { upstream });
      await app.listen({ port: 0, host: "127.0.0.1" });
      const { responses, problems } = await exchange(app.server, UPLOAD, { timeoutMs: 3_000 });
      expect(problems).toEqual([]);
      expect(responses[0]?.status).toBe(413);
    });
  },
);

/** What has the context of a request. */
type Contextual = { readonly rayguard?: { readonly clientIp: string | null } };

describe("an app that wraps what it is given", () => {
  const wrappings: Record<string, <T extends object>(object: T) => T> = {
    "a Proxy": (object) => new Proxy(object, {}),
    "a Proxy that calls methods on the object itself": (object) =>
      new Proxy(object, {
        get(target, name) {
          const value = Reflect.get(target, name, target);
          return typeof value === "function" ? value.bind(target) : value;
        },
      }),
    "an object that inherits from it": (object) => Object.create(object),
  };

  async function statusOf(listener: RequestListener): Promise<number | undefined> {
    const server = createServer(listener);
    createGuard({ logger: false }).attach(server);
    const { responses, problems } = await exchange(await listen(server), { path: "/" });
    expect(problems).toEqual([]);
    return responses[0]?.status;
  }

  it.each(Object.entries(wrappings))("answers through %s, and is guarded there as well", async (_what, wrap) => {
    const ok: RequestListener = (_request, response) => void wrap(response as ServerResponse).end("ok");
    expect(await statusOf(ok)).toBe(200);
    const cut: RequestListener = (_request, response) => void wrap(response as ServerResponse).destroy();
    expect(await statusOf(cut)).toBe(500);
  });

  it.each(Object.entries(wrappings))("finds request.rayguard through %s", async (_what, wrap) => {
    const listener: RequestListener = (request, response) => {
      const { rayguard } = wrap(request as IncomingMessage) as IncomingMessage & { rayguard?: { clientIp: unknown } };
      response.writeHead(rayguard?.clientIp === "127.0.0.1" ? 200 : 404).end();
    };
    expect(await statusOf(listener)).toBe(200);
  });

  it.each(Object.entries(wrappings))(
    "answers on a stream of HTTP/2 through %s, and is guarded there as well",
    async (_what, wrap) => {
      const answers = await start((server) => {
        server.on("stream", (stream) => {
          wrap(stream).respond({
            ":status": (wrap(stream) as Contextual).rayguard?.clientIp === "127.0.0.1" ? 200 : 404,
          });
          wrap(stream).end("ok");
        });
      }, {});
      expect(await seen(sendOverHttp2(answers.client))).toMatchObject({ status: 200, octets: 2, complete: true });
      const leaves = await start((server) => void server.on("stream", (stream) => wrap(stream).close(8)), {});
      expect(await seen(sendOverHttp2(leaves.client))).toMatchObject({ status: 500, complete: true });
    },
  );

  it.each(Object.entries(wrappings))("finds request.rayguard over HTTP/2 through %s", async (_what, wrap) => {
    const { client } = await start((server) => {
      server.on("request", (request, response) => {
        const { rayguard } = wrap(request) as Contextual;
        wrap(response).writeHead(rayguard?.clientIp === "127.0.0.1" ? 200 : 404);
        wrap(response).end();
      });
    }, {});
    expect(await seen(sendOverHttp2(client))).toMatchObject({ status: 200, complete: true });
  });
});
