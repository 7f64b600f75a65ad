import { contained } from "../containment.js";
import type { Cause } from "../kept/leaving.js";
import type { FromKeeper } from "../kept/messages.js";
import { MESSAGES } from "../report/log.js";
import { SAME_SIGNAL_MS } from "../shutdown/same-signal.js";
import { BackOff } from "./back-off.js";
import { keeperLog, keeperWitness } from "./keeper-log.js";
import type { WorkerProcess } from "./worker-process.js";

/** A worker that takes longer than this to end, having been asked to, is killed; its own grace is shorter. */
const RETIRING_MS = 120_000;

/** A worker that still does not listen wherever its predecessor does listens elsewhere, in milliseconds. */
const COVERS_MS = 10_000;

/**
 * Time for a process to say that it ends already, in milliseconds. A signal to the whole group, of a terminal or of systemd,
 * has reached it as well, and the app is to hear of it once.
 */
const HEARD_MS = 50;

/** Time for a process that has never listened to end by itself, in milliseconds. */
const TIDIES_UP_MS = 2_000;

/** The processes of a program: how many there are to be, who takes whose place, and who is asked to end. */
export class Workers {
  readonly #all = new Set<WorkerProcess>();
  /** Workers that retire as soon as a younger one listens, and since when, in milliseconds. */
  readonly #replacing = new Map<WorkerProcess, number>();
  readonly #backOff = new BackOff();
  /** Workers that are started after a pause. */
  #coming = 0;
  #endingSince = Number.NEGATIVE_INFINITY;

  /**
   * @param wanted - number of workers
   * @param over - told where a worker that was to be started after a pause is not, and none is left
   */
  constructor(
    private readonly wanted: number,
    private readonly spawn: () => WorkerProcess,
    private readonly over: () => void,
  ) {}

  [Symbol.iterator](): Iterator<WorkerProcess> {
    return this.#all.values();
  }

  /** None is to be started any more. */
  get isEnding(): boolean {
    return this.#endingSince > 0;
  }

  get size(): number {
    return this.#all.size;
  }

  /** The one with the fewest connections of those that listen there. */
  for(key: string): WorkerProcess | undefined {
    let found: WorkerProcess | undefined;
    for (const worker of this.#all)
      if (this.#canServe(worker) && worker.keys.has(key) && (found === undefined || worker.held.size < found.held.size))
        found = worker;
    return found;
  }

  /** At the end of the program those that finish are all there are. */
  #canServe({ isReady, isRetiring, isReleasing }: WorkerProcess): boolean {
    return isReady || (isRetiring && !isReleasing && this.isEnding);
  }

  start(): void {
    const worker = this.spawn();
    this.#all.add(worker);
    if (worker.pid !== 0) keeperLog.event({ pid: worker.pid }, MESSAGES.workerStarted);
  }

  /** Number of workers that are not to be replaced. */
  get #lasting(): number {
    return [...this.#all].filter((worker) => !worker.isRetiring && !this.#replacing.has(worker)).length;
  }

  /** A worker has come to listen: it is to take the place of one that is to be replaced, or there may be more of them. */
  ready(worker: WorkerProcess): void {
    if (this.#replacing.size === 0 && this.#lasting < this.wanted && !this.isEnding) this.start();
    const late = contained(keeperWitness, () => this.#succeed(worker, () => true));
    setTimeout(late, COVERS_MS).unref();
    this.listens(worker);
  }

  /** A worker listens at one more place: it succeeds another once it listens wherever that does. */
  listens(worker: WorkerProcess): void {
    this.#succeed(worker, (old) => [...old.keys].every((key) => worker.keys.has(key)));
  }

  #succeed(worker: WorkerProcess, covers: (old: WorkerProcess) => boolean): void {
    if (worker.hasSucceeded || !this.#all.has(worker)) return;
    for (const [old, since] of this.#replacing) {
      if (worker.startedAt < since || !covers(old)) continue;
      worker.hasSucceeded = true;
      return this.#retire(old);
    }
  }

  /** Starts another worker; the one it is for retires when that is ready. @returns whether it was to stay until now */
  replace(worker: WorkerProcess): boolean {
    if (this.isEnding || !worker.isReady || this.#replacing.has(worker)) return false;
    this.#replacing.set(worker, performance.now());
    this.start();
    return true;
  }

  #retire(worker: WorkerProcess): void {
    this.#replacing.delete(worker);
    worker.isRetiring = worker.isReleasing = true;
    worker.tell({ rayguard: "retire" } satisfies FromKeeper);
    keeperLog.event({ pid: worker.pid }, MESSAGES.workerRetires);
    const kill = contained(keeperWitness, () => {
      if (this.#all.has(worker)) this.kill(worker, `it did not end within ${RETIRING_MS} ms`);
    });
    setTimeout(kill, RETIRING_MS).unref();
  }

  /** A worker ends. One that must is replaced before it is gone, since it may go on for as long as its requests do. */
  leaves(worker: WorkerProcess, cause: Cause): void {
    worker.isLeaving = true;
    if (worker.isRetiring) return;
    worker.isRetiring = true;
    worker.isReleasing = cause === "exception";
    if (cause === "app") return;
    if (cause === "exception") return this.startInPlaceOf(worker);
    // It has had a signal, which may be on its way to the keeper, too.
    const replace = contained(keeperWitness, () => {
      if (!this.isEnding && this.#all.has(worker)) this.startInPlaceOf(worker);
    });
    setTimeout(replace, SAME_SIGNAL_MS);
  }

  /** Its process is gone. */
  ended(worker: WorkerProcess): void {
    this.#all.delete(worker);
    this.#replacing.delete(worker);
  }

  /** Starts a worker where one is missing; later and later while they do not stay. */
  startInPlaceOf(worker: WorkerProcess): void {
    if (this.#lasting + this.#coming >= this.wanted) return;
    const pauseMs = this.#backOff.next(worker.readyAt === undefined ? undefined : performance.now() - worker.readyAt);
    if (pauseMs > 0) keeperLog.event({ pauseMs }, MESSAGES.workerPause);
    this.#coming++;
    const start = contained(keeperWitness, () => {
      this.#coming--;
      if (!this.isEnding) this.start();
      else if (this.#all.size === 0) this.over();
    });
    setTimeout(start, pauseMs);
  }

  /** Has every worker end; asked again, at once. */
  end(signal: NodeJS.Signals): void {
    const now = performance.now();
    if (this.isEnding && now - this.#endingSince < SAME_SIGNAL_MS) return;
    const isFirst = !this.isEnding;
    this.#endingSince = now;
    const pass = contained(keeperWitness, () => {
      for (const worker of this.#all) if (!isFirst || !worker.isLeaving) worker.kill(signal);
    });
    if (isFirst) setTimeout(pass, HEARD_MS);
    else pass();
  }

  kill(worker: WorkerProcess, why: string): void {
    if (worker.killedFor !== undefined) return;
    worker.killedFor = why;
    const kill = contained(keeperWitness, () => worker.kill("SIGKILL"));
    if (worker.readyAt !== undefined) return kill();
    // Nobody waits for this one, and it may have started processes of its own.
    worker.kill("SIGTERM");
    setTimeout(kill, TIDIES_UP_MS).unref();
  }
}
