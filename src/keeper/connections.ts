import type { Socket } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { machineMs } from "../clock.js";
import { contained } from "../containment.js";
import type { Parting } from "../kept/messages.js";
import { fateOf } from "./fate.js";
import { HeldConnection } from "./held-connection.js";
import { describeLost, describeLostOnTheWay, describeUnserved, keeperLog, keeperWitness } from "./keeper-log.js";
import type { Left } from "./ledger.js";
import { answerTo, Refusal } from "./refusal.js";
import type { WorkerProcess } from "./worker-process.js";

/** Time for the last requests to arrive and to be answered, in milliseconds. */
const LAST_MS = 500;

/** The connections of a program: each is with a worker, or waits for one. */
export class Connections {
  readonly #waiting: HeldConnection[] = [];
  /** Those that get 503 for the request they send, or have sent. */
  readonly #refused = new Set<HeldConnection>();
  /** Sockets of those that no descriptor was left for in a worker. */
  readonly #lost = new WeakSet<object>();
  readonly #workerFor: (key: string) => WorkerProcess | undefined;
  readonly #waitMs: number;
  readonly #refusal: Refusal;

  /**
   * @param workerFor - which worker takes a connection that was made to `key`, where there is one
   * @param waitMs - how long a connection waits for it
   */
  constructor(workerFor: (key: string) => WorkerProcess | undefined, waitMs: number) {
    this.#workerFor = workerFor;
    this.#waitMs = waitMs;
    this.#refusal = new Refusal((request, socket) => {
      if (this.#lost.has(socket)) keeperLog.incident(describeLostOnTheWay(request));
      else keeperLog.incident(describeUnserved(request, this.isEnding ? null : waitMs));
    });
  }

  /** There will be no further worker: whoever finds none is told at once. */
  isEnding = false;

  /** Number of those that have no worker. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** A client has connected. @param key - where to */
  accept(socket: Socket, key: string): void {
    this.#serve(new HeldConnection(socket, key));
  }

  #serve(connection: HeldConnection): void {
    const worker = this.#workerFor(connection.key);
    if (worker !== undefined) worker.give(connection);
    else if (this.isEnding) this.#refuse(connection);
    else this.#waiting.push(connection);
  }

  /** It was with a worker until now. */
  #serveAnew(connection: HeldConnection): void {
    connection.waitingSince = machineMs();
    this.#serve(connection);
  }

  #refuse(connection: HeldConnection): void {
    this.#refused.add(connection);
    const forget = contained(keeperWitness, () => void this.#refused.delete(connection));
    connection.socket.on("close", forget);
    this.#refusal.take(connection);
  }

  /** A worker has come to listen. */
  serveWaiting(): void {
    for (const connection of this.#waiting.splice(0)) this.#serve(connection);
  }

  /** Nobody listens there any more. */
  refuse(key: string): void {
    for (const connection of this.#waiting.splice(0)) {
      if (connection.key === key) this.#refuse(connection);
      else this.#waiting.push(connection);
    }
  }

  /** Answers those that have waited for too long. */
  refuseLate(): void {
    const since = machineMs() - this.#waitMs;
    while (this.#waiting[0] !== undefined && this.#waiting[0].waitingSince <= since)
      this.#refuse(this.#waiting.shift() as HeldConnection);
  }

  /** Tells those who have come too late for the last worker. */
  async close(): Promise<void> {
    this.isEnding = true;
    for (const connection of this.#waiting.splice(0)) this.#refuse(connection);
    if (this.#refused.size > 0) await wait(LAST_MS);
    for (const connection of this.#refused) connection.close();
  }

  /** A worker has done with a connection: one that is `released` goes on with another. */
  closedBy(worker: WorkerProcess, id: number, how: Parting): void {
    const connection = worker.held.get(id);
    if (connection === undefined) return;
    worker.held.delete(id);
    if (how === "released") this.#serveAnew(connection);
    else if (how === "lost") {
      this.#lost.add(connection.socket);
      this.#refuse(connection);
    } else connection.close(how === "reset");
  }

  /**
   * Nobody else can: its process is gone.
   * @param how - it has ended, in words
   * @param left - what it has written down
   */
  answerFor(worker: WorkerProcess, how: string, { slots, isPartial }: Left): void {
    // Those it was given last, and may not have come to, have waited the longest when there are many deaths.
    for (const connection of [...worker.held.values()].reverse()) {
      const fate = fateOf(slots.get(connection.id) ?? [], isPartial);
      if (fate.becomes === "handed on") {
        this.#serveAnew(connection);
        continue;
      }
      if (fate.becomes === "answered") connection.answer(answerTo(fate.slot.request, fate.slot.kind));
      else if (fate.with === "RST") connection.close(true);
      else connection.end();
      if (fate.becomes === "answered" || (fate.becomes === "cut" && isKnown(fate.slot.request)))
        keeperLog.incident(describeLost(worker.pid, how, fate.slot.request, fate.becomes));
    }
    worker.held.clear();
  }
}

/** Not one of TLS or HTTP/2, of which only the connection is noted. */
function isKnown(request: "torn" | { readonly method: string }): boolean {
  return request !== "torn" && request.method !== "";
}
