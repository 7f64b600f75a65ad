import { type ChildProcess, fork } from "node:child_process";
import type { Server } from "node:net";
import { contained } from "../containment.js";
import { type FromKeeper, KEPT_VARIABLE, type KeptEnvironment, type ToKeeper } from "../kept/messages.js";
import type { HeldConnection } from "./held-connection.js";
import { keeperWitness } from "./keeper-log.js";

/** How a process has ended. */
export interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Why the system has not let it begin. */
  readonly failure?: string;
}

/** How a process has ended, in words. */
export function endInWords({ code, signal, failure }: End, killedFor?: string): string {
  if (failure !== undefined) return `it could not be started: ${failure}`;
  if (killedFor !== undefined) return killedFor;
  return signal === null ? `exit code ${code}` : `signal ${signal}`;
}

/** Whom a worker's process tells of itself. */
export interface WorkerOwner {
  said(worker: WorkerProcess, message: ToKeeper, server: Server | undefined): void;
  /** A message of the app's own, for whoever has started the keeper. */
  passedUp(message: unknown): void;
  /** It is gone, and everything that it has said has been heard. */
  ended(worker: WorkerProcess, end: End): void;
}

/**
 * Once a process is gone, time for what it has said last to be read, in milliseconds. Node does not tell of the end of a
 * pipe on which handles wait. A connection whose end was told is no longer in the ledger, so the pipe is read once more.
 */
const LAST_WORDS_MS = 5;

/** One process of the app. */
export class WorkerProcess {
  /** None where the system refuses it at once. */
  readonly #process: ChildProcess | undefined;
  readonly startedAt = performance.now();
  /** When it came to listen, in milliseconds; undefined until then. */
  readyAt: number | undefined;
  /** Last time its event loop has turned. */
  seenAt = performance.now();
  /** Resident memory, in octets, as of then. */
  rss = 0;
  /** Listening sockets that lead to it. */
  readonly keys = new Set<string>();
  /** Connections that it has. */
  readonly held = new Map<number, HeldConnection>();
  /**
   * What has yet to go to it, one at a time: Node keeps all that follows a handle until that has been taken, one for each
   * turn of the loop there, and nothing that is sent can overtake what Node keeps.
   */
  readonly #toSend: (HeldConnection | { readonly message: object })[] = [];
  #isSending = false;
  /** Connections among them. */
  #behind = 0;
  /** Another one is to take its place, or has. */
  isRetiring = false;
  /** It has taken the place of another one. */
  hasSucceeded = false;
  /** It has begun to end. */
  isLeaving = false;
  /** It gives back what is idle, so nothing more is given to it. */
  isReleasing = false;
  /** Why the keeper has killed it. */
  killedFor: string | undefined;

  constructor(program: string, args: readonly string[], register: string, kept: KeptEnvironment, owner: WorkerOwner) {
    let end: End | undefined;
    let isSilent = false;
    let isOver = false;
    const over = contained(keeperWitness, () => {
      if (isOver || end === undefined) return;
      isOver = true;
      owner.ended(this, end);
    });
    const failed = contained(keeperWitness, (error: Error) => {
      // Of a process that has begun, it could not be told something: `exit` follows, or has.
      if (this.pid !== 0) return;
      end ??= { code: null, signal: null, failure: error.message };
      over();
    });
    let child: ChildProcess;
    try {
      child = fork(program, args, {
        execArgv: [...process.execArgv, "--import", register],
        env: { ...process.env, [KEPT_VARIABLE]: JSON.stringify(kept) },
        stdio: ["inherit", "inherit", "inherit", ...givenSockets(), "ipc"],
      });
    } catch (error) {
      // As late as what Node itself tells of later.
      setImmediate(failed, error as Error);
      return;
    }
    this.#process = child;
    child.on("error", failed);
    const hear = contained(keeperWitness, (message: unknown, handle: unknown) => {
      const isOurs = typeof message === "object" && message !== null && "rayguard" in message;
      if (isOurs) owner.said(this, message as ToKeeper, handle as Server | undefined);
      else owner.passedUp(message);
    });
    child.on("message", hear);
    const readOnce = contained(keeperWitness, () => void setImmediate(over));
    const exited = contained(keeperWitness, (code: number | null, signal: NodeJS.Signals | null) => {
      end = { code, signal };
      if (isSilent) over();
      else setTimeout(readOnce, LAST_WORDS_MS);
    });
    child.on("exit", exited);
    const silent = contained(keeperWitness, () => {
      isSilent = true;
      over();
    });
    child.on("disconnect", silent);
  }

  /** 0 where there is none. */
  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  get isReady(): boolean {
    return this.readyAt !== undefined && !this.isRetiring;
  }

  /** Hands over a connection; it stays the keeper's as well. */
  give(connection: HeldConnection): void {
    this.held.set(connection.id, connection);
    this.#toSend.push(connection);
    this.#behind++;
    if (!this.#isSending) this.#sendNext();
  }

  /** Says something behind the connections that were handed over before. */
  tell(message: FromKeeper | unknown): void {
    this.#toSend.push({ message: message as object });
    if (!this.#isSending) this.#sendNext();
  }

  /** Asks whether its event loop turns, however many connections it has yet to take. */
  ping(): void {
    if (this.#process?.connected) this.#process.send({ rayguard: "ping" } satisfies FromKeeper, () => undefined);
  }

  readonly #sendNext = contained(keeperWitness, (): void => {
    const next = this.#toSend.shift();
    this.#isSending = next !== undefined && this.#process?.connected === true;
    if (next === undefined || !this.#isSending) return;
    if ("message" in next) return void this.#process?.send(next.message, this.#sendNext);
    const { id, key, waitingSince, socket } = next;
    const message: FromKeeper = { rayguard: "connection", id, key, since: waitingSince, behind: --this.#behind };
    // What does not arrive is found in `held` when the process has ended.
    this.#process?.send(message, socket, { keepOpen: true }, this.#sendNext);
  });

  kill(signal: NodeJS.Signals): void {
    this.#process?.kill(signal);
  }
}

/** Sockets that systemd has opened for this process (sd_listen_fds(3)), which the program is to find where they are. */
function givenSockets(): number[] {
  const { LISTEN_PID, LISTEN_FDS } = process.env;
  const count = LISTEN_PID === String(process.pid) ? Number(LISTEN_FDS) : 0;
  return Array.from({ length: count || 0 }, (_, i) => 3 + i);
}
