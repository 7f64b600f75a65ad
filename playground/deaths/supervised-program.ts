import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { get } from "node:http";
import { fileURLToPath } from "node:url";
import type { Incident } from "rayguard";
import { MESSAGES } from "../../src/report/log.js";
import { delay } from "../causes/cause.js";
import { HOST } from "../origins/origin.js";
import { lastingPort } from "../process/lasting-port.js";
import { LogTail } from "../process/log-tail.js";
import type { Framework } from "../process/origin-process.js";

/** By whom a program is started again: a plain supervisor, or `rayguard run`. */
export type Supervision = "bare" | "kept";

/** Shorter than the read timeout of an edge, which is short here. */
const KEEPER = ["--wait-ms", "1500"];
/** In megabytes, so that a heap is full in a moment. */
const HEAP = 64;
/** A start takes half a second; a machine under load gets more. */
const START_TIMEOUT_MS = 20_000;

const LEASH = fileURLToPath(new URL("leash.js", import.meta.url));
const PROGRAMS = fileURLToPath(new URL("programs/", import.meta.url));

/** How a process of the program has ended, as its supervisor tells it. */
export interface End {
  readonly pid: number;
  readonly of: string;
}

/** What the keeper has logged about a request. */
export interface KeeperIncident {
  readonly code: string;
  readonly action: Incident["action"];
  readonly prevented: Incident["prevented"];
  readonly reason: string;
  readonly ray: string | null;
  readonly method: string;
  readonly url: string;
  readonly status: number | null;
}

/** A program that knows nothing of a guard, and whoever starts it again when it ends. */
export class SupervisedProgram {
  readonly framework: Framework;
  readonly supervision: Supervision;
  readonly log = new LogTail();
  /** Processes that have ended so far. */
  readonly ends: End[] = [];
  /** Incidents that were logged so far. */
  readonly incidents: KeeperIncident[] = [];
  port = 0;
  #listener: (incident: KeeperIncident) => void = () => {};
  #leash: ChildProcess | undefined;
  /** That it was started with. */
  #flags = "";

  constructor(framework: Framework, supervision: Supervision) {
    this.framework = framework;
    this.supervision = supervision;
    this.log.on("line", (line) => this.#heard(line));
  }

  get name(): string {
    return `${this.supervision} ${this.framework}`;
  }

  onIncident(listener: (incident: KeeperIncident) => void): void {
    this.#listener = listener;
  }

  /**
   * Starts it, or starts it again where it runs with other flags; resolves when it answers.
   * @param flags - of `rayguard run`
   */
  async start(flags: readonly string[] = []): Promise<void> {
    const isRunning = this.#leash !== undefined && (this.supervision === "bare" || this.#flags === flags.join());
    if (isRunning) return this.#settled();
    await this.stop();
    this.#flags = flags.join();
    if (this.port === 0) this.port = await lastingPort();
    const { NODE_OPTIONS = "", RAYGUARD_OPTIONS: _, ...env } = process.env;
    const options = this.supervision === "kept" ? [...KEEPER, ...flags] : [];
    this.#leash = fork(LEASH, [this.supervision, `${PROGRAMS}${this.framework}.js`, ...options], {
      cwd: PROGRAMS,
      env: {
        ...env,
        NODE_ENV: "production",
        NODE_OPTIONS: `${NODE_OPTIONS} --max-old-space-size=${HEAP}`,
        PORT: String(this.port),
      },
      execArgv: [],
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    if (this.supervision === "bare") this.#leash.on("message", (end: End) => this.ends.push(end));
    this.log.read(this.#leash.stdout);
    this.log.read(this.#leash.stderr);
    await this.#settled();
  }

  /** Resolves when the program answers, be it from a new process. */
  async #settled(): Promise<void> {
    const end = performance.now() + START_TIMEOUT_MS;
    while (!(await answers(this.port))) {
      if (performance.now() > end) throw new Error(`${this.name} is gone:\n${this.log.last().join("\n")}`);
      await delay(20);
    }
  }

  /** Another process takes over, as for a new version: SIGTERM and a start, or what `rayguard run` does at SIGHUP. */
  deploy(): void {
    this.#leash?.send("deploy");
  }

  #heard(line: string): void {
    // Most lines tell of a request that was answered.
    if (!line.startsWith("{") || !(line.includes('"code":') || line.includes(MESSAGES.workerEnded))) return;
    const record = JSON.parse(line) as KeeperIncident & { msg: string; pid: number; how: string };
    if (record.msg === MESSAGES.workerEnded) this.ends.push({ pid: record.pid, of: record.how });
    else if (record.msg === MESSAGES.incident) {
      this.incidents.push(record);
      this.#listener(record);
    }
  }

  async stop(): Promise<void> {
    const leash = this.#leash;
    if (leash === undefined || leash.exitCode !== null || leash.signalCode !== null) return;
    const gone = once(leash, "exit");
    if (leash.connected) leash.disconnect();
    await gone;
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get({ host: HOST, port, path: "/page/settled", agent: false }, (response) => {
      response.resume();
      response.on("close", () => resolve(response.complete && response.statusCode === 200));
    });
    request.setTimeout(2_000, () => request.destroy());
    request.on("error", () => resolve(false));
  });
}
