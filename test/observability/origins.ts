import { createServer, type RequestListener, type Server } from "node:http";
import express from "express";
import fastify from "fastify";
import { rayguard as expressGuard } from "../../adapters/express.js";
import fastifyGuard from "../../adapters/fastify.js";
import { createGuard, type Guard } from "../../src/index.js";
import { listen } from "../testing/servers.js";

/** An origin server that closes the connection at `/drop`, and answers everything else. */
export interface Origin {
  readonly server: Server;
  readonly guard: Guard;
  close(): unknown;
}

export const drop: RequestListener = (request, response) => {
  if (request.url === "/drop") response.destroy();
  else response.end("ok");
};

/** Starts one for each framework. */
export const ORIGINS: Readonly<Record<string, () => Promise<Origin>>> = {
  "node:http": async () => {
    const guard = createGuard({ logger: false });
    const server = await listen(guard.attach(createServer(guard.listener(drop))));
    return { server, guard, close: () => guard.close() };
  },
  "Express 5": async () => {
    const guard = expressGuard({ logger: false });
    const app = express();
    app.use(guard);
    app.use(drop);
    const server = await listen(guard.attach(createServer(app)));
    return { server, guard, close: () => guard.close() };
  },
  Fastify: async () => {
    const app = fastify();
    await app.register(fastifyGuard, { logger: false });
    app.get("/", async () => "ok");
    app.get("/drop", (_request, reply) => {
      reply.raw.destroy();
    });
    await app.listen({ port: 0, host: "127.0.0.1" });
    return { server: app.server, guard: app.rayguard, close: () => app.close() };
  },
};
