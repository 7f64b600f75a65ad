import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import express from "express";
import Fastify from "fastify";
import { describe, expect, it } from "vitest";
import { rayguard as expressGuard } from "../adapters/express.js";
import fastifyGuard from "../adapters/fastify.js";
import { createGuard } from "../src/index.js";
import { listen } from "./testing/servers.js";

const LIMIT_MS = 500;
const OPTIONS = { logger: false, firstByteDeadlineMs: LIMIT_MS } as const;

/** Origin servers whose handler answers when the whole content has come, or never. */
const ORIGINS: [name: string, start: () => Promise<{ server: Server; close?(): Promise<void> }>][] = [
  ["node, which reads", () => startNode((request) => void request.resume())],
  ["node, which does not read", () => startNode(() => {})],
  [
    "express.json()",
    async () => {
      const app = express();
      const guard = expressGuard(OPTIONS);
      app.use(guard, express.json());
      app.post("/", (_request, response) => void response.send("all"));
      return { server: await listen(guard.attach(createServer(app))) };
    },
  ],
  [
    "express, which does not read",
    async () => {
      const app = express();
      const guard = expressGuard(OPTIONS);
      app.use(guard);
      app.post("/", () => {});
      return { server: await listen(guard.attach(createServer(app))) };
    },
  ],
  [
    "Fastify's parser",
    async () => {
      const app = Fastify();
      await app.register(fastifyGuard, OPTIONS);
      app.post("/", async () => "all");
      await app.listen({ port: 0, host: "127.0.0.1" });
      return { server: app.server, close: () => app.close() };
    },
  ],
];

async function startNode(listener: Parameters<typeof createServer>[1] & object) {
  return { server: await listen(createGuard(OPTIONS).attach(createServer(listener as never))) };
}

const HEAD = "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";

/** What a client sends, piece by piece, before it falls silent. */
const SILENCES: [what: string, pieces: string[]][] = [
  ["announced, and none of it sent", [`${HEAD}Content-Length: 100\r\n\r\n`]],
  ["begun with the header section", [`${HEAD}Content-Length: 100\r\n\r\n{"a":`]],
  ["begun shortly after it", [`${HEAD}Content-Length: 100\r\n\r\n`, '{"a":']],
  ["in chunks, without the last", [`${HEAD}Transfer-Encoding: chunked\r\n\r\n`, '4\r\n{"a"\r\n']],
  [
    "of a request that follows others",
    [
      "GET /none HTTP/1.1\r\nHost: a\r\n\r\nGET /none HTTP/1.1\r\nHost: a\r\n\r\n",
      `${HEAD}Content-Length: 100\r\n\r\n`,
      '{"a":',
    ],
  ],
];

describe.each(ORIGINS)("content that falls silent, before %s", (name, start) => {
  it.each(SILENCES.filter(([what]) => !what.includes("follows") || /express|Fastify/.test(name)))(
    "%s: is answered after the deadline, not after two",
    async (_what, pieces) => {
      const { server, close } = await start();
      const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
      let text = "";
      socket.on("data", (chunk) => {
        text += chunk.toString("latin1");
      });
      socket.on("error", () => {});
      await once(socket, "connect");
      let sentAt = 0;
      for (const piece of pieces) {
        sentAt = performance.now();
        socket.write(piece);
        await wait(25);
      }
      await expect.poll(() => text, { timeout: 3 * LIMIT_MS, interval: 5 }).toContain("HTTP/1.1 503 ");
      const waits = (performance.now() - sentAt) / LIMIT_MS;
      expect(waits).toBeGreaterThan(0.9);
      expect(waits).toBeLessThan(1.6);
      socket.destroy();
      if (close !== undefined) await close();
      else server.close();
    },
  );
});

it("leaves the handler its time once an upload that took longer is complete", async () => {
  const { server } = await startNode((request, response) => {
    request.resume();
    request.on("end", async () => {
      await wait(0.7 * LIMIT_MS);
      response.end("all");
    });
  });
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  let text = "";
  socket.on("data", (chunk) => {
    text += chunk.toString("latin1");
  });
  socket.write(`${HEAD}Content-Length: 12\r\n\r\n`);
  for (let n = 0; n < 12; n++) {
    await wait(LIMIT_MS / 8);
    socket.write("x");
  }
  await expect.poll(() => text, { timeout: 2 * LIMIT_MS }).toMatch(/ 200 OK[\s\S]*all/);
  socket.destroy();
  server.close();
});
