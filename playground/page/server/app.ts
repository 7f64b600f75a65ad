import fastifyStatic from "@fastify/static";
import Fastify, { type FastifyInstance } from "fastify";
import { whyNoDeaths } from "../../deaths/survey-deaths.js";
import type { Framework } from "../../process/origin-process.js";
import type { DeathOrder, RunOrder, Setup, Side } from "../shared/model.js";
import { causeList, deathList } from "./cause-list.js";
import type { Feed } from "./feed.js";
import { DEATH_SCHEMA, ownField, RUN_SCHEMA } from "./order-check.js";
import { refusal, setPolicy } from "./origin-check.js";
import type { Runs } from "./runs.js";
import { STAGE_FRAMEWORKS, type Stage } from "./stage.js";
import type { Traffic } from "./traffic.js";

const TITLES = { express: "Express", fastify: "Fastify", node: "node:http" } as const;
const MAX_BODY_OCTETS = 256 * 1024;
/** Long enough to be seen, longer than the health check waits. */
const BLOCK_MS = 4_000;
const HEARTBEAT_MS = 15_000;

export interface Parts {
  readonly stage: Stage;
  readonly runs: Runs;
  readonly feed: Feed;
  readonly traffic: Traffic;
  /** Folder that Vite has built. */
  readonly folder: string;
}

/** The server of the page: a guarded Fastify that serves files, runs causes and streams what happens. */
export async function pageApp({ stage, runs, feed, traffic, folder }: Parts): Promise<FastifyInstance> {
  const app = Fastify({ logger: false, bodyLimit: MAX_BODY_OCTETS, forceCloseConnections: true });
  // Loaded on demand, as in the origin servers. How this process ends is for npm start to say.
  const { default: rayguard } = await import("rayguard/fastify");
  await app.register(rayguard, { logger: false, shutdown: false, crash: false });

  app.addHook("onRequest", async (request, reply) => {
    setPolicy(reply, request.url.startsWith("/content/"));
    const why = refusal(request, request.socket.localPort ?? 0);
    if (why !== undefined) return reply.code(403).send({ message: why });
  });
  await app.register(fastifyStatic, { root: folder, cacheControl: false });

  const setup: Setup = {
    causes: [...causeList(), ...deathList()],
    frameworks: STAGE_FRAMEWORKS.map((name) => ({ name, title: TITLES[name] })),
    hasEdge: stage.hasEdge,
    readTimeoutMs: stage.readTimeoutMs,
    node: process.version,
  };
  app.get("/api/setup", () => setup);
  app.get("/api/runs", () => runs.summaries());
  app.get<{ Params: { id: string } }>("/api/runs/:id", (request, reply) => {
    const result = runs.get(Number(request.params.id));
    return result ?? reply.code(404).send({ message: "This run is too long ago: the last 200 are kept." });
  });
  app.post<{ Body: RunOrder }>("/api/runs", { schema: { body: RUN_SCHEMA } }, (request, reply) => {
    const field = ownField(request.body.request.headers);
    if (field === undefined) return runs.run(request.body);
    return reply.code(400).send({ message: `${field} is for the edge to set; leave it out.` });
  });
  app.post<{ Body: DeathOrder }>("/api/deaths", { schema: { body: DEATH_SCHEMA } }, (request, reply) => {
    const why = whyNoDeaths();
    if (why === undefined) return runs.runDeath(request.body);
    return reply.code(501).send({ message: `Not to be seen here: ${why}.` });
  });
  app.get<{ Params: { id: string; side: Side } }>("/content/:id/:side", (request, reply) => {
    const content = runs.content(Number(request.params.id), request.params.side);
    if (content === undefined) return reply.code(404).send("This run is too long ago.");
    // Whatever it is, it is looked at as a page or as text: nothing is downloaded.
    const type = /^text\/html/i.test(content.type) ? "text/html; charset=utf-8" : "text/plain; charset=utf-8";
    return reply.type(type).send(content.octets);
  });

  app.get("/api/events", { config: { rayguard: { heartbeatMs: HEARTBEAT_MS } } }, (_request, reply) => {
    const stream = feed.open();
    if (stream === undefined) return reply.code(503).send({ message: "Too many pages are open." });
    return reply.header("Cache-Control", "no-store").type("text/event-stream").send(stream);
  });
  addOrders(app, stage, traffic);
  return app;
}

const FRAMEWORK = { params: { type: "object", properties: { framework: { enum: STAGE_FRAMEWORKS } } } } as const;

/** What the buttons do to the origin servers; nothing reaches further than these. */
function addOrders(app: FastifyInstance, stage: Stage, traffic: Traffic): void {
  app.post<{ Params: { framework: Framework } }>(
    "/api/stage/:framework",
    { schema: FRAMEWORK },
    async (request, reply) => {
      await stage.pair(request.params.framework);
      return reply.code(204).send();
    },
  );
  app.post<{ Params: { framework: Framework; state: string } }>(
    "/api/traffic/:framework/:state",
    { schema: FRAMEWORK },
    async (request, reply) => {
      if (request.params.state === "on") traffic.start(await stage.pair(request.params.framework));
      else traffic.stop();
      return reply.code(204).send();
    },
  );
  app.post<{ Params: { name: string; order: string } }>("/api/processes/:name/:order", (request, reply) => {
    const { name, order } = request.params;
    const actor = stage.actors.find(({ origin }) => origin.name === name);
    if (actor === undefined || !stage.isStarted(actor)) {
      return reply.code(404).send({ message: `No origin server "${name}" is running.` });
    }
    if (order === "block") actor.origin.block(BLOCK_MS);
    else if (order === "sigterm") actor.origin.signal("SIGTERM");
    else if (order === "kill") actor.origin.signal("SIGKILL");
    else return reply.code(404).send({ message: `There is no order "${order}": block, sigterm or kill.` });
    return reply.code(204).send();
  });
}
