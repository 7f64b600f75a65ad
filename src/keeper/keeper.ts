import type { Server, Socket } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { contained } from "../containment.js";
import type { FromKeeper, ToKeeper } from "../kept/messages.js";
import { MESSAGES } from "../log.js";
import { BackOff } from "./back-off.js";
import { fateOf } from "./fate.js";
import { HeldConnection } from "./held-connection.js";
import { describeLost, describeUnserved, endInWords, keeperLog, keeperWitness } from "./keeper-log.js";
import { LedgerDirectory } from "./ledger.js";
import { ListeningSockets } from "./listening-sockets.js";
import { type KeeperOptions, LEDGER_SLOTS } from "./options.js";
import { answerTo, Refusal } from "./refusal.js";
import { type End, WorkerProcess } from "./worker-process.js";

/** Time between two looks at workers and at those who wait, in milliseconds. */
const LOOK_MS = 100;

/** Time for the last requests to arrive and to be answered, in milliseconds. */
const LAST_MS = 500;

/** Time between two questions whether a worker's event loop turns, in milliseconds. */
const PING_MS = 250;

/** A worker that takes longer than this to end, having been asked to, is killed; its own grace is shorter. */
const RETIRING_MS = 120_000;

/** How the last process of a program has ended. */
export interface KeeperEnd extends End {
  readonly killedFor?: string | undefined;
}

/**
 * Owns the sockets of a program and none of its code: what its processes cannot answer for any more is answered here.
 */
export class Keeper {
  readonly #options: KeeperOptions;
  readonly #register: string;
  readonly #ledgers: LedgerDirectory;
  readonly #sockets: ListeningSockets;
  readonly #workers = new Set<WorkerProcess>();
  /** Connections that have no worker. */
  readonly #waiting: HeldConnection[] = [];
  /** Workers that retire as soon as another one listens. */
  readonly #replacing = new Set<WorkerProcess>();
  readonly #refusal: Refusal;
  readonly #backOff = new BackOff();
  readonly #finish: (end: KeeperEnd) => void;
  readonly #look: NodeJS.Timeout;
  readonly ended: Promise<KeeperEnd>;
  /** Told when a worker has come or gone. */
  changed = () => {};
  #isEnding = false;
  /** Something of the program has listened once. */
  hasListened = false;
  /** The program listens with sockets of its own. */
  #isOnItsOwn = false;
  #lookedAt = performance.now();
  #askedAt = 0;
  /** Workers that are started after a pause. */
  #coming = 0;

  /**
   * @param register - URL of `rayguard/register`
   * @throws {RayguardError} `ERR_RAYGUARD_LEDGER`
   */
  constructor(options: KeeperOptions, register: string) {
    this.#options = options;
    this.#register = register;
    this.#ledgers = new LedgerDirectory(options.ledger);
    this.#sockets = new ListeningSockets((socket, key) => this.#connected(socket, key));
    this.#refusal = new Refusal((request) => keeperLog.incident(describeUnserved(request, options.waitMs)));
    let finish = (_: KeeperEnd) => {};
    this.ended = new Promise((resolve) => {
      finish = resolve;
    });
    this.#finish = finish;
    this.#look = setInterval(
      contained(keeperWitness, () => this.#lookAtAll()),
      LOOK_MS,
    );
    this.#start();
  }

