import cluster from "node:cluster";
import { setTimeout as wait } from "node:timers/promises";
import { isMainThread } from "node:worker_threads";
import { machineMs, performance, setInterval } from "../clock.js";
import { contain, contained, containPromise } from "../containment.js";
import type { GuardCore } from "../guard-core.js";
import { idleSocketsOf, socketsOf } from "../http1/connection/connection-lists.js";
import { isDestroyed } from "../http1/connection/gone-socket.js";
import { connectionOf } from "../http1/methods/connection-of.js";
import { handedOver } from "../overload/newcomers.js";
import type { Recorder } from "../recorder/recorder.js";
import { guardsOf, isHttp1Server } from "../server/recognise.js";
import { noticeBlock } from "./block-notice.js";
import { Channel } from "./channel.js";
import type { KeptConnection } from "./kept-connection.js";
import { exits, keep, keptOf, noteArrivals, ownerOf } from "./kept-handle.js";
import { keptLedger } from "./kept-ledger.js";
import { whenLeaving } from "./leaving.js";
import { Listening } from "./listening.js";
import { type FromKeeper, KEPT_VARIABLE, type KeptEnvironment } from "./messages.js";
import { onThreadServer, tellOfServers } from "./thread-servers.js";

/** Time between two looks for connections that have become idle, in milliseconds. */
const LOOK_MS = 20;

/** Time for requests to finish before the app is told that its process ends, in milliseconds. */
const FINISH_MS = 10_000;

/** Puts this process under its keeper, where it has one. */
export function beKept(environment: NodeJS.ProcessEnv): void {
  if (!isMainThread) return tellOfServers();
  const text = environment[KEPT_VARIABLE];
  if (text === undefined) return;
  delete environment[KEPT_VARIABLE]; // it is not for processes of the app's
  const told = JSON.parse(text) as KeptEnvironment;
  if (process.send === undefined) return;
  if (told.keeper !== process.ppid) {
    // As a process on its own it would take the address that the next keeper is to listen at.
    if (isGone(told.keeper)) leave();
    return;
  }
  if (environment.LISTEN_PID === String(told.keeper)) environment.LISTEN_PID = String(process.pid);
  keptLedger({ path: told.ledger, slots: told.slots });
  new Worker(told);
}

class Worker {
  readonly #channel: Channel;
  readonly #listening: Listening;
  readonly #servers = new Set<object>();
  /** Of connections that are with this process. */
  readonly #handles = new Set<object>();
  readonly #blockedMs: number;
  #isReleasing = false;
  #isLeaving = false;
  #isAsked = false;

