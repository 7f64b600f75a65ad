import { delay } from "../../causes/cause.js";
import { epochMs, type IncidentNote, type OriginMessage, type TraceNote } from "../../process/messages.js";
import type { OriginProcess } from "../../process/origin-process.js";
import { isTrafficRay } from "../../process/rays.js";
import type { SideResult } from "../shared/model.js";
import type { TimedEvent } from "./timeline.js";

const MAX_LOG_LINES = 60;
const MAX_LINE_LENGTH = 2_000;
const MAX_NOTES = 1_000;
/** A line of the log is written after its incident is published; it comes over another pipe. */
const LOG_PATIENCE_MS = 400;

/** What one origin server tells while a run goes on: notes of its app, incidents, log lines, and its death. */
export class Observation {
  readonly traces: TraceNote[] = [];
  readonly incidents: (IncidentNote & { at: number })[] = [];
  readonly log: string[] = [];
  death: SideResult["death"] = null;
  readonly events: TimedEvent[] = [];
  readonly #origin: OriginProcess;
  #records = 0;
  #diedAt = 0;
  #omitted = 0;

  constructor(origin: OriginProcess) {
    this.#origin = origin;
    origin.on("message", this.#onMessage);
    origin.on("death", this.#onDeath);
    origin.log.on("line", this.#onLine);
  }

  /** Waits for what is on its way, then stops looking. @param mustDie - the run was to end the process */
  async stop(mustDie: boolean): Promise<void> {
    const patience = performance.now() + (mustDie ? 8_000 : 0);
    while (mustDie && this.death === null && performance.now() < patience) await delay(20);
    await this.#origin.settled();
    await this.#origin.flush();
    const until = performance.now() + LOG_PATIENCE_MS;
    while (this.#logged() < this.#records && performance.now() < until) await delay(10);
    this.#origin.off("message", this.#onMessage);
    this.#origin.off("death", this.#onDeath);
    this.#origin.log.off("line", this.#onLine);
    if (this.#omitted > 0) this.log.push(`(${this.#omitted} more lines)`);
  }

  readonly #onMessage = (message: OriginMessage): void => {
    switch (message.type) {
      case "trace":
        if (!isTrafficRay(message.ray) && this.traces.length < MAX_NOTES) this.traces.push(message);
        break;
      case "incident":
        if (!isTrafficRay(message.ray) && this.incidents.length < MAX_NOTES) this.#addIncident(message);
        break;
      case "record":
        if (!isTrafficRay(message.record.ray)) this.#records++;
        break;
      case "listening":
        this.#reborn();
    }
  };

  /** Leaves out what belongs to requests of an earlier run, which may go on in the app for a while. */
  keepOnly(rays: ReadonlySet<string>): void {
    const isOwn = (ray: string | null | undefined): boolean => ray == null || rays.has(ray.slice(0, 16));
    keep(this.traces, ({ ray }) => isOwn(ray));
    keep(this.incidents, ({ ray }) => isOwn(ray));
    keep(this.log, (line) => isOwn(/"ray":"([0-9a-f]{16})"/.exec(line)?.[1]));
  }

  #addIncident(incident: IncidentNote): void {
    this.incidents.push({ ...incident, at: epochMs() });
  }

  readonly #onDeath = ({
    pid,
    code,
    signal,
  }: {
    pid: number;
    code: number | null;
    signal: NodeJS.Signals | null;
  }): void => {
    this.#diedAt = epochMs();
    const of = signal ?? `exit code ${code}`;
    this.death = { pid, of, successor: 0, downMs: 0 };
    this.events.push({
      at: this.#diedAt,
      lane: "process",
      event: "died",
      text: `process ${pid} ends (${of})`,
      isBad: true,
    });
  };

  #reborn(): void {
    if (this.death === null) return;
    const at = epochMs();
    this.death = { ...this.death, successor: this.#origin.pid ?? 0, downMs: Math.round(at - this.#diedAt) };
    const text = `process ${this.#origin.pid} listens in its place`;
    this.events.push({ at, lane: "process", event: "restarted", text, isBad: false });
  }

  readonly #onLine = (line: string): void => {
    if (isTrafficRay(/"ray":"([0-9a-f]{16})"/.exec(line)?.[1])) return;
    if (this.log.length >= MAX_LOG_LINES) this.#omitted++;
    else this.log.push(line.length > MAX_LINE_LENGTH ? `${line.slice(0, MAX_LINE_LENGTH)}…` : line);
  };

  #logged(): number {
    return this.log.filter((line) => line.includes('"msg":"request"')).length + this.#omitted;
  }
}

function keep<T>(list: T[], test: (item: T) => boolean): void {
  list.splice(0, list.length, ...list.filter(test));
}
