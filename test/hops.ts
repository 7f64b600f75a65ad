// An origin server that counts which functions of the built guard are called for its requests.
// usage: hops <express|fastify> <log|no log>, over IPC only: "begin" forgets what was counted, "take" tells it.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { Server } from "node:http";
import { Session } from "node:inspector/promises";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import express from "express";
import Fastify from "fastify";
import { rayguard } from "rayguard/express";
import plugin from "rayguard/fastify";

const [framework, log] = process.argv.slice(2);

/** Takes the record of each request, and does nothing with it: what a logger does is not the guard's. */
const logger = { info() {}, warn() {}, error() {} };
const options = { trust: "loopback", logger: log === "log" ? logger : false } as const;
const CONTENT = { message: "hello", ok: true };

const origins: Record<string, () => Promise<Server>> = {
  async express() {
    const guard = rayguard(options);
    const app = express();
    app.use(guard);
    app.get("/", (_request, response) => {
      response.json(CONTENT);
    });
    app.use(guard.errorHandler);
    const server = guard.attach(app.listen(0, "127.0.0.1"));
    await once(server, "listening");
    return server;
  },
  async fastify() {
    const app = Fastify();
    await app.register(plugin, options);
    app.get("/", (_request, reply) => {
      reply.send(CONTENT);
    });
    await app.listen({ port: 0, host: "127.0.0.1" });
    return app.server;
  },
};

const dist = new URL("./", import.meta.resolve("rayguard")).href.replace(/src\/$/, "");
const session = new Session();

/** Calls of each function since the last question, as `calls name: how it begins`. */
async function take(): Promise<[calls: number, name: string][]> {
  const { result } = await session.post("Profiler.takePreciseCoverage");
  const taken: [number, string][] = [];
  for (const { url, functions } of result) {
    if (!url.startsWith(dist)) continue;
    const text = readFileSync(fileURLToPath(url), "utf8");
    for (const { functionName, ranges } of functions) {
      const [whole] = ranges;
      if (whole === undefined || whole.count === 0) continue;
      const start = text.slice(whole.startOffset, whole.startOffset + 60).replace(/\s+/g, " ");
      taken.push([whole.count, `${functionName || "(anonymous)"}: ${start}`]);
    }
  }
  return taken;
}

const server = await (origins[framework ?? ""] as () => Promise<Server>)();
session.connect();
await session.post("Profiler.enable");
// Calls are counted exactly then: what is counted is not optimized, so that no call is left out.
await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: false });

process.on("message", async () => process.send?.(await take()));
process.on("disconnect", () => process.exit());
process.send?.((server.address() as AddressInfo).port);