  get workers(): readonly WorkerProcess[] {
    return [...this.#workers];
  }

  /** Where the program listens. */
  get addresses(): readonly string[] {
    return this.#sockets.all.map(addressOf);
  }

  /** Number of connections that are open. */
  get connections(): number {
    return this.#waiting.length + this.workers.reduce((sum, { held }) => sum + held.size, 0);
  }

  /** Has every worker end, and ends behind the last. */
  end(signal: NodeJS.Signals): void {
    this.#isEnding = true;
    for (const worker of this.#workers) worker.kill(signal);
    if (this.#workers.size === 0) void this.#close({ code: 0, signal: null });
  }

  /** Replaces every worker by a fresh one, one after the other. */
  replaceAll(): void {
    if (this.#isEnding) return;
    for (const worker of this.#workers) if (worker.isReady) this.#replace(worker);
  }

  /** A message of the keeper's own parent, for the app. */
  passDown(message: unknown): void {
    for (const worker of this.#workers) worker.tell(message);
  }

  // -- workers -------------------------------------------------------------------------------------------------------

  #start(): void {
    const { program, args } = this.#options;
    const kept = {
      keeper: process.pid,
      ledger: this.#ledgers.path,
      slots: LEDGER_SLOTS,
      hasParent: process.send !== undefined,
      listeners: this.#sockets.all,
    };
    const worker = new WorkerProcess(program, args, this.#register, kept, {
      said: (from, message, server) => this.#said(from, message, server),
      passedUp: (message) => process.send?.(message),
      ended: (from, end) => this.#ended(from, end),
    });
    this.#workers.add(worker);
    keeperLog.event({ pid: worker.pid }, MESSAGES.workerStarted);
  }

  /** Number of workers that are not to be replaced. */
  get #lasting(): number {
    return this.workers.filter((worker) => !worker.isRetiring && !this.#replacing.has(worker)).length;
  }

  /** Starts another worker; the one it is for retires when that is ready. */
  #replace(worker: WorkerProcess): void {
    if (this.#replacing.has(worker)) return;
    this.#replacing.add(worker);
    this.#start();
  }

  #retire(worker: WorkerProcess): void {
    this.#replacing.delete(worker);
    worker.isRetiring = true;
    worker.tell({ rayguard: "retire" } satisfies FromKeeper);
    keeperLog.event({ pid: worker.pid }, MESSAGES.workerRetires);
    const kill = contained(keeperWitness, () => {
      if (this.#workers.has(worker)) this.#kill(worker, `it did not end within ${RETIRING_MS} ms`);
    });
    setTimeout(kill, RETIRING_MS).unref();
  }

  /** A worker ends by itself. What crashes is replaced at once, since it may go on for as long as its requests do. */
  #leaves(worker: WorkerProcess, crashes: boolean): void {
    if (worker.isRetiring) return;
    worker.isRetiring = true;
    if (crashes) this.#startInPlaceOf(worker);
  }

  #said(worker: WorkerProcess, message: ToKeeper, server: Server | undefined): void {
    switch (message.rayguard) {
      case "listens":
        void this.#listens(worker, message.key, message.address, server);
        break;
      case "listen":
        void this.#listen(worker, message.key, {
          ...message.options,
          path: message.path,
        });
        break;
      case "close":
        this.#closes(worker, message.key);
        break;
      case "connection closed":
        this.#connectionClosed(worker, message.id, message.how);
        break;
      case "leaving":
        this.#leaves(worker, message.crashes);
        break;
      case "on its own":
        this.#isOnItsOwn = true;
        this.#ready(worker);
        break;
      case "pong":
        worker.seenAt = performance.now();
        worker.rss = message.rss;
        break;
    }
  }

