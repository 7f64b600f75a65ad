import type { FastifyInstance } from "fastify";
import { findWorkerd } from "../edge/edge.js";
import { HOST } from "../origins/origin.js";
import { makeBuiltFolder } from "./built-folder.js";
import { pageApp } from "./server/app.js";
import { DeathStage } from "./server/death-stage.js";
import { Feed } from "./server/feed.js";
import { IncidentFeed } from "./server/incident-feed.js";
import { Outcomes } from "./server/outcomes.js";
import { ProcessWatch } from "./server/process-watch.js";
import { Runs } from "./server/runs.js";
import { Stage } from "./server/stage.js";
import { Traffic } from "./server/traffic.js";

/** Read timeout of the edge; the real one waits for 125 s. Above the deadlines of the guard, as there. */
const READ_TIMEOUT_MS = 2_500;

/** The page: its own origin servers, its own edge and the server that shows them. */
export class Page {
  readonly #stage: Stage;
  readonly #deaths = new DeathStage();
  readonly #port: number;
  #app: FastifyInstance | undefined;
  #stopParts: () => void = () => {};
  #stopping: Promise<void> | undefined;

  /** @param port - `0`: any free port */
  constructor(options: { workerd: boolean; port: number }) {
    this.#stage = new Stage(options.workerd ? findWorkerd() : undefined, READ_TIMEOUT_MS);
    this.#port = options.port;
  }

  /** Builds the page, starts its server, and returns the address; origin servers start when somebody looks. */
  async start(): Promise<string> {
    const folder = makeBuiltFolder();
    await Promise.all([buildInto(folder), this.#stage.start()]);
    const stage = this.#stage;
    const outcomes = new Outcomes();
    const traffic = new Traffic(outcomes);
    const incidents = new IncidentFeed(stage);
    this.#deaths.watch(incidents, outcomes);
    const watch = new ProcessWatch(stage);
    const feed = new Feed({ incidents, outcomes, watch, traffic });
    this.#stopParts = () => {
      traffic.stop();
      watch.stop();
      feed.stop();
    };
    this.#app = await pageApp({ stage, runs: new Runs(stage, this.#deaths, outcomes), feed, traffic, folder });
    return this.#app.listen({ host: HOST, port: this.#port });
  }

  /** Ends every process; resolves when the last one is gone. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stopAll();
    return this.#stopping;
  }

  async #stopAll(): Promise<void> {
    this.#stopParts();
    await Promise.all([this.#stage.stop(), this.#deaths.stop(), this.#app?.close()]);
  }
}

async function buildInto(outDir: string): Promise<void> {
  // Loaded here: the table in the terminal needs none of it.
  const [{ build }, { default: config }] = await Promise.all([import("vite"), import("./vite.config.js")]);
  // Not read as a file by Vite, which would compile it into node_modules first.
  await build({ ...config, configFile: false, logLevel: "warn", build: { ...config.build, outDir } });
}
