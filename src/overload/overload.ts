import { clearInterval, performance, setImmediate } from "../clock.js";
import { contain, contained, type Witness } from "../containment.js";
import type { Exchange } from "../exchange/exchange.js";
import { awaitsContent } from "../http/message.js";
import { overloaded } from "../report/incidents.js";
import { MESSAGES } from "../report/log.js";
import { whileKept } from "../weak-interval.js";
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

/** Part of its busy time for which the loop has a processor, below which it is short of it, and above which no more. */
const SHORT = { enter: 0.75, leave: 0.9 };

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

/** Whom the limits tell what they do. */
export interface OverloadListener extends Witness {
  /** A line about the guard itself. */
  warn(record: object, message: string): void;
}

/** Refuses what the process cannot take, with a complete answer, so that it can answer the rest in time. */
export class Overload {
  /** Requests refused since the guard was made. */
  shed = 0;
  readonly #pressure: Pressure;
  readonly #admission: Admission;
  #connections = 0;
  #episode: Episode | null = null;
  #timer: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(
    private readonly settings: OverloadSettings,
    private readonly enforces: boolean,
    private readonly listener: OverloadListener,
    private readonly gauges: Gauges = new ProcessGauges(),
  ) {
    this.#pressure = new Pressure(settings);
    const overdue: Refusal = { reason: "queued", message: `It had waited ${settings.maxQueuedMs} ms for its turn.` };
    const onOverdue = (exchange: Exchange, unseen: boolean) => this.#refuse(exchange, overdue, unseen);
    this.#admission = new Admission(settings, onOverdue, listener);
  }

  /** Requests that wait for their turn. */
  get queued(): number {
    return this.#admission.queued;
  }

  /** Why new work is being refused, where that has gone on for long enough to be told to a load balancer. */
  get reason(): Reason | undefined {
    if (!this.enforces || this.#closed) return undefined;
    if (this.#pressure.isOutOfMemory) return "heap";
    return this.#episode !== null && this.#episode.weight >= SUSTAINED ? this.#episode.reason : undefined;
  }

  /** Starts to sample. No timer of it keeps the process alive. */
  start(): void {
    if (this.#timer !== null || this.#closed) return;
    this.gauges.start();
    this.#timer = whileKept(this, (kept) => contain(kept.listener, () => kept.sample()), SAMPLE_MS);
  }

  /** Stops to sample and lets everybody in who waits. */
  close(): void {
    this.#closed = true;
    if (this.#timer !== null) {
      clearInterval(this.#timer);
      this.gauges.stop();
    }
    this.#timer = null;
    this.#endEpisode();
    this.#admission.open();
  }

  /** A client has connected. */
  connected(): void {
    this.#connections++;
    this.#admission.connected(performance.now());
  }

  /**
   * A request is about to be handed to the app.
   * @param enter - hands it over, where it has to wait for its turn
   * @param unseen - nothing of the app has got hold of the response before
   * @returns true where it goes on at once; otherwise it waits, or has been answered
   */
  admits(exchange: Exchange, enter: () => void, unseen = false): boolean {
    if (exchange.admittedBy !== null || exchange.phase.isSettled || this.#closed) return true;
    this.start();
    const admission = this.#admission;
    const { startedAt } = exchange;
    const waitMs = admission.arrives(startedAt);
    let hasRoom = admission.hasRoom(startedAt);
    let refusal = this.#pressure.refusal(admission.busy, waitMs);
    if (admission.isShort && refusal?.reason === "event-loop-delay") {
      hasRoom = false; // it waits for its turn instead
      refusal = undefined;
    }
    if (admission.isShort) refusal ??= this.#late(exchange, waitMs);
    if (!hasRoom) refusal ??= this.#fullQueue();
    if (refusal !== undefined) {
      this.#refuse(exchange, refusal, unseen);
      if (this.enforces) return false;
    } else if (this.enforces && !hasRoom) {
      admission.enqueue(exchange, enter, unseen);
      return false;
    }
    admission.letIn(exchange, startedAt);
    return true;
  }

  /** Takes a look at the process. */
  sample(): void {
    this.#pressure.sample(this.gauges.read(), this.#connections);
    this.#connections = 0;
    this.#admission.narrow(this.#isShort(), this.#pressure.window);
    const episode = this.#episode;
    if (episode === null) return;
    if (episode.recent > 0) {
      const isQueue = episode.reason === "in-flight" || episode.reason === "queued";
      episode.weight += isQueue ? WEIGHT.queue : WEIGHT.machine;
      episode.recent = episode.calm = 0;
    } else if (++episode.calm >= CALM_SAMPLES && !this.#pressure.isOutOfMemory) this.#endEpisode();
  }

  /** Whether others have the processors, or have had them until those were let in who had to wait for it. */
  #isShort(): boolean {
    const { maxQueued, maxQueuedMs } = this.settings;
    if (maxQueued === 0) return false;
    const { isShort } = this.#admission;
    const { processorPart } = this.#pressure;
    if (!isShort) return processorPart < SHORT.enter;
    return processorPart < SHORT.leave || this.#admission.newcomers.unseenMs(performance.now()) > maxQueuedMs;
  }

  /**
   * Where the processor is short, a refusal takes from what an answer needs, and invites the next request: who comes at a
   * bad time waits for a turn. Only somebody who may have waited too long already, to be let in, is refused at once.
   */
  #late(exchange: Exchange, waitMs: number): Refusal | undefined {
    const { startedAt, isFirst } = exchange;
    if (!isFirst || this.settings.maxEventLoopDelayMs === false) return undefined;
    if (!this.#admission.newcomers.areSpare(startedAt)) return undefined;
    const unseenMs = this.#admission.newcomers.unseenMs(startedAt);
    if (unseenMs + waitMs <= this.settings.maxQueuedMs) return undefined;
    const message = `It may have waited up to ${Math.round(unseenMs)} ms to be let in.`;
    return { reason: "event-loop-delay", message };
  }

  #fullQueue(): Refusal | undefined {
    const { inFlight, queued, isFull } = this.#admission;
    if (!isFull) return undefined;
    return { reason: "in-flight", message: `${inFlight} requests were under way and ${queued} waiting.` };
  }

  #refuse(exchange: Exchange, { reason, message }: Refusal, unseen: boolean): void {
    const { request } = exchange;
    const isFirst = this.#note(reason);
    // Thousands of lines a second would be a load of their own: the first one says why, the last one how many.
    const failure = overloaded(message, this.settings.retryAfterS, null, { unlogged: !isFirst, unseen });
    const hasContent = request !== null && awaitsContent(request);
    // Content that came in the same packet is parsed by then, and the connection can stay.
    if (hasContent && this.enforces) setImmediate(contained(this.listener, () => void exchange.fail(failure)));
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
    this.listener.warn({ code: "OVERLOAD", ms, refused: Object.fromEntries(episode.refused) }, MESSAGES.overloadOver);
  }
}
