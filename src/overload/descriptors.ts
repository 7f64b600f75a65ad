import { readFileSync } from "node:fs";
import { performance } from "../clock.js";

/** Part of the descriptors that is kept free, and how many that is at least and at most. */
const RESERVE = { part: 1 / 16, least: 4, most: 64 };

/** Time until the limit is read again while descriptors are short, in milliseconds: it can be raised from outside. */
const READ_AGAIN_MS = 1_000;

/** How near the process is to its limit on open file descriptors. */
export interface Shortage {
  /** Open at least. */
  readonly open: number;
  readonly limit: number;
  /** Those that are kept free: so many connections can be refused at a time. */
  readonly reserve: number;
}

/**
 * Tells when the last descriptors are being handed out. Behind them libuv accepts and closes what connects, before
 * anybody in the process hears of it: the client sees a reset.
 */
export class Descriptors {
  #limit = Number.POSITIVE_INFINITY;
  #reserve = 0;
  #readAt = Number.NEGATIVE_INFINITY;

  /** @param read - the limit of this process */
  constructor(private readonly read: () => number = descriptorLimit) {
    this.#refresh(0);
  }

  /**
   * Asked for each connection, so it must cost nothing: the operating system hands out the lowest number that is free,
   * hence all below it are in use.
   * @param fd - the number that was handed out last, or -1 where the system has no such numbers
   */
  shortage(fd: number): Shortage | undefined {
    if (fd < this.#limit - this.#reserve) return undefined;
    this.#refresh(performance.now());
    if (fd < this.#limit - this.#reserve) return undefined;
    return { open: fd + 1, limit: this.#limit, reserve: this.#reserve };
  }

  #refresh(now: number): void {
    if (now - this.#readAt < READ_AGAIN_MS) return;
    this.#readAt = now;
    this.#limit = this.read();
    const { part, least, most } = RESERVE;
    this.#reserve = Math.min(most, Math.max(least, Math.floor(this.#limit * part)));
  }
}

/** The soft limit, which is what counts; infinite where it cannot be read for little, that is anywhere but on Linux. */
function descriptorLimit(): number {
  try {
    const soft = /^Max open files +([0-9]+)/m.exec(readFileSync("/proc/self/limits", "latin1"))?.[1];
    return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