  constructor({ hasParent, listeners, blockedMs }: KeptEnvironment) {
    this.#blockedMs = blockedMs;
    const receive = (message: FromKeeper, handle: object | undefined) => this.#receive(message, handle);
    this.#channel = new Channel(receive, leave, hasParent);
    this.#listening = new Listening(this.#channel, listeners);
    // Listening sockets of a cluster are its primary's own.
    const isOnItsOwn = contained(undefined, () => this.#channel.tell({ rayguard: "on its own" }));
    cluster.once("fork", isOnItsOwn);
    onThreadServer(isOnItsOwn);
    process.on("exit", () => {
      for (const handle of this.#handles) contain(undefined, () => exits(handle));
    });
    whenLeaving((cause) => {
      this.#isLeaving = true;
      this.#channel.tell({ rayguard: "leaving", cause });
      // Where all is to end there is nobody to take them, and they are closed as they become idle.
      if (cause === "exception") this.#release();
    });
  }

  #receive(message: FromKeeper, handle: object | undefined): void {
    switch (message.rayguard) {
      case "connection":
        handedOver.since = performance.now() - (machineMs() - message.since);
        handedOver.behind = message.behind;
        if (handle !== undefined) this.#take(message.id, message.key, handle);
        else this.#channel.tell({ rayguard: "connection closed", id: message.id, how: "lost" });
        break;
      case "listening":
        this.#listening.given(message.key, message.address);
        break;
      case "listen failed":
        this.#listening.failed(message.key, message.error);
        break;
      case "closed":
        this.#listening.closed(message.key);
        break;
      case "retire":
        containPromise(undefined, this.#retire());
        break;
      case "parent left":
        this.#channel.parentLeft();
        break;
      case "ping":
        this.#pong();
        break;
    }
  }

  #pong(): void {
    this.#channel.tell({ rayguard: "pong", rss: residentMemory() });
    if (this.#isAsked) return;
    this.#isAsked = true; // from here on a pong that does not come ends the process
    if (this.#blockedMs > 0) noticeBlock(this.#blockedMs);
  }

  #take(id: number, key: string, handle: object): void {
    const kept = keep(handle, id, (connection, reset) => {
      this.#handles.delete(handle);
      this.#closed(connection, reset);
    });
    this.#handles.add(handle);
    const listener = this.#listening.at(key);
    if (listener === undefined) {
      // Closed while it was on its way: the keeper knows what to do with it.
      kept.isReleased = true;
      (handle as { close(): void }).close();
      return;
    }
    const server = ownerOf(listener);
    const recorder = server === undefined ? undefined : recorderOf(server);
    if (server !== undefined) this.#servers.add(server);
    const isOccupied = server !== undefined && isOpaque(server);
    if (isOccupied) recorder?.occupy(kept);
    listener.accept(handle);
    if (!isOccupied && recorder !== undefined) noteArrivals(handle, recorder);
  }

  #closed(kept: KeptConnection, reset: boolean): void {
    const how = kept.isReleased ? "released" : reset ? "reset" : "closed";
    this.#channel.tell({ rayguard: "connection closed", id: kept.id, how }, undefined, () => kept.forget());
  }

  /** Ends as on any other signal, but behind what is under way: the app may exit as soon as it hears of one. */
  async #retire(): Promise<void> {
    this.#release();
    const until = performance.now() + FINISH_MS;
    while (performance.now() < until && [...this.#servers].some(isAtWork)) await wait(LOOK_MS);
    if (!this.#isLeaving) process.kill(process.pid, "SIGTERM");
  }

  /** Gives connections back, now and as they become idle. */
  #release(): void {
    if (this.#isReleasing) return;
    this.#isReleasing = true;
    const release = contained(undefined, () => {
      for (const server of this.#servers) contain(undefined, () => releaseIdle(server));
    });
    release();
    setInterval(release, LOOK_MS).unref();
  }
}

/** In octets. Node opens a file for it, which it cannot where no descriptor is left. */
function residentMemory(): number {
  try {
    return process.memoryUsage.rss();
  } catch {
    return 0;
  }
}

/** Nothing of a further request has been read on these: their next worker finds all of it in the kernel. */
function releaseIdle(server: object): void {
  const used = new Set(idleSocketsOf(server));
  for (const socket of socketsOf(server)) {
    const kept = keptOf(socket);
    if (kept === undefined || !kept.isIdle || isDestroyed(socket)) continue;
    if (socket.bytesRead > 0 && !used.has(socket)) continue;
    const connection = connectionOf(socket);
    if (!connection.isIdle || socket.readableLength > 0 || socket.writableEnded) continue;
    kept.isReleased = true;
    connection.own(() => connection.call("destroy", []));
  }
}

/** The guards of a server: one of the app's own may be from another copy of the package. */
function coresOf(server: object): Partial<Pick<GuardCore, "supervisor" | "upgraded">>[] {
  return [...(guardsOf(server) as Set<Partial<GuardCore>>)];
}

/** Where the requests of a server are written down. */
function recorderOf(server: object): Recorder | undefined {
  for (const { supervisor } of coresOf(server)) if (supervisor?.recorder !== undefined) return supervisor.recorder;
  return undefined;
}

/** Nobody but this process can write on the connections of this server. */
function isOpaque(server: object): boolean {
  return "setSecureContext" in server || !isHttp1Server(server);
}

/** Whether a request is under way, or a connection has yet to go back. */
function isAtWork(server: object): boolean {
  const cores = coresOf(server);
  if (!isOpaque(server))
    return socketsOf(server).some((socket) => !cores.some(({ upgraded }) => upgraded?.has(socket)));
  return cores.some(({ supervisor }) =>
    [...(supervisor?.exchanges() ?? [])].some(({ hasConnection }) => hasConnection),
  );
}

function isGone(pid: number): boolean {
  try {
    return !process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}

/** The keeper is gone, and with it whoever accepts: the process ends as it would have been ended. */
function leave(): void {
  process.kill(process.pid, "SIGTERM");
}
