import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import express from "express";
import Fastify, { type FastifyBaseLogger } from "fastify";
import { pino } from "pino";
import { rayguard as expressGuard } from "../../adapters/express.js";
import fastifyGuard from "../../adapters/fastify.js";
import { createGuard, type GuardOptions } from "../../src/index.js";
import { exchange } from "../../src/testing/index.js";

/** What can be asked of the origin servers: a fault each, under a path of its own. */
export const FAULTS: Readonly<Record<string, (request: IncomingMessage, response: ServerResponse) => void>> = {
  "/fine": (_, response) => response.end("fine"),
  "/drop": (_, response) => response.destroy(),
  "/short": (_, response) => response.writeHead(200, { "Content-Length": 9 }).end("four"),
  "/long": (_, response) => response.writeHead(200, { "Content-Length": 2 }).end("four"),
  "/never": () => {},
  "/late": (_, response) => {
    response.end("fine");
    response.write("more");
  },
  "/twice": (_, response) => {
    response.setHeader("Content-Length", ["4", "4"]);
    response.end("fine");
  },
  "/gateway": (_, response) => response.writeHead(502).end("from behind"),
  "/interim": (_, response) => response.writeHead(103).end(),
  "/large": (_, response) => response.setHeader("X-Large", "x".repeat(140_000)) && response.end("fine"),
  "/raw": (_, response) => response.socket?.end("nonsense\r\n\r\n"),
  "/cut": (_, response) => {
    const source = new Readable({ read() {} });
    source.on("error", () => {}); // as nobody does who has not met it
    source.pipe(response.writeHead(200));
    source.push("x".repeat(100_000));
    setTimeout(() => source.destroy(new Error("the disk is gone")), 20);
  },
};

const THROWS = "/throw";
export const PATHS = [...Object.keys(FAULTS), THROWS];

const crash = () => {
  throw new Error("pool timeout");
};

/** A guarded origin server that writes its log to a file. */
export interface Provoked {
  /** Asks for `path` with a Ray ID of its own. */
  ask(path: string, ray: string): Promise<void>;
  close(): Promise<void>;
}

export const STARTS: Readonly<Record<string, (log: string, options?: GuardOptions) => Promise<Provoked>>> = {
  async node(log, options) {
    const guard = createGuard({ ...settings(log), ...options });
    const server = createServer(
      guard.listener((request, response) => {
        if (request.url === THROWS) crash();
        FAULTS[request.url as string]?.(request, response);
      }),
    );
    guard.attach(server);
    return provoked(await listening(server.listen(0, "127.0.0.1")), () => guard.close());
  },
  async express(log, options) {
    const app = express();
    const guard = expressGuard({ ...settings(log), ...options });
    app.use(guard);
    app.get(THROWS, crash);
    for (const [path, act] of Object.entries(FAULTS)) app.get(path, (request, response) => act(request, response));
    app.use(guard.errorHandler);
    const server = app.listen(0, "127.0.0.1");
    guard.attach(server);
    return provoked(await listening(server), () => guard.close());
  },
  async fastify(log, options) {
    // Fastify's own logger: a line when a request comes, one when it is over, and its request id in every line.
    const { logger, ...rest } = { ...settings(log), ...options };
    const app = Fastify({ loggerInstance: logger as FastifyBaseLogger });
    await app.register(fastifyGuard, rest);
    app.get(THROWS, crash);
    for (const [path, act] of Object.entries(FAULTS)) {
      app.get(path, (request, reply) => {
        request.log.warn("about to act");
        reply.hijack();
        act(request.raw, reply.raw);
      });
    }
    await app.listen({ port: 0, host: "127.0.0.1" });
    return provoked(app.server, () => void app.close());
  },
};

function settings(log: string) {
  return {
    logger: pino(pino.destination({ dest: log, sync: true })),
    firstByteDeadlineMs: 100,
    trust: "loopback",
    shutdown: false,
  } as const;
}

async function listening(server: Server): Promise<Server> {
  if (!server.listening) await new Promise<void>((resolve) => server.once("listening", resolve));
  return server;
}

function provoked(server: Server, end: () => void): Provoked {
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    async ask(path, ray) {
      const headers = { "CF-RAY": `${ray}-SJC`, "CF-Connecting-IP": "203.0.113.7", Connection: "close" };
      await exchange(`${base}${path}`, { headers });
    },
    async close() {
      end();
      server.closeAllConnections();
      await new Promise<void>((resolve) => void server.close(() => resolve()));
    },
  };
}
