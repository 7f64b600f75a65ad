import { type ChildProcess, fork } from "node:child_process";
import { EventEmitter } from "node:events";
import { get } from "node:http";
import { fileURLToPath } from "node:url";
import { delay } from "../causes/cause.js";
import { HOST } from "../origins/origin.js";
import { lastingPort } from "./lasting-port.js";
import { LogTail } from "./log-tail.js";
import type { IncidentNote, OriginMessage, OriginOrder } from "./messages.js";
import { newTrafficRay } from "./rays.js";

export type Framework = "express" | "fastify" | "node";

/** Events of an origin server. */
interface OriginEvents {
  /** Anything that the process tells. */
  message: [OriginMessage];
  /** The process is gone. */
  death: [{ pid: number; code: number | null; signal: NodeJS.Signals | null }];
}

const ORIGIN = fileURLToPath(new URL("../origin.ts", import.meta.url));
/** A start takes half a second; a machine under load gets more. */
const START_TIMEOUT_MS = 20_000;
/** Between two tries to take the place of a process. */
const RETRY_MS = 200;

/** An origin server in a child process; when the process dies, another takes its place on the same port. */
export class OriginProcess extends EventEmitter<OriginEvents> {
  readonly framework: Framework;
  readonly guarded: boolean;
  /** Tells what its app does to each response, and how its guard is. */
  readonly watched: boolean;
  port = 0;
  /** How often the process had to be started again. */
  deaths = 0;
  readonly log = new LogTail();
  /** Every incident of the guard so far, in order. */
  readonly incidents: IncidentNote[] = [];
  #child: ChildProcess | undefined;
  #stopped = false;

  constructor(framework: Framework, guarded: boolean, watched = false) {
    super();
    this.watched = watched;
    this.framework = framework;
    this.guarded = guarded;
  }

  /** First segment of the path at the edge. */
  get name(): string {
    return this.guarded ? this.framework : `bare-${this.framework}`;
  }

  get url(): string {
    return `http://${HOST}:${this.port}`;
  }

  /** Starts the process; resolves when it listens. */
  async start(): Promise<void> {
    if (this.port === 0) this.port = await lastingPort();
    await this.#startOnce();
  }

  #startOnce(): Promise<void> {
    const kind = this.guarded ? "guarded" : "bare";
    const args = [this.framework, kind, String(this.port), this.watched ? "watched" : "unwatched"];
    const execArgv = ["--import", "tsx"];
    const child = fork(ORIGIN, args, { execArgv, stdio: ["ignore", "pipe", "pipe", "ipc"] });
    this.#child = child;
    this.log.read(child.stdout);
    this.log.read(child.stderr);
    return new Promise((resolve, reject) => {
      let listening = false;
      child.on("message", (message: OriginMessage) => {
        if (message.type === "incident") this.incidents.push(message);
        if (message.type === "listening") {
          listening = true;
          resolve();
        }
        this.emit("message", message);
      });
      child.on("exit", (code, signal) => {
        if (this.#stopped) return resolve();
        if (!listening) {
          return reject(new Error(`${this.name} did not start (${signal ?? code}):\n${this.log.last().join("\n")}`));
        }
        this.deaths++;
        this.emit("death", { pid: child.pid as number, code, signal });
        void this.#startAgain();
      });
      child.on("error", reject);
    });
  }

  /** Somebody else may hold the port for a moment. */
  async #startAgain(): Promise<void> {
    const end = performance.now() + START_TIMEOUT_MS;
    while (!this.#stopped && performance.now() < end) {
      try {
        return await this.#startOnce();
      } catch (error) {
        this.log.add((error as Error).message);
        await delay(RETRY_MS);
      }
    }
  }

  /** Resolves when the origin server answers again, be it from a new process. */
  async settled(): Promise<void> {
    const end = performance.now() + START_TIMEOUT_MS;
    while (!(await answers(this.port))) {
      if (performance.now() > end) throw new Error(`${this.name} is gone:\n${this.log.last().join("\n")}`);
      await delay(20);
    }
  }

  /** Resolves when every incident so far is in `incidents`: messages of a process keep their order. */
  async flush(): Promise<void> {
    const child = this.#child;
    if (child?.connected !== true) return;
    await new Promise<void>((resolve) => {
      const finish = (): void => {
        child.off("message", listener).off("exit", finish);
        resolve();
      };
      const listener = ({ type }: OriginMessage): void => {
        if (type === "flushed") finish();
      };
      child.on("message", listener).on("exit", finish);
      // An error here says that the process is on its way out; its exit follows.
      child.send({ type: "flush" } satisfies OriginOrder, () => {});
    });
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Sends a signal to the process; another takes its place when it ends of it. */
  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Keeps the event loop of the process busy for so long. */
  block(ms: number): void {
    if (this.#child?.connected) this.#child.send({ type: "block", ms } satisfies OriginOrder, () => {});
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.removeAllListeners();
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    // Nothing of a demonstration is worth a graceful end, and a hanging handler would not grant one.
    child.kill("SIGKILL");
    await gone;
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const headers = { "CF-RAY": newTrafficRay() };
    const request = get({ host: HOST, port, headers, agent: false }, (response) => {
      response.resume();
      response.on("close", () => resolve(response.complete && response.statusCode === 200));
    });
    request.setTimeout(2_000, () => request.destroy());
    request.on("error", () => resolve(false));
  });
}
