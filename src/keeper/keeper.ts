import type { Server } from "node:net";
import { containPromise } from "../containment.js";
import type { FromKeeper, ToKeeper } from "../kept/messages.js";
import { addressText } from "../report/address-text.js";
import { MESSAGES } from "../report/log.js";
import { Connections } from "./connections.js";
import { keeperLog, keeperWitness } from "./keeper-log.js";
import { LedgerDirectory } from "./ledger.js";
import { ListeningSockets } from "./listening-sockets.js";
import { type KeeperOptions, LEDGER_SLOTS } from "./options.js";
import { oversee } from "./oversight.js";
import { type End, endInWords, WorkerProcess } from "./worker-process.js";
import { Workers } from "./workers.js";

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
  readonly #workers: Workers;
  readonly #connections: Connections;
  readonly #finish: (end: KeeperEnd) => void;
  readonly #stopOverseeing: () => void;
  readonly ended: Promise<KeeperEnd>;
  /** Told when a worker has come or gone. */
  changed = () => {};
  /** Something of the program has listened once. */
  hasListened = false;
  /** The program listens with sockets of its own. */
  #isOnItsOwn = false;

  /**
   * @param register - URL of `rayguard/register`
   * @throws {RayguardError} `ERR_RAYGUARD_LEDGER`
   */
  constructor(options: KeeperOptions, register: string) {
    this.#options = options;
    this.#register = register;
    this.#ledgers = new LedgerDirectory(options.ledger, options.workers);
    const over = () => void this.#close({ code: 0, signal: null });
    this.#workers = new Workers(options.workers, () => this.#spawn(), over);
    this.#connections = new Connections((key) => this.#workers.for(key), options.waitMs);
    this.#sockets = new ListeningSockets((socket, key) => this.#connections.accept(socket, key));
    let finish = (_: KeeperEnd) => {};
    this.ended = new Promise((resolve) => {
      finish = resolve;
    });
    this.#finish = finish;
    this.#stopOverseeing = oversee(options, {
      workers: this.#workers,
      stuck: (worker, why) => this.#workers.kill(worker, why),
      tooLarge: (worker) => {
        const { pid, rss } = worker;
        if (this.#workers.replace(worker))
          keeperLog.warn({ pid, rss, maxMemory: options.maxMemory }, MESSAGES.workerMemory);
      },
      waited: () => this.#connections.refuseLate(),
    });
    this.#workers.start();
  }

  get workers(): readonly WorkerProcess[] {
    return [...this.#workers];
  }

  /** Where the program listens. */
  get addresses(): readonly string[] {
    return this.#sockets.all.map(({ address }) => addressText(address) ?? "");
  }

  /** Number of connections that are open. */
  get connections(): number {
    return this.workers.reduce((sum, { held }) => sum + held.size, this.#connections.waiting);
  }

  /** Has every worker end, and ends behind the last. */
  end(signal: NodeJS.Signals): void {
    this.#workers.end(signal);
    this.#connections.isEnding = true;
    // A worker that has had the signal as well may have closed them.
    for (const { key } of this.#sockets.all)
      if (!this.workers.some(({ keys }) => keys.has(key))) containPromise(keeperWitness, this.#stopListening(key));
    this.#connections.serveWaiting();
    if (this.#workers.size === 0) void this.#close({ code: 0, signal: null });
  }

  /** Replaces every worker by a fresh one, one after the other. */
  replaceAll(): void {
    for (const worker of this.workers) this.#workers.replace(worker);
  }

  /** The keeper has no parent any more. */
  parentLeft(): void {
    for (const worker of this.#workers) worker.tell({ rayguard: "parent left" } satisfies FromKeeper);
  }

  /** A message of the keeper's own parent, for the app. */
  passDown(message: unknown): void {
    for (const worker of this.#workers) worker.tell(message);
  }

  #spawn(): WorkerProcess {
    const { program, args, blockedMs } = this.#options;
    this.#ledgers.renew();
    const kept = {
      keeper: process.pid,
      ledger: this.#ledgers.path,
      slots: LEDGER_SLOTS,
      hasParent: process.connected === true,
      blockedMs,
      listeners: this.#sockets.all,
    };
    return new WorkerProcess(program, args, this.#register, kept, {
      said: (from, message, server) => this.#said(from, message, server),
      passedUp: (message) => {
        // Where nobody is told of it, a parent that is gone is an error of this process.
        if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
      },
      ended: (from, end) => this.#ended(from, end),
    });
  }

  // -- what workers say ----------------------------------------------------------------------------------------------

  #said(worker: WorkerProcess, message: ToKeeper, server: Server | undefined): void {
    switch (message.rayguard) {
      case "listens":
        void this.#listens(worker, message.key, message.address, server);
        break;
      case "listen":
        void this.#listen(worker, message.key, { ...message.options, path: message.path }, message.umask);
        break;
      case "close":
        containPromise(keeperWitness, this.#closes(worker, message.key, message.takesLast));
        break;
      case "connection closed":
        this.#connections.closedBy(worker, message.id, message.how);
        break;
      case "leaving":
        this.#workers.leaves(worker, message.cause);
        break;
      case "on its own":
        this.#isOnItsOwn = true;
        this.#ready(worker);
        break;
      case "parted":
        if (process.connected) process.disconnect?.();
        break;
      case "pong":
        worker.seenAt = performance.now();
        worker.rss = message.rss;
        this.#ledgers.hold(worker.pid);
        break;
    }
  }

  async #listens(worker: WorkerProcess, key: string, address: string | object, server?: Server): Promise<void> {
    if (server !== undefined) this.#sockets.adopt(key, address as string, server);
    else if (!this.#sockets.has(key)) {
      const { address: host, port } = address as { address: string; port: number };
      return this.#listen(worker, key, typeof address === "string" ? { path: address } : { host, port });
    }
    this.#hasListener(worker, key, address as string);
  }

  async #listen(worker: WorkerProcess, key: string, where: object, umask?: number): Promise<void> {
    const address = await this.#sockets.listen(key, where, umask);
    if (typeof address === "object" && "error" in address)
      worker.tell({ rayguard: "listen failed", key, error: address.error } satisfies FromKeeper);
    else this.#hasListener(worker, key, address as string);
  }

  #hasListener(worker: WorkerProcess, key: string, address: string): void {
    worker.keys.add(key);
    if (worker.readyAt !== undefined) this.#workers.listens(worker);
    worker.tell({ rayguard: "listening", key, address } satisfies FromKeeper);
    this.#ready(worker);
    this.#connections.serveWaiting();
  }

  #ready(worker: WorkerProcess): void {
    if (worker.readyAt !== undefined) return;
    worker.readyAt = worker.seenAt = performance.now();
    this.hasListened = true;
    this.changed();
    keeperLog.event({ pid: worker.pid, address: this.addresses.join(", ") || undefined }, MESSAGES.workerReady);
    this.#workers.ready(worker);
  }

  /** A worker no longer listens: the port is free when none does. */
  async #closes(worker: WorkerProcess, key: string, takesLast: boolean): Promise<void> {
    if (!takesLast) worker.keys.delete(key);
    const isOthers = this.workers.some(
      (one) => (one !== worker && one.keys.has(key)) || (!one.isReady && one.readyAt === undefined),
    );
    if (!isOthers && (this.#workers.isEnding || !worker.isRetiring)) await this.#stopListening(key);
    worker.keys.delete(key);
    worker.tell({ rayguard: "closed", key } satisfies FromKeeper);
  }

  async #stopListening(key: string): Promise<void> {
    await this.#sockets.close(key);
    this.#connections.refuse(key);
  }

  // -- the end of one, and of all ------------------------------------------------------------------------------------

  #ended(worker: WorkerProcess, end: End): void {
    const { pid, killedFor, isRetiring: wasReplaced } = worker;
    const { isEnding } = this.#workers;
    this.#workers.ended(worker);
    this.changed();
    const how = endInWords(end, killedFor);
    this.#connections.answerFor(worker, how, this.#ledgers.take(pid));
    if (isEnding || wasReplaced || end.code === 0) keeperLog.event({ pid, how }, MESSAGES.workerEnded);
    else keeperLog.warn({ pid, how }, MESSAGES.workerEnded);
    const isDone = end.code === 0 && worker.readyAt !== undefined && worker.keys.size === 0 && !this.#isOnItsOwn;
    if (!isEnding && this.hasListened && !isDone) this.#workers.startInPlaceOf(worker);
    else if (this.#workers.size === 0) void this.#close({ ...end, killedFor });
  }

  async #close(end: KeeperEnd): Promise<void> {
    this.#stopOverseeing();
    await this.#sockets.closeAll();
    await this.#connections.close();
    this.#ledgers.remove();
    this.#finish(end);
  }
}
