import type { Cause } from "./leaving.js";

/** Where a server listens, as `server.address()` has it. */
export interface Address {
  readonly address: string;
  readonly family: string;
  readonly port: number;
}

/** A listening socket that the keeper owns. */
export interface KeptListener {
  /** Tells it from the others of a program: what `listen()` was asked for. */
  readonly key: string;
  /** Path of a Unix socket, or an address. */
  readonly address: string | Address;
}

/** An error of `listen()`, as it goes through the pipe. */
export interface ListenFailure {
  readonly message: string;
  readonly code?: string | undefined;
  readonly errno?: number | undefined;
  readonly syscall?: string | undefined;
  readonly address?: string | undefined;
  readonly port?: number | undefined;
}

/** What becomes of a connection in a worker. */
export type Parting = "closed" | "reset" | "released" | "lost";

/** What a worker finds in its environment. */
export interface KeptEnvironment {
  /** Number of the keeper's process. */
  readonly keeper: number;
  /** Base name of the ledgers. */
  readonly ledger: string;
  readonly slots: number;
  readonly hasParent: boolean;
  /** The process is ended once its event loop has not turned for so long, in milliseconds; 0 never. */
  readonly blockedMs: number;
  readonly listeners: readonly KeptListener[];
}

export const KEPT_VARIABLE = "RAYGUARD_KEPT";

/** What the keeper says. */
export type FromKeeper =
  /**
   * With a connection to the server that listens at `key`, which has been without a process `since` then, by the clock of
   * the machine; so many more are `behind` it.
   */
  | { rayguard: "connection"; id: number; key: string; since: number; behind: number }
  /** The keeper has the listening socket. */
  | { rayguard: "listening"; key: string; address: string | Address }
  | { rayguard: "listen failed"; key: string; error: ListenFailure }
  /** Nobody listens there any more. */
  | { rayguard: "closed"; key: string }
  /** Another worker takes over. */
  | { rayguard: "retire" }
  /** Whoever has started the keeper is gone, or has let go of it. */
  | { rayguard: "parent left" }
  | { rayguard: "ping" };

/** What a worker says. */
export type ToKeeper =
  /** With a server that has begun to listen, or without one where the keeper knows the key already. */
  | { rayguard: "listens"; key: string; address: string | Address }
  /** Path of a Unix socket to listen at. */
  | { rayguard: "listen"; key: string; path: string; umask: number; options: object }
  /** Nobody is to connect there any more; it still takes those who have (`takesLast`), or is closed already. */
  | { rayguard: "close"; key: string; takesLast: boolean }
  /** A connection is over; or `released`, to be handed on as it is; or has never arrived, `lost` for want of a descriptor. */
  | {
      rayguard: "connection closed";
      id: number;
      how: Parting;
    }
  /** It has begun to end, and takes no more connections. */
  | { rayguard: "leaving"; cause: Cause }
  /** It listens, or forks, with nothing for the keeper to hold. */
  | { rayguard: "on its own" }
  /** It has let go of the keeper's parent. */
  | { rayguard: "parted" }
  | { rayguard: "pong"; rss: number };