  async #listens(worker: WorkerProcess, key: string, address: string | object, server?: Server): Promise<void> {
    if (server !== undefined) this.#sockets.adopt(key, address as string, server);
    else if (!this.#sockets.has(key)) {
      const { address: host, port } = address as {
        address: string;
        port: number;
      };
      return this.#listen(worker, key, typeof address === "string" ? { path: address } : { host, port });
    }
    this.#hasListener(worker, key, address as string);
  }

  async #listen(worker: WorkerProcess, key: string, where: object): Promise<void> {
    const address = await this.#sockets.listen(key, where);
    if (typeof address === "object" && "error" in address)
      worker.tell({
        rayguard: "listen failed",
        key,
        error: address.error,
      } satisfies FromKeeper);
    else this.#hasListener(worker, key, address as string);
  }

  #hasListener(worker: WorkerProcess, key: string, address: string): void {
    worker.keys.add(key);
    worker.tell({ rayguard: "listening", key, address } satisfies FromKeeper);
    this.#ready(worker);
    this.#serveWaiting();
  }

  #ready(worker: WorkerProcess): void {
    if (worker.readyAt !== undefined) return;
    worker.readyAt = worker.seenAt = performance.now();
    this.hasListened = true;
    this.changed();
    keeperLog.event({ pid: worker.pid, address: this.addresses.join(", ") }, MESSAGES.workerReady);
    const [old] = this.#replacing;
    if (old !== undefined) this.#retire(old);
    else if (this.#lasting < this.#options.workers && !this.#isEnding) this.#start();
  }

  /** A worker no longer listens: the port is free when none does. */
  #closes(worker: WorkerProcess, key: string): void {
    worker.keys.delete(key);
    const isOthers = this.workers.some(
      ({ keys, isReady, readyAt }) => keys.has(key) || (!isReady && readyAt === undefined),
    );
    if (!isOthers && (this.#isEnding || !worker.isRetiring)) {
      this.#sockets.close(key);
      for (const connection of this.#waiting.splice(0)) {
        if (connection.key === key) this.#refusal.take(connection);
        else this.#waiting.push(connection);
      }
    }
    worker.tell({ rayguard: "closed", key } satisfies FromKeeper);
  }

  #ended(worker: WorkerProcess, end: End): void {
    this.#workers.delete(worker);
    this.changed();
    const wasReplaced = worker.isRetiring;
    this.#replacing.delete(worker);
    const how = endInWords(end, worker.killedFor);
    this.#answerFor(worker, how);
    const isDone = end.code === 0 && worker.readyAt !== undefined && worker.keys.size === 0 && !this.#isOnItsOwn;
    const record = { pid: worker.pid, how };
    if (this.#isEnding || wasReplaced || end.code === 0) keeperLog.event(record, MESSAGES.workerEnded);
    else keeperLog.warn(record, MESSAGES.workerEnded);
    if (this.#isEnding || !this.hasListened || isDone) {
      if (this.#workers.size === 0) void this.#close({ ...end, killedFor: worker.killedFor });
    } else this.#startInPlaceOf(worker);
  }

  /** Starts a worker where one is missing; later and later while they do not stay. */
  #startInPlaceOf(worker: WorkerProcess): void {
    if (this.#lasting + this.#coming >= this.#options.workers) return;
    const pauseMs = this.#backOff.next(worker.readyAt === undefined ? undefined : performance.now() - worker.readyAt);
    if (pauseMs > 0) keeperLog.event({ pauseMs }, MESSAGES.workerPause);
    this.#coming++;
    const start = contained(keeperWitness, () => {
      this.#coming--;
      if (!this.#isEnding) this.#start();
      else if (this.#workers.size === 0) void this.#close({ code: 0, signal: null });
    });
    setTimeout(start, pauseMs);
  }

  async #close(end: KeeperEnd): Promise<void> {
    clearInterval(this.#look);
    this.#sockets.closeAll();
    // Whoever has come too late for the last worker is told.
    const left = this.#waiting.splice(0);
    for (const connection of left) this.#refusal.take(connection);
    if (left.length > 0) await wait(LAST_MS);
    for (const connection of left) connection.close();
    this.#ledgers.remove();
    this.#finish(end);
  }

  // -- connections ---------------------------------------------------------------------------------------------------

  #connected(socket: Socket, key: string): void {
    this.#serve(new HeldConnection(socket, key));
  }

  #serve(connection: HeldConnection): void {
    const worker = this.#workerFor(connection.key);
    if (worker === undefined) {
      connection.waitingSince = performance.now();
      this.#waiting.push(connection);
    } else worker.give(connection);
  }

  #serveWaiting(): void {
    for (const connection of this.#waiting.splice(0)) this.#serve(connection);
  }

  /** The worker with the fewest connections of those that listen there. */
  #workerFor(key: string): WorkerProcess | undefined {
    let found: WorkerProcess | undefined;
    for (const worker of this.#workers)
      if (this.#canServe(worker) && worker.keys.has(key) && (found === undefined || worker.held.size < found.held.size))
        found = worker;
    return found;
  }

  /** At the end of the program those that finish are all there are. */
  #canServe({ isReady, isRetiring }: WorkerProcess): boolean {
    return isReady || (isRetiring && this.#isEnding);
  }

  #connectionClosed(worker: WorkerProcess, id: number, how: "closed" | "reset" | "released"): void {
    const connection = worker.held.get(id);
    if (connection === undefined) return;
    worker.held.delete(id);
    if (how === "released") this.#serve(connection);
    else connection.close(how === "reset");
  }

  /** Nobody else can: its process is gone. */
  #answerFor(worker: WorkerProcess, how: string): void {
    const { slots, isPartial } = this.#ledgers.take(worker.pid);
    // Those it was given last, and may not have come to, have waited the longest when there are many deaths.
    for (const connection of [...worker.held.values()].reverse()) {
      const fate = fateOf(slots.get(connection.id) ?? [], isPartial);
      switch (fate.becomes) {
        case "handed on":
          this.#serve(connection);
          break;
        case "answered":
          connection.answer(answerTo(fate.slot.request, fate.slot.kind));
          keeperLog.incident(describeLost(worker.pid, how, fate.slot.request, fate));
          break;
        case "cut":
          if (fate.with === "RST") connection.close(true);
          else connection.end();
          if (fate.slot.request !== "torn" && fate.slot.request.method !== "")
            keeperLog.incident(describeLost(worker.pid, how, fate.slot.request, fate));
          break;
        case "ended":
          if (fate.with === "RST") connection.close(true);
          else connection.end();
          break;
      }
    }
    worker.held.clear();
  }

  // -- what only time tells --------------------------------------------------------------------------------------------

  #lookAtAll(): void {
    const now = performance.now();
    const { blockedMs, waitMs, readyMs, maxMemory } = this.#options;
    // Where the keeper itself had no time, nobody else is late.
    const isLate = now - this.#lookedAt > 5 * LOOK_MS;
    this.#lookedAt = now;
    const asks = now - this.#askedAt >= PING_MS;
    if (asks) this.#askedAt = now;
    while (this.#waiting[0] !== undefined && now - this.#waiting[0].waitingSince >= waitMs)
      this.#refusal.take(this.#waiting.shift() as HeldConnection);
    for (const worker of this.#workers) {
      if (isLate) worker.seenAt = now;
      if (worker.readyAt === undefined) {
        if (now - worker.startedAt >= readyMs) this.#kill(worker, `it did not listen within ${readyMs} ms`);
        continue;
      }
      if (asks) worker.tell({ rayguard: "ping" } satisfies FromKeeper);
      if (blockedMs > 0 && now - worker.seenAt >= blockedMs)
        this.#kill(worker, `its event loop was blocked for ${blockedMs} ms`);
      else if (maxMemory > 0 && worker.rss > maxMemory && worker.isReady && !this.#isEnding) {
        keeperLog.warn({ pid: worker.pid, rss: worker.rss, maxMemory }, MESSAGES.workerMemory);
        this.#replace(worker);
      }
    }
  }

  #kill(worker: WorkerProcess, why: string): void {
    if (worker.killedFor !== undefined) return;
    worker.killedFor = why;
    worker.kill("SIGKILL");
  }
}

function addressOf({ address }: { address: string | { address: string; port: number; family: string } }): string {
  if (typeof address === "string") return address;
  return address.family === "IPv6" ? `[${address.address}]:${address.port}` : `${address.address}:${address.port}`;
}
