import { createServer, type Server, type Socket } from "node:net";
import { contained } from "../containment.js";
import type { Address, KeptListener, ListenFailure } from "../kept/messages.js";
import { closeListeners } from "../shutdown/close-listeners.js";
import { keeperWitness } from "./keeper-log.js";

/** Longest time for letting them in, in milliseconds. */
const LAST_MS = 500;

interface Listening extends KeptListener {
  readonly server: Server;
}

/** The sockets on which the program listens, which outlive its processes. */
export class ListeningSockets {
  readonly #open = new Map<string, Listening>();
  /** Those that are being closed: who waits there is let in before. */
  readonly #closing = new Set<Promise<void>>();

  constructor(private readonly connected: (socket: Socket, key: string) => void) {}

  get all(): readonly KeptListener[] {
    return [...this.#open.values()].map(({ key, address }) => ({
      key,
      address,
    }));
  }

  has(key: string): boolean {
    return this.#open.has(key);
  }

  /** Takes over a socket that a worker listens with. */
  adopt(key: string, address: string | Address, server: Server): void {
    this.#open.get(key)?.server.close();
    this.#add(key, address, server);
  }

  /**
   * Listens.
   * @param umask - of the program, which says who may connect to a Unix socket
   * @returns what has gone wrong, if anything
   */
  async listen(
    key: string,
    where: object,
    umask = process.umask(),
  ): Promise<string | Address | { error: ListenFailure }> {
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true });
    // The same port, perhaps.
    await Promise.all(this.#closing);
    try {
      await new Promise<void>((resolve, reject) => {
        const fail = contained(keeperWitness, reject);
        server.once("error", fail);
        const own = process.umask(umask);
        server.listen(where, resolve);
        process.umask(own);
      });
    } catch (error) {
      const { message, code, errno, syscall, address, port } = error as NodeJS.ErrnoException & Partial<Address>;
      return { error: { message, code, errno, syscall, address, port } };
    }
    const address = server.address() as string | Address;
    this.#add(key, address, server);
    return address;
  }

  #add(key: string, address: string | Address, server: Server): void {
    // Nothing is read here: what a client sends is for a worker.
    (server as { pauseOnConnect?: boolean }).pauseOnConnect = true;
    (server as { allowHalfOpen?: boolean }).allowHalfOpen = true;
    const connected = contained(keeperWitness, (socket: Socket) => this.connected(socket, key));
    server.on("connection", connected);
    server.on("error", () => undefined); // out of descriptors: those who wait are served when there are some
    this.#open.set(key, { key, address, server });
  }

  /** Closes one without a reset of those that the system has accepted there. */
  async close(key: string): Promise<void> {
    const listening = this.#open.get(key);
    if (listening === undefined) return;
    this.#open.delete(key);
    const closing = closeListeners([listening.server], "at once", performance.now() + LAST_MS, true);
    this.#closing.add(closing);
    await closing;
    this.#closing.delete(closing);
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.#closing, ...[...this.#open.keys()].map((key) => this.close(key))]);
  }
}
