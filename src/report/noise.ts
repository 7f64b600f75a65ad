import { clearTimeout, performance, setTimeout } from "../clock.js";
import { contained } from "../containment.js";

/** Time after which what was left out is told, in milliseconds. */
const INTERVAL_MS = 60_000;
/** Told in full within it, of one peer and of all of them. */
const MOST_OF_PEER = 5;
const MOST_OF_ALL = 200;
/** Peers that are told apart; what others send is counted together. */
const MOST_PEERS = 1_000;
/** Peers whose numbers are told, those with the highest first. */
const MOST_LINES = 20;

/** What of one peer was not told. */
export interface LeftOut {
  /** Address of the peer; null for those that were not told apart. */
  readonly peer: string | null;
  readonly count: number;
  readonly seconds: number;
}

/**
 * Octets that are no request cost whoever sends them nothing, and a log hundreds of octets each. So the first of a peer
 * are told in full, and the others as one number for each interval.
 */
export class Noise {
  readonly #leftOut = new Map<string | null, { seen: number; count: number }>();
  #told = 0;
  #since = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(private readonly tell: (left: LeftOut) => void) {}

  /** Whether what comes from a peer is told in full. @param address - null where it is not known */
  admits(address: string | null): boolean {
    if (this.#timer === undefined) {
      this.#since = performance.now();
      const flush = contained(undefined, () => this.flush());
      this.#timer = setTimeout(flush, INTERVAL_MS).unref();
    }
    const isKnown = this.#leftOut.has(address) || this.#leftOut.size < MOST_PEERS;
    const peer = isKnown ? address : null;
    const of = this.#leftOut.get(peer) ?? { seen: 0, count: 0 };
    this.#leftOut.set(peer, of);
    of.seen++;
    if (of.seen <= MOST_OF_PEER && this.#told < MOST_OF_ALL) {
      this.#told++;
      return true;
    }
    of.count++;
    return false;
  }

  /** Tells what has been left out: the interval is over, or the guard is closed. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const seconds = Math.round((performance.now() - this.#since) / 1_000);
    const left = [...this.#leftOut].filter(([, { count }]) => count > 0).sort(([, a], [, b]) => b.count - a.count);
    this.#leftOut.clear();
    this.#told = 0;
    for (const [peer, { count }] of left.slice(0, MOST_LINES)) this.tell({ peer, count, seconds });
    const rest = left.slice(MOST_LINES).reduce((sum, [, { count }]) => sum + count, 0);
    if (rest > 0) this.tell({ peer: null, count: rest, seconds });
  }
}
