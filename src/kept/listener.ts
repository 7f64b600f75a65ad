import { nextTick } from "../clock.js";
import type { Address } from "./messages.js";

/** What Node calls with a connection that has been accepted. */
type OnConnection = (this: object, error: number, handle: object) => void;

/** Who is told what becomes of one. */
interface Told {
  closed(listener: Listener): void;
  referenced(): void;
  /** It is about to be closed. Resolves once nobody can be on the way to it. */
  ending?(listener: Listener): Promise<void>;
}

/**
 * Stands in the place of the handle of a server whose listening socket the keeper has: Node's own code does with it all
 * that it does with one of libuv.
 */
export class Listener {
  onconnection: OnConnection | undefined;
  readonly key: string;
  readonly #told: Told;
  #isReferenced = true;
  #isClosed = false;
  #lastIn: Promise<void> | undefined;
  declare getsockname: ((out: object) => number) | undefined;

  /** @param address - where it listens; for a Unix socket Node knows the path itself */
  constructor(key: string, address: string | Address, told: Told) {
    this.key = key;
    this.#told = told;
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

  /** Has the keeper close the socket, and let in before that whoever waits there. Resolves when it has. */
  async letLastIn(): Promise<void> {
    if (!this.#isClosed) this.#lastIn ??= this.#told.ending?.(this);
    await this.#lastIn;
  }

  listen(): number {
    return 0;
  }

  close(callback?: () => void): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#told.closed(this);
    this.#told.referenced();
    if (callback !== undefined) nextTick(callback);
  }

  ref(): void {
    this.#isReferenced = true;
    this.#told.referenced();
  }

  unref(): void {
    this.#isReferenced = false;
    this.#told.referenced();
  }

  /** Whether it keeps the process alive. */
  hasRef(): boolean {
    return this.#isReferenced && !this.#isClosed;
  }
}
