import { nextTick } from "../clock.js";
import type { Address } from "./messages.js";

/** What Node calls with a connection that has been accepted. */
type OnConnection = (this: object, error: number, handle: object) => void;

/**
 * Stands in the place of the handle of a server whose listening socket the keeper has: Node's own code does with it all
 * that it does with one of libuv.
 */
export class Listener {
  onconnection: OnConnection | undefined;
  readonly key: string;
  readonly #closed: (listener: Listener) => void;
  readonly #referenced: () => void;
  #isReferenced = true;
  #isClosed = false;
  declare getsockname: ((out: object) => number) | undefined;

  /** @param address - where it listens; for a Unix socket Node knows the path itself */
  constructor(key: string, address: string | Address, told: { closed(listener: Listener): void; referenced(): void }) {
    this.key = key;
    this.#closed = told.closed;
    this.#referenced = told.referenced;
    if (typeof address !== "string") {
      this.getsockname = (out) => {
        Object.assign(out, address);
        return 0;
      };
    }
  }

  /** Hands over a connection, as libuv would. */
  accept(handle: object): void {
    this.onconnection?.(0, handle);
  }

  listen(): number {
    return 0;
  }

  close(callback?: () => void): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#closed(this);
    this.#referenced();
    if (callback !== undefined) nextTick(callback);
  }

  ref(): void {
    this.#isReferenced = true;
    this.#referenced();
  }

  unref(): void {
    this.#isReferenced = false;
    this.#referenced();
  }

  /** Whether it keeps the process alive. */
  hasRef(): boolean {
    return this.#isReferenced && !this.#isClosed;
  }
}
