import type { Exchange } from "../exchange.js";
import { EVENTS, type Failure } from "../incidents.js";
import { MESSAGES } from "../log.js";
import { Admission } from "./admission.js";
import { type Gauges, ProcessGauges } from "./gauges.js";
import type { OverloadSettings } from "./overload-options.js";
import { Pressure, type Reason, type Refusal } from "./pressure.js";

/** Time between two samples, in milliseconds. */
export const SAMPLE_MS = 100;

/** Samples in a row without a refusal that end an episode. */
const CALM_SAMPLES = 10;

/**
 * How much a sample with a refusal weighs, and the weight from which on `/health` says so: 0.3 s of a machine that can
 * take no more, 3 s of a queue that is full.
 */
const WEIGHT = { queue: 1, machine: 10 };
const SUSTAINED = 30;

/** A time during which requests are refused. */
interface Episode {
  readonly startedAt: number;
  readonly refused: Map<Reason, number>;
  /** Reason of the last refusal. */
  reason: Reason;
  weight: number;
  /** Refusals since the last sample, and samples without one. */
  recent: number;
  calm: number;
}

/** Refuses what the process cannot take, with a complete answer, so that it can answer the rest in time. */
export class Overload {
  /** Requests refused since the guard was made. */
  shed = 0;
  readonly #settings: OverloadSettings;
  readonly #enforces: boolean;
  readonly #gauges: Gauges;
  readonly #tell: (record: object, message: string) => void;
  readonly #pressure: Pressure;
  readonly #admission: Admission;
  #connections = 0;
  #episode: Episode | null = null;
  #timer: NodeJS.Timeout | null = null;
  #closed = false;

  /** @param tell - writes a line about the guard itself */
  constructor(
    settings: OverloadSettings,
    enforces: boolean,
    tell: (record: object, message: string) => void,
    gauges: Gauges = new ProcessGauges(),
  ) {
    this.#settings = settings;
    this.#enforces = enforces;
    this.#tell = tell;
    this.#gauges = gauges;
    this.#pressure = new Pressure(settings);
    const onOverdue = (exchange: Exchange) =>
      this.#refuse(exchange, { reason: "queued", message: `It had waited ${settings.maxQueuedMs} ms for its turn.` });
    this.#admission = new Admission(settings, onOverdue);
  }

  /** Requests that wait for their turn. */
  get queued(): number {
    return this.#admission.queued;
  }

  /** Why new work is being refused, where that has gone on for long enough to be told to a load balancer. */
  get reason(): Reason | undefined {
    if (!this.#enforces || this.#closed) return undefined;
    if (this.#pressure.isOutOfMemory) return "heap";
    return this.#episode !== null && this.#episode.weight >= SUSTAINED ? this.#episode.reason : undefined;
  }

  /** Starts to sample. No timer of it keeps the process alive. */
  start(): void {
    if (this.#timer !== null || this.#closed) return;
    this.#gauges.start();
    this.#timer = setInterval(() => this.sample(), SAMPLE_MS).unref();
  }

  /** Stops to sample and lets everybody in who waits. */
  close(): void {
    this.#closed = true;
    if (this.#timer !== null) {
      clearInterval(this.#timer);
      this.#gauges.stop();
    }
    this.#timer = null;
    this.#endEpisode();
    this.#admission.open();
  }

  /** A client has connected. */
  connected(): void {
    this.#connections++;
    this.#admission.greet();
  }

  /**
   * A request is about to be handed to the app.
   * @param enter - hands it over, where it has to wait for its turn
   * @returns true where it goes on at once; otherwise it waits, or has been answered
   */
  admits(exchange: Exchange, enter: () => void): boolean {
    if (exchange.doorkeeper !== null || this.#closed) return true;
    this.start();
    const admission = this.#admission;
    const { startedAt } = exchange;
    const waitMs = admission.arrives(startedAt);
    const hasRoom = admission.hasRoom(startedAt);
    const refusal = this.#pressure.refusal(admission.busy, waitMs) ?? (hasRoom ? undefined : this.#fullQueue());
    if (refusal !== undefined) {
      this.#refuse(exchange, refusal);
      if (this.#enforces) return false;
    } else if (this.#enforces && !hasRoom) {
      admission.enqueue(exchange, enter);
      return false;
    }
    admission.letIn(exchange);
    return true;
  }

  /** Takes a look at the process. */
  sample(): void {
    this.#pressure.sample(this.#gauges.read(), this.#connections);
    this.#connections = 0;
    const episode = this.#episode;
    if (episode === null) return;
    if (episode.recent > 0) {
      const isQueue = episode.reason === "in-flight" || episode.reason === "queued";
      episode.weight += isQueue ? WEIGHT.queue : WEIGHT.machine;
      episode.recent = episode.calm = 0;
    } else if (++episode.calm >= CALM_SAMPLES && !this.#pressure.isOutOfMemory) this.#endEpisode();
  }

  #fullQueue(): Refusal | undefined {
    const { inFlight, queued, isFull } = this.#admission;
    if (!isFull) return undefined;
    return { reason: "in-flight", message: `${inFlight} requests were under way and ${queued} waiting.` };
  }

  #refuse(exchange: Exchange, { reason, message }: Refusal): void {
    const { request } = exchange;
    const isFirst = this.#note(reason);
    const failure: Failure = {
      code: "OVERLOAD",
      message: `${EVENTS.OVERLOAD} ${message}`,
      prevented: null,
      status: 503,
      retryAfterS: this.#settings.retryAfterS,
      // Thousands of lines a second would be a load of their own: the first one says why, the last one how many.
      unlogged: !isFirst,
    };
    const hasContent = request !== null && !request.complete && mayHaveContent(request.headers);
    // Content that came in the same packet is parsed by then, and the connection can stay.
    if (hasContent && this.#enforces) setImmediate(() => exchange.fail(failure));
    else exchange.fail(failure);
  }

  /** @returns whether this is the first refusal of an episode */
  #note(reason: Reason): boolean {
    this.shed++;
    const isFirst = this.#episode === null;
    this.#episode ??= { startedAt: performance.now(), refused: new Map(), reason, weight: 0, recent: 0, calm: 0 };
    const episode = this.#episode;
    episode.reason = reason;
    episode.recent++;
    episode.refused.set(reason, (episode.refused.get(reason) ?? 0) + 1);
    return isFirst;
  }

  #endEpisode(): void {
    const episode = this.#episode;
    if (episode === null) return;
    this.#episode = null;
    const ms = Math.round(performance.now() - episode.startedAt);
    this.#tell({ code: "OVERLOAD", ms, refused: Object.fromEntries(episode.refused) }, MESSAGES.overloadOver);
  }
}

function mayHaveContent(headers: NodeJS.Dict<string | string[]>): boolean {
  return headers["transfer-encoding"] !== undefined || headers["content-length"] !== undefined;
}
