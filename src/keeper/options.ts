/** What `rayguard run` is told. */
export interface KeeperOptions {
  /** File of the program, and its arguments. */
  readonly program: string;
  readonly args: readonly string[];
  /** Number of processes. */
  readonly workers: number;
  /** A worker whose event loop has not turned for so long is replaced, in milliseconds; 0 never. */
  readonly blockedMs: number;
  /** How long a connection waits for a worker, in milliseconds. */
  readonly waitMs: number;
  /** How long a worker may take until it listens, in milliseconds. */
  readonly readyMs: number;
  /** A worker with more resident memory is replaced, in octets; 0 never. */
  readonly maxMemory: number;
  /** Directory of the ledgers. */
  readonly ledger: string | undefined;
}

/** Sixteen thousand requests under way in each process; each takes 256 octets. */
export const LEDGER_SLOTS = 16_384;
